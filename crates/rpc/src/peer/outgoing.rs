//! Calls to others.
//!
//! A call ends in exactly one of: a result, the remote error, the peer gone, a timeout, overload, or cancellation (its
//! future is dropped, and with it the session). The clock of a call starts when its request was sent, and every
//! heartbeat of the callee starts it anew; there is no other deadline, so a call may run for days.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hypha_wire::message::{Encrypted, Message, Payload, PromiseMethods, PromiseSpec};
use hypha_wire::{Method, Promise, Value};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::session::{Outcome, SessionId};
use super::{Event, Peer};
use crate::error::Error;
use crate::into_args::IntoArgs;
use crate::scope::{self, Encoder};
use crate::service::CallArgs;

/// In whose name a message is sent. Only a link inside the hub honours it; the hub overwrites what clients claim.
#[derive(Clone, Debug)]
pub struct ActAs {
    /// The acting user's current workspace.
    pub workspace: String,
    /// The acting user's record.
    pub user: Value,
    /// The address that it sends from, if not the peer's own.
    pub from: Option<String>,
}

/// How one call differs from the peer's defaults.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// How long to wait for an answer or a heartbeat; the peer's method timeout when `None`.
    pub timeout: Option<Duration>,
    /// Encrypt for this public key. Without one, the key that the function itself carries is used. Either only if the
    /// peer has encryption on.
    pub encrypt_for: Option<[u8; 32]>,
    /// A session of the callee that the call belongs to.
    pub parent: Option<Arc<str>>,
    /// In whose name to call (inside the hub only).
    pub act_as: Option<Arc<ActAs>>,
}

/// The local end of a call that waits. The session goes when nobody waits any more.
struct Pending {
    peer: Peer,
    id: SessionId,
    receiver: oneshot::Receiver<Outcome>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.peer.sessions().remove(self.id);
    }
}

/// A request that is ready to be sent.
struct Request {
    message: Message,
    frame: Bytes,
    /// The function's name for people.
    label: Option<String>,
    timeout: Duration,
    act_as: Option<Arc<ActAs>>,
    pending: Option<Pending>,
    /// There are functions among the arguments.
    has_functions: bool,
}

impl Peer {
    /// Calls a remote function and waits for the answer.
    ///
    /// Nothing is sent before the future is polled. Dropping it gives the call up.
    ///
    /// # Errors
    /// See [`Error`]; conversion errors of arguments come at the first poll.
    pub fn call<A: IntoArgs>(
        &self,
        method: &Method,
        args: A,
        options: &CallOptions,
    ) -> impl Future<Output = Result<Value, Error>> + Send + use<A> {
        let call = self.call_keeping_args(method, args, options);
        async move { call.await.map_err(|(error, _)| error) }
    }

    /// Like [`call`](Self::call); a failure hands the arguments back, unless there are functions among them (which
    /// went with the session of the call) or they were encrypted.
    pub(crate) fn call_keeping_args<A: IntoArgs>(
        &self,
        method: &Method,
        args: A,
        options: &CallOptions,
    ) -> impl Future<Output = Result<Value, (Error, Option<CallArgs>)>> + Send + use<A> {
        let peer = self.clone();
        let request = self.prepare(method, args, options);
        async move {
            let request = request.map_err(|error| (error, None))?;
            peer.perform(request).await
        }
    }

    /// Calls a function of a service by its address (`workspace/client`), service id and name.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call_service<A: IntoArgs>(
        &self,
        address: &str,
        service_id: &str,
        function: &str,
        args: A,
        options: &CallOptions,
    ) -> impl Future<Output = Result<Value, Error>> + Send + use<A> {
        let method = Method {
            target: address.to_owned(),
            path: format!("services.{service_id}.{function}"),
            ..Method::default()
        };
        self.call(&method, args, options)
    }

    /// Fetches the map of a service (metadata, and its functions as [`Value::Method`]) from the peer that has it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_remote_service(&self, address: &str, service_id: &str) -> Result<Value, Error> {
        let options = CallOptions::default();
        self.call_service(address, "built-in", "get_service", (service_id,), &options)
            .await
    }

    /// Sends an event to `to`: a client (`client` or `workspace/client`), or `*` for all subscribers in the workspace.
    ///
    /// # Errors
    /// The link is closed, or the event is larger than a chunk (events are never chunked).
    pub async fn emit(
        &self,
        kind: &str,
        to: &str,
        fields: Vec<(String, Value)>,
        act_as: Option<&ActAs>,
    ) -> Result<(), Error> {
        let message = Message {
            kind: kind.to_owned(),
            to: to.to_owned(),
            from: Some(self.sender(act_as)),
            other: fields,
            ..stamped(act_as)
        };
        let frame = Bytes::from(message.encode());
        if !self.fits(frame.len()) {
            return Err(Error::Config(format!(
                "The event `{kind}` is larger than {} bytes",
                self.0.config.chunk_size
            )));
        }
        self.send_frame(frame)
            .await
            .map_err(|error| Error::Closed { reason: error.reason })
    }

    /// Fires an event at this peer's own handlers only.
    pub fn emit_local(&self, kind: impl Into<String>, data: impl Into<Value>) {
        self.fire(&Event::local(kind, data));
    }

    /// The address that a message is sent from.
    pub(super) fn sender(&self, act_as: Option<&ActAs>) -> String {
        let own = || self.address().to_owned();
        act_as.and_then(|act_as| act_as.from.clone()).unwrap_or_else(own)
    }

    /// Can a frame of `len` bytes be sent whole?
    pub(super) fn fits(&self, len: usize) -> bool {
        len <= self.0.config.chunk_size + 1024
    }

    fn prepare<A: IntoArgs>(
        &self,
        method: &Method,
        args: A,
        options: &CallOptions,
    ) -> Result<Request, Error> {
        let target: Arc<str> = Arc::from(self.absolute(&method.target));
        let pending = match method.promise {
            Promise::None => None,
            Promise::Short | Promise::Full => {
                let (id, receiver) = self.sessions().open_pending(Arc::clone(&target));
                Some(Pending {
                    peer: self.clone(),
                    id,
                    receiver,
                })
            }
        };
        let encoder = Encoder {
            peer: self.clone(),
            target: Arc::clone(&target),
            session: pending.as_ref().map(|pending| pending.id),
            owner: None,
        };
        let (args, session) = scope::encode(encoder, || args.into_args());
        let result = args.and_then(|args| self.request(method, &target, args, options, pending));
        if result.is_err()
            && let Some(session) = session
        {
            self.sessions().remove(session);
        }
        result
    }

    fn request(
        &self,
        method: &Method,
        target: &str,
        args: CallArgs,
        options: &CallOptions,
        pending: Option<Pending>,
    ) -> Result<Request, Error> {
        let timeout = options.timeout.unwrap_or_else(|| {
            if method.path.contains("_rintf_") {
                self.0.config.interface_timeout
            } else {
                self.0.config.method_timeout
            }
        });
        let session = pending.as_ref().map(|pending| pending.id.to_string());
        let mut payload = payload_of(args);
        if let Some(session) = &session {
            let interval = timeout.as_secs_f64() / 2.0;
            match method.promise {
                Promise::Full => payload.promise = Some(self.full_promise(session, interval)),
                _ => {
                    payload.promise = Some(PromiseSpec::Short);
                    payload.t = Some(interval);
                }
            }
        }
        let key = options
            .encrypt_for
            .or_else(|| method.encryption_public_key.as_deref()?.try_into().ok());
        let message = Message {
            kind: "method".to_owned(),
            to: target.to_owned(),
            from: Some(self.sender(options.act_as.as_deref())),
            method: Some(method.path.clone()),
            session,
            parent: options.parent.as_deref().map(str::to_owned),
            payload: self.seal(payload, key)?,
            ..stamped(options.act_as.as_deref())
        };
        let frame = Bytes::from(message.encode());
        let label = method.name.clone();
        let has_functions = pending
            .as_ref()
            .is_some_and(|pending| self.sessions().has_objects(pending.id));
        Ok(Request {
            message,
            frame,
            label,
            timeout,
            act_as: options.act_as.clone(),
            pending,
            has_functions,
        })
    }

    fn full_promise(&self, session: &str, interval: f64) -> PromiseSpec {
        let method = |name| self.local_method(format!("{session}.{name}"), Promise::None);
        PromiseSpec::Full(Box::new(PromiseMethods {
            resolve: method("resolve"),
            reject: method("reject"),
            heartbeat: Some(method("heartbeat")),
            interval: Some(interval),
        }))
    }

    /// Encrypts a payload for `key` if the peer has encryption on.
    pub(super) fn seal(&self, payload: Payload, key: Option<[u8; 32]>) -> Result<Payload, Error> {
        let (Some(pair), Some(key)) = (&self.0.config.encryption, key) else {
            return Ok(payload);
        };
        let (nonce, ciphertext) = pair.seal(&key, &payload.encode())?;
        let encrypted = Encrypted {
            v: 2,
            pub_key: pair.public(),
            nonce,
            ciphertext: Bytes::from(ciphertext),
        };
        Ok(Payload {
            encrypted: Some(encrypted),
            ..Payload::default()
        })
    }

    async fn perform(&self, request: Request) -> Result<Value, (Error, Option<CallArgs>)> {
        let Request {
            message,
            frame,
            label,
            timeout,
            act_as,
            pending,
            has_functions,
        } = request;
        let Message {
            to, method, payload, ..
        } = message;
        let path = method.unwrap_or_default();
        let args = (!has_functions && payload.encrypted.is_none()).then_some(payload);
        let outcome = async {
            let sent = if self.fits(frame.len()) {
                self.send_frame(frame).await.map_err(|error| error.reason)
            } else {
                self.send_chunked(&to, frame, None, act_as)
                    .await
                    .map_err(|error| error.to_string())
            };
            if let Err(reason) = sent {
                return Err(match self.closed() {
                    Some(reason) => Error::Closed { reason },
                    None => Error::Send {
                        target: to,
                        method: path,
                        reason,
                    },
                });
            }
            let Some(pending) = pending else {
                return Ok(Value::Nil);
            };
            self.sessions().touch(pending.id);
            pending.settled(timeout).await.unwrap_or_else(|Silence| {
                let context = label.unwrap_or_else(|| path.clone());
                Err(Error::Timeout {
                    target: to,
                    method: path,
                    context,
                    after: timeout,
                })
            })
        };
        outcome.await.map_err(|error| {
            let args = args.map(|payload| {
                let (positional, kwargs) = payload.into_args();
                CallArgs { positional, kwargs }
            });
            (error, args)
        })
    }

    /// Calls a function whose request fits into one frame. Messages in chunks are made of such calls.
    pub(super) async fn call_whole(
        &self,
        method: &Method,
        args: Vec<Value>,
        options: &CallOptions,
    ) -> Result<Value, Error> {
        let Request {
            message,
            frame,
            timeout,
            pending,
            ..
        } = self.prepare(method, args, options)?;
        self.send_frame(frame)
            .await
            .map_err(|error| Error::Closed { reason: error.reason })?;
        let Some(pending) = pending else {
            return Ok(Value::Nil);
        };
        self.sessions().touch(pending.id);
        pending.settled(timeout).await.unwrap_or_else(|Silence| {
            let (target, method) = (message.to, method.path.clone());
            Err(Error::Timeout {
                target,
                context: method.clone(),
                method,
                after: timeout,
            })
        })
    }
}

/// Neither an answer nor a heartbeat came in time.
struct Silence;

impl Pending {
    /// Waits for the answer, or for `timeout` without a sign of life.
    async fn settled(mut self, timeout: Duration) -> Result<Outcome, Silence> {
        let mut deadline = Instant::now() + timeout;
        loop {
            tokio::select! {
                biased;
                outcome = &mut self.receiver => {
                    return Ok(outcome.unwrap_or_else(|_| Err(Error::Cancelled("its session was dropped".to_owned()))));
                }
                () = sleep_until(deadline) => {}
            }
            // One timer per call, which is not touched by heartbeats: when it fires, it looks whether there were any.
            match self.peer.sessions().last_alive(self.id) {
                Some(alive) if alive + timeout > deadline => deadline = alive + timeout,
                _ => return Err(Silence),
            }
        }
    }
}

/// A message with nothing but the name it is sent in.
pub(super) fn stamped(act_as: Option<&ActAs>) -> Message {
    let mut message = Message::default();
    if let Some(act_as) = act_as {
        message.ws = Some(act_as.workspace.clone());
        message.user = act_as.user.clone();
    }
    message
}

/// Positional arguments as they are, keyword arguments as a marked last map.
fn payload_of(args: CallArgs) -> Payload {
    Payload::args(args.positional).kwargs(args.kwargs)
}
