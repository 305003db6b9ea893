//! Running a function for somebody else: the call itself, heartbeats while it runs, and the answer.

use std::any::Any;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use hypha_wire::Value;
use hypha_wire::message::{Message, Payload, PromiseMethods, PromiseSpec};

use super::Peer;
use super::builtin::BuiltIn;
use super::registry::{DISPOSE, Entry};
use crate::error::RemoteFailure;
use crate::function::Function;
use crate::service::{CallArgs, CallContext};

/// Heartbeats are not sent more often than this, whatever the caller asks for.
const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// What a message calls.
pub(super) enum Callee {
    /// A function of a service, by its name in it.
    Service(Arc<Entry>, String),
    /// A function in a session.
    Function(Function),
    /// A function of the service that every peer has.
    BuiltIn(BuiltIn),
}

/// What a function answers.
pub(super) enum Answer {
    /// A value, to be encoded.
    Value(Value),
    /// A payload that was encoded before.
    Encoded(Bytes),
}

/// How the caller wants its answer.
#[derive(Clone)]
pub(super) struct Reply {
    to: String,
    /// The address that was called, which the answer comes from.
    from: String,
    resolve: String,
    reject: String,
    heartbeat: Option<(String, Duration)>,
    session: Option<String>,
    encrypt_for: Option<[u8; 32]>,
}

impl Reply {
    /// Reads the promise of a call from `from` to the own address `called`; `None` when no answer is wanted.
    ///
    /// Answers go to the caller only, whatever the functions of a full promise claim as their owner.
    pub(super) fn new(
        called: String,
        from: &str,
        session: Option<&str>,
        promise: Option<PromiseSpec>,
        interval: Option<f64>,
        encrypt_for: Option<[u8; 32]>,
    ) -> Option<Self> {
        let duration = |seconds: Option<f64>| {
            let interval = Duration::try_from_secs_f64(seconds?).ok()?;
            (!interval.is_zero()).then(|| interval.max(MIN_INTERVAL))
        };
        let (resolve, reject, heartbeat) = match promise? {
            PromiseSpec::Short => {
                let session = session?;
                let heartbeat = duration(interval).map(|interval| (format!("{session}.heartbeat"), interval));
                (
                    format!("{session}.resolve"),
                    format!("{session}.reject"),
                    heartbeat,
                )
            }
            PromiseSpec::Full(methods) => {
                let PromiseMethods {
                    resolve,
                    reject,
                    heartbeat,
                    interval,
                } = *methods;
                let heartbeat = heartbeat.and_then(|method| Some((method.path, duration(interval)?)));
                (resolve.path, reject.path, heartbeat)
            }
        };
        let session = session.map(str::to_owned);
        Some(Self {
            to: from.to_owned(),
            from: called,
            resolve,
            reject,
            heartbeat,
            session,
            encrypt_for,
        })
    }

    fn message(&self, path: &str) -> Message {
        Message {
            kind: "method".to_owned(),
            to: self.to.clone(),
            from: Some(self.from.clone()),
            method: Some(path.to_owned()),
            parent: self.session.clone(),
            ..Message::default()
        }
    }
}

/// Counts a running call for as long as it lives.
struct Running(Peer);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Peer {
    /// Runs a call. Returns at once when the function answers at once; otherwise it goes on in a task of its own.
    pub(super) async fn serve(
        &self,
        callee: Callee,
        context: CallContext,
        args: CallArgs,
        reply: Option<Reply>,
    ) {
        let heartbeat = reply.as_ref().and_then(|reply| {
            let (path, interval) = reply.heartbeat.as_ref()?;
            Some((Bytes::from(reply.message(path).encode()), *interval))
        });
        let overloaded = reply.clone();
        let peer = self.clone();
        let mut work = Box::pin(async move {
            let outcome = peer.run(callee, context, args).await;
            peer.answer(reply, outcome).await;
        });
        if poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await.is_ready() {
            return;
        }
        let Some(running) = self.count_running() else {
            drop(work);
            let failure =
                RemoteFailure::runtime("Overloaded: too many calls run at this client, try again later");
            // The answer must not wait for room either: that would hold up the messages behind this one.
            let _ = self.answer(overloaded, Err(failure)).now_or_never();
            return;
        };
        let peer = self.clone();
        self.spawn(async move {
            let _running = running;
            let Some((frame, interval)) = heartbeat else { return work.await };
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    () = &mut work => return,
                    _ = ticks.tick() => {}
                }
                if let Err(error) = peer.send_frame(frame.clone()).await {
                    tracing::debug!(%error, "gave up a call, because its caller cannot be told that it is alive");
                    return;
                }
            }
        });
    }

    fn count_running(&self) -> Option<Running> {
        let running = Running(self.clone());
        let before = self.0.running.fetch_add(1, Ordering::Relaxed);
        (before < self.0.config.limits.running_calls).then_some(running)
    }

    async fn run(
        &self,
        callee: Callee,
        context: CallContext,
        args: CallArgs,
    ) -> Result<Answer, RemoteFailure> {
        let call = async {
            match callee {
                Callee::Service(entry, function) if entry.only_caller.is_some() && function == DISPOSE => {
                    self.remove_service(&entry.spec.id);
                    Ok(Answer::Value(Value::Nil))
                }
                Callee::Service(entry, function) => entry
                    .service
                    .call(context, &function, args)
                    .await
                    .map(Answer::Value),
                Callee::Function(function) => function(context, args).await.map(Answer::Value),
                Callee::BuiltIn(function) => self.call_builtin(function, context, args).await,
            }
        };
        // A function that panics fails its own call, not the connection it came over.
        AssertUnwindSafe(call)
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| {
                let text = panic_text(&*panic);
                tracing::error!(text, "a function panicked");
                Err(RemoteFailure::runtime(format!("The function panicked: {text}")))
            })
    }

    /// Sends the outcome of a call to the caller, if it wants one.
    pub(super) async fn answer(&self, reply: Option<Reply>, outcome: Result<Answer, RemoteFailure>) {
        let Some(reply) = reply else {
            if let Err(failure) = outcome {
                tracing::debug!(%failure, "a call failed whose caller does not want to know");
            }
            return;
        };
        let answered = match outcome {
            Ok(answer) => self.send_answer(&reply, &reply.resolve, answer).await,
            Err(failure) => {
                let answer = Answer::Value(Value::Error(failure.to_wire()));
                self.send_answer(&reply, &reply.reject, answer).await
            }
        };
        let Err(failure) = answered else { return };
        tracing::debug!(to = reply.to, %failure, "an answer could not be sent");
        let answer = Answer::Value(Value::Error(failure.to_wire()));
        let _ = self.send_answer(&reply, &reply.reject, answer).await;
    }

    async fn send_answer(&self, reply: &Reply, path: &str, answer: Answer) -> Result<(), RemoteFailure> {
        let mut message = reply.message(path);
        let frame = match answer {
            Answer::Encoded(payload) if reply.encrypt_for.is_none() => {
                let mut frame = message.encode();
                frame.extend_from_slice(&payload);
                Bytes::from(frame)
            }
            Answer::Encoded(payload) => {
                let payload = Payload::decode(&payload, &Default::default())?;
                message.payload = self.seal(payload, reply.encrypt_for)?;
                Bytes::from(message.encode())
            }
            Answer::Value(value) => {
                message.payload = self.seal(Payload::args(vec![value]), reply.encrypt_for)?;
                Bytes::from(message.encode())
            }
        };
        if self.fits(frame.len()) {
            self.send_frame(frame)
                .await
                .map_err(|error| RemoteFailure::connection(error.reason))
        } else {
            let sent = self
                .send_chunked(&reply.to, frame, reply.session.as_deref(), None)
                .await;
            sent.map_err(|error| RemoteFailure::runtime(format!("Failed to send the result, error: {error}")))
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
