//! Messages from others: whom they mean, and whether the sender may.

use std::sync::OnceLock;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hypha_wire::message::{Message, Payload, PromiseSpec};
use hypha_wire::{Limits, Value};

use super::builtin::BuiltIn;
use super::events::is_hub;
use super::serve::{Callee, Reply};
use super::session::{Lookup, SessionId};
use super::{Event, Peer, qualify, workspace_of};
use crate::error::{Error, RemoteFailure};
use crate::service::CallArgs;
use crate::service::context::{CallContext, Extension, Inner};

impl Peer {
    /// Takes in one frame. Returns when the message is handled, or has become a task of its own.
    ///
    /// Frames of one connection are to be given one after the other. Malformed ones are dropped; their sender is told
    /// if it waits for an answer.
    pub async fn receive(&self, frame: Bytes) {
        self.receive_from(frame, None).await;
    }

    /// Like [`receive`](Self::receive), with what the transport knows about the sender, which functions find with
    /// [`CallContext::extension`].
    pub async fn receive_from(&self, frame: Bytes, sender: Option<Extension>) {
        match Message::decode(&frame, &Limits::default()) {
            Ok(message) => self.dispatch(message, sender).await,
            Err(error) => self.refuse_malformed(&frame, &error.to_string()).await,
        }
    }

    /// [`dispatch`](Self::dispatch) for messages that arrived inside others.
    pub(super) fn dispatch_inner(
        &self,
        message: Message,
        sender: Option<Extension>,
    ) -> BoxFuture<'static, ()> {
        let peer = self.clone();
        Box::pin(async move { peer.dispatch(message, sender).await })
    }

    async fn dispatch(&self, message: Message, sender: Option<Extension>) {
        match message.kind.as_str() {
            "method" => self.on_method(message, sender).await,
            "peer_not_found" if is_hub(message.from.as_deref()) => self.on_peer_not_found(&message),
            _ => {
                let Message {
                    kind,
                    from,
                    ws,
                    user,
                    mut other,
                    payload,
                    ..
                } = message;
                other.extend(payload.data.map(|data| ("data".to_owned(), data)));
                self.fire(&Event {
                    kind,
                    from,
                    workspace: ws,
                    user,
                    fields: other,
                });
            }
        }
    }

    async fn refuse_malformed(&self, frame: &Bytes, error: &str) {
        tracing::debug!(error, "dropped a malformed message");
        let Ok(Value::Map(header)) = hypha_wire::codec::decode_prefix(frame).map(|(value, _)| value) else {
            return;
        };
        let text = |key: &str| {
            header
                .iter()
                .find(|(k, _)| k == key)
                .and_then(|(_, value)| value.as_str())
        };
        if let (Some("method"), Some(from), Some(session)) = (text("type"), text("from"), text("session")) {
            let called = self.absolute(text("to").unwrap_or(&self.config().client_id));
            let reply = Reply::new(called, from, Some(session), Some(PromiseSpec::Short), None, None);
            self.answer(
                reply,
                Err(RemoteFailure::value(format!("Malformed message: {error}"))),
            )
            .await;
        }
    }

    async fn on_method(&self, mut message: Message, sender: Option<Extension>) {
        let Some(from) = message.from.take() else {
            tracing::debug!("dropped a call without a sender");
            return;
        };
        let workspace = message
            .ws
            .take()
            .unwrap_or_else(|| workspace_of(&from).to_owned());
        let from = if from.contains('/') {
            from
        } else {
            format!("{workspace}/{from}")
        };
        let path = message.method.take().unwrap_or_default();
        let called = self.absolute(&message.to);

        let caller_key = message
            .payload
            .encrypted
            .as_ref()
            .map(|encrypted| encrypted.pub_key);
        let payload = match self.open(std::mem::take(&mut message.payload), &path) {
            Ok(payload) => payload,
            Err(failure) => {
                // Whether an answer is wanted is inside; a session in the header says that one is.
                let reply = Reply::new(
                    called,
                    &from,
                    message.session.as_deref(),
                    Some(PromiseSpec::Short),
                    None,
                    None,
                );
                return self.answer(reply, Err(failure)).await;
            }
        };
        let promise = payload.promise.clone();
        let reply = Reply::new(
            called,
            &from,
            message.session.as_deref(),
            promise,
            payload.t,
            caller_key,
        );
        let (mut positional, mut kwargs) = payload.into_args();
        let owner = workspace_of(&from);
        positional.iter_mut().for_each(|value| qualify(value, owner));
        kwargs.iter_mut().for_each(|(_, value)| qualify(value, owner));
        let args = CallArgs { positional, kwargs };

        let (callee, args) = match self.find(&from, &path, &message, args) {
            Ok(Found::Callee(callee, args)) => (callee, args),
            Ok(Found::Handled) => return,
            Err(failure) => return self.answer(reply, Err(failure)).await,
        };
        let context = CallContext::new(Inner {
            peer: self.clone(),
            workspace,
            to: self.absolute(&message.to),
            from,
            method: path,
            user: message.user,
            session: message.session,
            parent: message.parent,
            caller_key,
            extension: sender,
            results: OnceLock::new(),
        });
        let allowed = match &callee {
            Callee::Service(entry, _) => entry.allow_call(&context, caller_key.is_some()),
            Callee::Function(_) | Callee::BuiltIn(_) => Ok(()),
        };
        match allowed {
            Ok(()) => self.serve(callee, context, args, reply).await,
            Err(failure) => self.answer(reply, Err(failure)).await,
        }
    }

    /// Decrypts a payload that is encrypted.
    fn open(&self, payload: Payload, path: &str) -> Result<Payload, RemoteFailure> {
        let Some(encrypted) = &payload.encrypted else {
            return Ok(payload);
        };
        let Some(pair) = &self.0.config.encryption else {
            return Err(RemoteFailure::permission(format!(
                "The call of method {path} is encrypted, but encryption is not enabled at {}",
                self.address()
            )));
        };
        let failed = || {
            RemoteFailure::permission(format!(
                "Decryption failed for method {path}. Invalid key or tampered data."
            ))
        };
        let plain = pair
            .open(&encrypted.pub_key, &encrypted.nonce, &encrypted.ciphertext)
            .ok_or_else(failed)?;
        let payload = Payload::decode(&Bytes::from(plain), &Limits::default()).map_err(|_| failed())?;
        // An envelope inside an envelope is nothing that anyone sends.
        if payload.encrypted.is_some() {
            Err(failed())
        } else {
            Ok(payload)
        }
    }

    fn find(
        &self,
        from: &str,
        path: &str,
        message: &Message,
        args: CallArgs,
    ) -> Result<Found, RemoteFailure> {
        self.check_workspace(&message.to)?;
        let Some((first, rest)) = path.split_once('.') else {
            let text = format!("Method not found: {from}:{path} at {}", self.config().client_id);
            return Err(RemoteFailure::key(text));
        };
        if first == "services" {
            return self.find_in_services(from, path, rest, args);
        }
        let Some(session) = SessionId::parse(first) else {
            return Err(RemoteFailure::key(format!("Session not found: {from}:{path}")));
        };
        match rest {
            "resolve" => return self.settle(session, from, path, Ok, args),
            "reject" => {
                return self.settle(session, from, path, |value| Err(Error::from_reject(value)), args);
            }
            "heartbeat" => {
                return lookup(self.sessions().heartbeat(session, from), from, path).map(|()| Found::Handled);
            }
            _ => {}
        }
        if let Some(parent) = &message.parent
            && !SessionId::parse(parent).is_some_and(|parent| self.sessions().contains(parent))
        {
            return Err(RemoteFailure::key(format!("Parent session was closed: {parent}")));
        }
        let function = lookup(self.sessions().object(session, from, rest), from, path)?;
        Ok(Found::Callee(Callee::Function(function), args))
    }

    fn find_in_services(
        &self,
        from: &str,
        path: &str,
        rest: &str,
        args: CallArgs,
    ) -> Result<Found, RemoteFailure> {
        if let Some(function) = rest.strip_prefix("built-in.").and_then(BuiltIn::from_name) {
            return Ok(Found::Callee(Callee::BuiltIn(function), args));
        }
        match self.0.registry.function(rest) {
            Some((entry, function)) => Ok(Found::Callee(Callee::Service(entry, function.to_owned()), args)),
            None => Err(RemoteFailure::key(format!(
                "Method expired or not found: {from}:{path}"
            ))),
        }
    }

    fn settle(
        &self,
        session: SessionId,
        from: &str,
        path: &str,
        outcome: impl FnOnce(Value) -> Result<Value, Error>,
        args: CallArgs,
    ) -> Result<Found, RemoteFailure> {
        let waiter = lookup(self.sessions().settle(session, from), from, path)?;
        let value = args.positional.into_iter().next().unwrap_or(Value::Nil);
        // Nobody may be waiting any more, which is fine: the call was given up.
        let _ = waiter.send(outcome(value));
        Ok(Found::Handled)
    }

    /// A peer of one workspace takes no messages that are addressed to another.
    fn check_workspace(&self, to: &str) -> Result<(), RemoteFailure> {
        let own = self.config().workspace.as_str();
        match to.split_once('/') {
            Some((workspace, _)) if own != "*" && workspace != own => Err(RemoteFailure::permission(
                format!("Workspace mismatch: {workspace} != {own}"),
            )),
            _ => Ok(()),
        }
    }

    fn on_peer_not_found(&self, message: &Message) {
        let text = |key: &str| message.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(peer) = text("peer_id") {
            let reason = text("error").unwrap_or_else(|| format!("Target peer {peer} is not connected"));
            let gone = |_: &str| Error::PeerGone {
                peer: peer.clone(),
                message: reason.clone(),
            };
            self.sessions().fail(|target| target == peer, gone);
        }
    }
}

/// What a path leads to.
enum Found {
    /// Something that needs no call: the answer or the heartbeat of an own call.
    Handled,
    /// A function, with the arguments handed back.
    Callee(Callee, CallArgs),
}

fn lookup<T>(lookup: Lookup<T>, from: &str, path: &str) -> Result<T, RemoteFailure> {
    match lookup {
        Lookup::Found(found) => Ok(found),
        Lookup::NoSession => Err(RemoteFailure::key(format!("Session not found: {from}:{path}"))),
        Lookup::NoObject => Err(RemoteFailure::key(format!(
            "Method expired or not found: {from}:{path}"
        ))),
        Lookup::Denied(target) => Err(RemoteFailure::permission(format!(
            "Access denied for method call ({path}) from {from} to target {target}"
        ))),
    }
}
