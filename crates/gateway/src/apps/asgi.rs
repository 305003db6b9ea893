//! Services of type `asgi`: the owner runs an ASGI application, which reads the request with `receive` and writes the
//! response with `send`, both callbacks over RPC.
//!
//! Nothing is buffered beyond a window: a request's body is read when the app asks for it, and an app that writes
//! faster than the client reads has its `send` wait.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use futures_util::{StreamExt, stream};
use hypha_rpc::{Callback, Error, RemoteFailure, Value};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::scope::{self, Kind};
use super::{AFTERMATH, AppRequest, Conversation, response};
use crate::body;
use crate::error::Failure;
use crate::routes::Shared;

/// Most bytes of a request's body in one message: it fits one frame.
const CHUNK: usize = 252 * 1024;
/// Bytes of a response that may wait for the client.
const WINDOW: usize = 2 << 20;

/// A part of the response, with the room that it takes until the client has it.
type Part = Result<(Bytes, tokio::sync::OwnedSemaphorePermit), String>;

/// Answers a request with what the app sends.
pub(super) async fn serve(shared: &Shared, app: AppRequest) -> Result<Response<Body>, Failure> {
    let AppRequest {
        visitor,
        target,
        workspace,
        service,
        path,
        request,
    } = app;
    let (parts, body) = request.into_parts();
    let gone = CancellationToken::new();
    let (head, started) = oneshot::channel();
    let (sender, parts_of_body) = mpsc::channel(64);
    let incoming = Arc::new(Incoming {
        body: AsyncMutex::new(RequestBody::new(body)),
        gone: gone.clone(),
    });
    let outgoing = Arc::new(Outgoing {
        state: Mutex::new(State::Waiting(head, sender)),
        window: Arc::new(Semaphore::new(WINDOW)),
        gone: gone.clone(),
    });
    let (receiving, sending) = (incoming.clone(), outgoing.clone());
    let conversation = Conversation {
        scope: scope::of(&parts, &path, &workspace, &service, Kind::Http),
        receive: Callback::new(move |(): ()| {
            let incoming = receiving.clone();
            async move { Ok::<_, RemoteFailure>(incoming.next().await) }
        }),
        send: Callback::new(move |(event,): (Value,)| {
            let outgoing = sending.clone();
            async move { outgoing.send(event).await }
        }),
    };
    let call = async move {
        let outcome = visitor.call(&target.method("serve"), (conversation,), None).await;
        outgoing.end(outcome);
    };
    // A task of its own: an app may have things to do when its response is complete.
    let left = gone.clone();
    shared.hub.tasks().spawn(async move {
        tokio::select! {
            () = call => {}
            () = async { left.cancelled().await; tokio::time::sleep(AFTERMATH).await } => {}
        }
    });
    let guard = gone.drop_guard();
    match started.await {
        Ok(Ok(start)) => Ok(streamed(start, parts_of_body, guard)),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(no_answer("the app has ended without an answer")),
    }
}

fn no_answer(text: &str) -> Failure {
    Failure::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_error",
        format!("Internal Server Error: {text}"),
    )
}

/// The response; the guard tells the app when the client has left, or has everything.
fn streamed(
    head: axum::http::response::Builder,
    parts: mpsc::Receiver<Part>,
    guard: DropGuard,
) -> Response<Body> {
    let items = stream::unfold((parts, guard, None), |(mut parts, guard, room)| async move {
        // What was handed out before is written, or is in hyper's buffer of bounded size.
        drop(room);
        match parts.recv().await? {
            Ok((bytes, room)) => Some((Ok(bytes), (parts, guard, Some(room)))),
            Err(text) => Some((Err(text), (parts, guard, None))),
        }
    });
    head.body(Body::from_stream(items.boxed()))
        .unwrap_or_else(|error| no_answer(&error.to_string()).into_text())
}

/// What the app receives.
struct Incoming {
    body: AsyncMutex<RequestBody>,
    gone: CancellationToken,
}

impl Incoming {
    /// The next event: the body in parts, then the client's leaving.
    async fn next(&self) -> Value {
        let mut body = self.body.lock().await;
        let part = tokio::select! {
            part = body.next() => part,
            () = self.gone.cancelled() => None,
        };
        drop(body);
        match part {
            Some((bytes, more)) => Value::Map(vec![
                ("type".into(), "http.request".into()),
                ("body".into(), Value::Bytes(bytes)),
                ("more_body".into(), Value::Bool(more)),
            ]),
            None => {
                self.gone.cancelled().await;
                Value::Map(vec![("type".into(), "http.disconnect".into())])
            }
        }
    }
}

/// The body of a request, cut into parts of bounded size.
struct RequestBody {
    frames: axum::body::BodyDataStream,
    rest: Bytes,
    ended: bool,
}

impl RequestBody {
    fn new(body: Body) -> Self {
        Self {
            frames: body.into_data_stream(),
            rest: Bytes::new(),
            ended: false,
        }
    }

    /// The next part and whether more may follow; `None` when the end was told, or the client has broken off.
    async fn next(&mut self) -> Option<(Bytes, bool)> {
        if self.ended {
            return None;
        }
        while self.rest.is_empty() {
            match self.frames.next().await {
                Some(Ok(frame)) => self.rest = frame,
                Some(Err(error)) => {
                    tracing::debug!(
                        detail = body::failure(&error).detail,
                        "a request's body broke off"
                    );
                    self.ended = true;
                    return None;
                }
                None => {
                    self.ended = true;
                    return Some((Bytes::new(), false));
                }
            }
        }
        let part = self.rest.split_to(self.rest.len().min(CHUNK));
        Some((part, true))
    }
}

/// What the app sends.
struct Outgoing {
    state: Mutex<State>,
    window: Arc<Semaphore>,
    gone: CancellationToken,
}

enum State {
    /// Nothing was sent yet.
    Waiting(
        oneshot::Sender<Result<axum::http::response::Builder, Failure>>,
        mpsc::Sender<Part>,
    ),
    /// The head is out.
    Body(mpsc::Sender<Part>),
    /// The response is complete.
    Ended,
}

impl Outgoing {
    async fn send(&self, event: Value) -> Result<(), RemoteFailure> {
        match event.get("type").and_then(Value::as_str) {
            Some("http.response.start") => self.start(&event),
            Some("http.response.body") => self.body(event).await,
            // Extensions that were not offered.
            _ => Err(RemoteFailure::value(
                "`type` must be http.response.start or http.response.body",
            )),
        }
    }

    fn start(&self, event: &Value) -> Result<(), RemoteFailure> {
        let head = response::head(event).map_err(RemoteFailure::value)?;
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Ended) {
            State::Waiting(started, parts) => {
                // The client may have left already; the body's parts will tell.
                let _ = started.send(Ok(head));
                *state = State::Body(parts);
                Ok(())
            }
            other => {
                *state = other;
                Err(RemoteFailure::runtime("http.response.start was sent before"))
            }
        }
    }

    async fn body(&self, event: Value) -> Result<(), RemoteFailure> {
        let more = matches!(event.get("more_body"), Some(Value::Bool(true)));
        let bytes = match event.get("body") {
            None | Some(Value::Nil) => Bytes::new(),
            Some(Value::Bytes(bytes)) => bytes.clone(),
            Some(Value::Str(text)) => Bytes::from(text.clone()),
            Some(_) => return Err(RemoteFailure::type_error("`body` must be bytes")),
        };
        let parts = match &*self.state.lock() {
            State::Body(parts) => parts.clone(),
            State::Waiting(..) => {
                return Err(RemoteFailure::runtime("http.response.start must be sent first"));
            }
            // As servers do it: what comes after the end goes nowhere.
            State::Ended => return Ok(()),
        };
        let left = || RemoteFailure::connection("The client has disconnected");
        if !bytes.is_empty() {
            let size = u32::try_from(bytes.len().min(WINDOW)).unwrap_or(u32::MAX);
            let room = tokio::select! {
                room = self.window.clone().acquire_many_owned(size) => room.map_err(|_| left())?,
                () = self.gone.cancelled() => return Err(left()),
            };
            parts.send(Ok((bytes, room))).await.map_err(|_| left())?;
        }
        if !more {
            *self.state.lock() = State::Ended;
        }
        Ok(())
    }

    /// The app has returned, or failed.
    fn end(&self, outcome: Result<Value, Error>) {
        let state = std::mem::replace(&mut *self.state.lock(), State::Ended);
        match (state, outcome) {
            (State::Ended, Ok(_)) => {}
            (State::Ended, Err(error)) => tracing::debug!(%error, "an app failed after its response"),
            (State::Waiting(started, _), Ok(_)) => {
                let _ = started.send(Err(no_answer("the app has ended without an answer")));
            }
            (State::Waiting(started, _), Err(error)) => {
                let failure = match error {
                    Error::Remote { kind, message, .. } => no_answer(&format!("{kind}: {message}")),
                    other => other.into(),
                };
                let _ = started.send(Err(failure));
            }
            // Dropping the sender ends the response.
            (State::Body(_), Ok(_)) => {}
            (State::Body(parts), Err(error)) => {
                tracing::debug!(%error, "an app failed in the middle of its response");
                // Full means that the client is slow; it then sees the connection end when the parts are written.
                let _ = parts.try_send(Err("the app failed".into()));
            }
        }
    }
}
