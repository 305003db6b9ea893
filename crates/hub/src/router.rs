//! The hot path: a frame of a connection goes to the peer it names, unread but for its header and its top-level keys.
//!
//! Nothing here awaits, and no lock is held while another is taken.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use hypha_wire::frame::{self, CallerContext, Header};
use hypha_wire::transfer::{ChunkAction, parse_chunk_call};
use hypha_wire::{Value, WireError};

use crate::auth::Permission;
use crate::connection::Connection;
use crate::events;
use crate::hub::Hub;
use crate::outbox::{CloseReason, PushError};
use crate::pending::answered_session;
use crate::transfers::TransferKey;
use crate::workspace::Peer;

/// Methods of a peer's message cache, through which chunked messages pass.
const MESSAGE_CACHE: &str = "services.built-in.message_cache.";

/// Where a message goes.
enum Route<'a> {
    /// Every subscriber in this workspace.
    Broadcast(&'a str),
    /// A peer of this hub.
    Peer(Peer),
    /// Nobody here; the absolute address.
    Elsewhere(String),
}

impl Hub {
    /// Routes one binary frame that came from `from`.
    ///
    /// # Errors
    /// The reason to end the connection with, when the frame is not what the protocol allows at all.
    pub fn route(&self, from: &Arc<Connection>, frame: &Bytes) -> Result<(), CloseReason> {
        let header = frame::scan_header(frame).map_err(|error| malformed(&error))?;
        let payload = frame.slice(header.len..);
        match frame::scan_payload(header.kind, &payload) {
            Ok(_) => {}
            Err(error @ (WireError::IllegalKey { .. } | WireError::DuplicateKey { .. })) => {
                self.refuse(from, &header, &format!("ValueError: {error}"));
                return Ok(());
            }
            Err(error) => return Err(malformed(&error)),
        }
        if header.kind != "method" && events::is_reserved(header.kind) {
            self.refuse(
                from,
                &header,
                &format!("PermissionError: '{}' is sent by the server only", header.kind),
            );
            return Ok(());
        }
        match self.find(from, header.to) {
            Route::Broadcast(workspace) => self.broadcast_from(from, &header, frame, &payload, workspace),
            Route::Peer(Peer::Connection(target)) => self.pass(from, &target, &header, frame, &payload),
            Route::Peer(Peer::Hosted(target)) => {
                // Without the user record, which nobody would read: hosted peers know the connection.
                let context = CallerContext::new(from.workspace.id.as_str(), from.address(), &Value::Nil);
                // A visitor is called by its own address, not by that of the peer that all visitors share.
                let visitor = target.is_for_visitors().then(|| absolute(from, header.to));
                let to = visitor.as_deref().unwrap_or(target.address());
                let stamped = stamp(&context, &header, frame, &payload, to);
                target.receive(stamped, from);
            }
            Route::Elsewhere(address) => {
                if let Some((session, _)) = header.method.and_then(answered_session) {
                    from.pending.answered(&address, session);
                }
                let stamped = stamp(&from.context, &header, frame, &payload, &address);
                if !self
                    .cluster()
                    .forward(&self.options().server_id, &address, &stamped)
                {
                    self.refuse(from, &header, &not_connected(&address));
                }
            }
        }
        Ok(())
    }

    fn find<'a>(&self, from: &'a Connection, to: &'a str) -> Route<'a> {
        match to.split_once('/') {
            None if to == "*" => Route::Broadcast(from.workspace.id.as_str()),
            None => match from.workspace.peer(to) {
                Some(peer) => Route::Peer(peer),
                None => {
                    let to = absolute(from, to);
                    self.visitors_at(&to).map_or(Route::Elsewhere(to), Route::Peer)
                }
            },
            Some((workspace, "*")) => Route::Broadcast(workspace),
            Some((workspace, client)) => {
                let peer = if workspace == from.workspace.id.as_str() {
                    from.workspace.peer(client)
                } else {
                    self.workspace(workspace)
                        .and_then(|workspace| workspace.peer(client))
                };
                peer.or_else(|| self.visitors_at(to))
                    .map_or_else(|| Route::Elsewhere(to.to_owned()), Route::Peer)
            }
        }
    }

    /// Forwards a point-to-point message to another connection.
    fn pass(
        &self,
        from: &Arc<Connection>,
        target: &Arc<Connection>,
        header: &Header<'_>,
        frame: &Bytes,
        payload: &Bytes,
    ) {
        let mut opens = None;
        if let Some(method) = header.method {
            if method.starts_with(MESSAGE_CACHE) {
                match self.pass_chunk(from, target, method, header.session, payload) {
                    Ok(key) => opens = key,
                    Err(text) => return self.refuse(from, header, &text),
                }
            }
            if let Some((session, resolved)) = answered_session(method)
                && let Some(call) = from.pending.answered(&target.address, session)
                && let Some(key) = call.opens
            {
                target.transfers.created(&key, resolved);
            }
            if let Some(load) = &target.load {
                load.count(Instant::now());
            }
        }
        if let Some(session) = header.session {
            target.pending.add(from, session, opens);
        }
        let context = &from.context;
        let sent = target.outbox.push_message(
            header.rewritten_len(context, &target.address),
            |out| header.write_rewritten(frame, context, &target.address, out),
            payload,
        );
        self.metrics().routed.increment(1);
        if let Err(error) = sent {
            if let Some(session) = header.session {
                target.pending.answered(&from.address, session);
            }
            let text = match error {
                PushError::Full => {
                    // Its socket may hang for a while yet; those who wait for its answers need not.
                    self.disconnected(target);
                    format!("RuntimeError: Target peer {} is overloaded", target.address)
                }
                PushError::Closed => not_connected(&target.address),
            };
            self.refuse(from, header, &text);
        }
    }

    /// Checks a chunk of a large message on its way to `target`.
    fn pass_chunk(
        &self,
        from: &Connection,
        target: &Connection,
        method: &str,
        session: Option<&str>,
        payload: &Bytes,
    ) -> Result<Option<TransferKey>, String> {
        let call = parse_chunk_call(method, payload).map_err(|error| format!("ValueError: {error}"))?;
        let Some(call) = call else { return Ok(None) };
        // The answer to `create` decides whether data may follow: it must be the only one that this session can get.
        let is_create = matches!(call.action, ChunkAction::Create { .. });
        if is_create && session.is_none_or(|session| target.pending.contains(&from.address, session)) {
            return Err("ValueError: `create` of a chunked transfer needs a session of its own".into());
        }
        let limit = self.options().limits.transfers;
        from.transfers
            .pass(&target.address, &call, payload, limit)
            .map_err(|error| error.to_string())
    }

    fn broadcast_from(
        &self,
        from: &Arc<Connection>,
        header: &Header<'_>,
        frame: &Bytes,
        payload: &Bytes,
        workspace: &str,
    ) {
        if workspace != from.workspace.id.as_str() {
            let text = format!(
                "PermissionError: Broadcasts to workspace {workspace} are not allowed from {}",
                from.address
            );
            return self.refuse(from, header, &text);
        }
        if from.permission < Permission::ReadWrite {
            let text = format!(
                "PermissionError: Read-only client {} cannot broadcast messages. Only point-to-point messages are \
                 allowed for read-only clients.",
                from.address
            );
            return self.refuse(from, header, &text);
        }
        let stamped = stamp(&from.context, header, frame, payload, &format!("{workspace}/*"));
        from.workspace.broadcast(header.kind, &stamped);
    }

    /// Tells the sender of a message with a session that it goes nowhere. Others are dropped silently: answering
    /// them would start a storm of answers to answers.
    fn refuse(&self, from: &Connection, header: &Header<'_>, text: &str) {
        tracing::debug!(from = from.address(), to = header.to, text, "message refused");
        if let Some(session) = header.session {
            send_reject(from, header.to, session, text);
        }
    }
}

/// Answers a call as if its target had rejected it.
pub(crate) fn send_reject(caller: &Connection, target: &str, session: &str, text: &str) {
    let frame = frame::reject_frame(target, caller.address(), session, text);
    // A caller that reads nothing is closed by its own outbox.
    let _ = caller.send(&frame.into());
}

/// Fails all calls that wait for an answer of `gone`.
pub(crate) fn reject_pending(gone: &Connection) {
    for call in gone.pending.drain() {
        let Some(caller) = call.caller.upgrade() else {
            continue;
        };
        caller
            .outstanding
            .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        if let Some(key) = call.opens {
            caller.transfers.created(&key, false);
        }
        // The caller may have reconnected meanwhile: its current connection hears it.
        let current = caller
            .workspace
            .connection(caller.client.as_str())
            .unwrap_or(caller);
        send_reject(
            &current,
            gone.address(),
            &call.session,
            &not_connected(gone.address()),
        );
    }
}

/// The complete frame as the receiver gets it: who sent it is what the hub knows, not what the frame says.
fn stamp(context: &CallerContext, header: &Header<'_>, frame: &Bytes, payload: &Bytes, to: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(header.rewritten_len(context, to) + payload.len());
    header.write_rewritten(frame, context, to, &mut out);
    out.extend_from_slice(payload);
    out.freeze()
}

/// An address with its workspace.
fn absolute(from: &Connection, to: &str) -> String {
    if to.contains('/') {
        to.to_owned()
    } else {
        format!("{}/{to}", from.workspace.id)
    }
}

pub(crate) fn not_connected(address: &str) -> String {
    format!("ConnectionError: Target peer {address} is not connected")
}

fn malformed(error: &WireError) -> CloseReason {
    CloseReason::new(1007, format!("Malformed message: {error}"))
}
