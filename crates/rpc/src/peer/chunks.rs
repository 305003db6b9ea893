//! Messages too large for one frame: sent as a series of calls of the receiver's message cache.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use hypha_wire::message::Message;
use hypha_wire::transfer;
use hypha_wire::{Limits, Method, Value};

use super::{ActAs, CallOptions, Peer};
use crate::error::{Error, RemoteFailure};
use crate::service::CallContext;

impl Peer {
    /// Sends a frame in chunks, at most the configured number of them in flight.
    ///
    /// `reply_to` is the session of the receiver that the message answers. It becomes the key of the transfer, so that
    /// each chunk keeps the waiting call alive. Nested (dotted) sessions cannot be found by older clients, and two
    /// large messages for one session must not share a key, so these use a random one.
    pub(super) async fn send_chunked(
        &self,
        to: &str,
        frame: Bytes,
        reply_to: Option<&str>,
        act_as: Option<Arc<ActAs>>,
    ) -> Result<(), Error> {
        let claimed = reply_to
            .filter(|session| !session.contains('.'))
            .and_then(|session| self.claim_key(session));
        let (key, heartbeat) = match &claimed {
            Some(claimed) => (claimed.key.clone(), true),
            None => (format!("{:032x}", rand::random::<u128>()), false),
        };
        let options = CallOptions {
            act_as,
            ..CallOptions::default()
        };
        let call = |function: &str, args: Vec<Value>| {
            let method = Method {
                target: to.to_owned(),
                path: format!("services.built-in.message_cache.{function}"),
                ..Method::default()
            };
            let options = &options;
            async move { self.call_whole(&method, args, options).await }
        };
        let (id, alive) = (Value::from(key), Value::from(heartbeat));
        let sent = async {
            call("create", vec![id.clone(), alive.clone()]).await?;
            let chunks = transfer::chunks(frame.len(), self.0.config.chunk_size)
                .enumerate()
                .map(|(index, range)| {
                    let data = Value::from(frame.slice(range));
                    call("set", vec![id.clone(), Value::from(index), data, alive.clone()])
                });
            stream::iter(chunks)
                .buffer_unordered(self.0.config.max_concurrent_chunks.max(1))
                .try_for_each(|_| std::future::ready(Ok(())))
                .await?;
            call("process", vec![id.clone(), alive.clone()]).await
        };
        match sent.await {
            Ok(_) => Ok(()),
            Err(error) => {
                // Best effort: the receiver drops what is left of a sender that goes, too.
                let _ = call("remove", vec![id]).await;
                Err(error)
            }
        }
    }

    fn claim_key(&self, session: &str) -> Option<ClaimedKey> {
        let claimed = self.0.reply_keys.lock().insert(session.to_owned());
        claimed.then(|| ClaimedKey {
            peer: self.clone(),
            key: session.to_owned(),
        })
    }

    /// Takes in a message that arrived in chunks, with the identity of the sender of the chunks.
    pub(super) fn receive_transfer(&self, frame: Bytes, context: &CallContext) -> Result<(), RemoteFailure> {
        let mut message = Message::decode(&frame, &Limits::default())?;
        message.from = Some(context.from().to_owned());
        message.ws = Some(context.workspace().to_owned());
        message.to = context.to().to_owned();
        message.user = context.user().clone();
        self.spawn(self.dispatch_inner(message, context.extension_arc()));
        Ok(())
    }
}

/// The key of a large answer that is on its way; free again when dropped.
struct ClaimedKey {
    peer: Peer,
    key: String,
}

impl Drop for ClaimedKey {
    fn drop(&mut self) {
        self.peer.0.reply_keys.lock().remove(&self.key);
    }
}
