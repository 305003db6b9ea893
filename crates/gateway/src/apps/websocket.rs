//! WebSocket connections to ASGI applications, for services that opt in with `websocket: true` in their config.
//!
//! The same callbacks as for requests carry the events of the ASGI WebSocket protocol: `websocket.connect`, `.receive`
//! and `.disconnect` to the app, `websocket.accept`, `.send` and `.close` from it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hypha_rpc::{Callback, RemoteFailure, Value};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_websockets::{CloseCode, Limits, Message, ServerBuilder};

use super::scope::{self, Kind};
use super::{AFTERMATH, AppRequest, Conversation, response};
use crate::error::Failure;
use crate::http1::into_socket;
use crate::routes::Shared;
use crate::ws::{accept_headers, upgrade_key};

/// Largest message in either direction, in bytes.
const MAX_MESSAGE: usize = 16 << 20;
/// Messages that may wait in either direction.
const QUEUE: usize = 16;

/// Whether a request wants to become a WebSocket.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// What the app says about the connection.
enum Verdict {
    /// `websocket.accept`, with the headers of the answer and the subprotocol.
    Accept(HeaderMap, Option<String>),
    Refuse,
}

/// What goes to the client.
enum Outgoing {
    Message(Message),
    Close(u16, String),
}

/// Opens the connection if the app accepts it.
pub(super) async fn serve(shared: &Shared, app: AppRequest) -> Result<Response<Body>, Failure> {
    let AppRequest {
        visitor,
        target,
        workspace,
        service,
        path,
        request,
    } = app;
    if !matches!(target.config("websocket"), Some(Value::Bool(true))) {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "websocket_not_offered",
            "This service takes no WebSocket connections; its owner can allow them with `websocket: True` in the config \
             of the service",
        ));
    }
    let (mut parts, _) = request.into_parts();
    let key = upgrade_key(&parts.headers)
        .map_err(|text| Failure::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", text))?;
    let upgrade = parts
        .extensions
        .remove::<OnUpgrade>()
        .ok_or_else(|| Failure::bad_request("This connection cannot become a WebSocket"))?;
    let (events, incoming) = mpsc::channel(QUEUE);
    let (outgoing, to_client) = mpsc::channel(QUEUE);
    let (verdict, decided) = oneshot::channel();
    let conversation = conversation(&parts, (&path, &workspace, &service), incoming, outgoing, verdict);
    let over = CancellationToken::new();
    let ended = over.clone();
    let tasks = shared.hub.tasks().clone();
    tasks.spawn(async move {
        let method = target.method("serve");
        let call = visitor.call(&method, (conversation,), None);
        tokio::select! {
            outcome = call => if let Err(error) = outcome {
                tracing::debug!(%error, "an app's WebSocket failed");
            },
            () = async { ended.cancelled().await; tokio::time::sleep(AFTERMATH).await } => {}
        }
    });
    let guard = over.drop_guard();
    let connect = Value::Map(vec![("type".into(), "websocket.connect".into())]);
    // There is room: it is the first.
    let _ = events.try_send(connect);
    let refused = || {
        Failure::new(
            StatusCode::FORBIDDEN,
            "websocket_refused",
            "The app does not accept the connection",
        )
    };
    let (headers, protocol) = match decided.await {
        Ok(Verdict::Accept(headers, protocol)) => (headers, protocol),
        Ok(Verdict::Refuse) | Err(_) => return Err(refused()),
    };
    tasks.spawn(async move {
        // The app's call ends soon after the connection.
        let _guard = guard;
        match upgrade.await.map(into_socket) {
            Ok(Some((stream, early))) => pump(stream, early, events, to_client).await,
            Ok(None) => tracing::error!("the upgraded stream is not a TCP socket"),
            Err(error) => tracing::debug!(%error, "upgrade failed"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    accept_headers(&key, response.headers_mut());
    if let Some(protocol) = protocol.and_then(|protocol| HeaderValue::from_str(&protocol).ok()) {
        response
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(response)
}

fn conversation(
    parts: &Parts,
    (path, workspace, service): (&str, &str, &str),
    incoming: mpsc::Receiver<Value>,
    outgoing: mpsc::Sender<Outgoing>,
    verdict: oneshot::Sender<Verdict>,
) -> Conversation {
    let incoming = Arc::new(AsyncMutex::new(incoming));
    let verdict = Arc::new(Mutex::new(Some(verdict)));
    Conversation {
        scope: scope::of(parts, path, workspace, service, Kind::WebSocket),
        receive: Callback::new(move |(): ()| {
            let incoming = incoming.clone();
            async move {
                let next = incoming.lock().await.recv().await;
                Ok::<_, RemoteFailure>(next.unwrap_or_else(|| disconnected(1006)))
            }
        }),
        send: Callback::new(move |(event,): (Value,)| {
            let (outgoing, verdict) = (outgoing.clone(), verdict.clone());
            async move { send(&event, &outgoing, &verdict).await }
        }),
    }
}

fn disconnected(code: u16) -> Value {
    Value::Map(vec![
        ("type".into(), "websocket.disconnect".into()),
        ("code".into(), Value::Int(i64::from(code))),
    ])
}

/// Does what an event of the app says.
async fn send(
    event: &Value,
    outgoing: &mpsc::Sender<Outgoing>,
    verdict: &Mutex<Option<oneshot::Sender<Verdict>>>,
) -> Result<(), RemoteFailure> {
    let text = |key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = text("type").unwrap_or_default();
    let decide = |decision| verdict.lock().take().map(|verdict| verdict.send(decision));
    let message = match kind.as_str() {
        "websocket.accept" => {
            let headers = response::headers(event.get("headers")).map_err(RemoteFailure::value)?;
            return decide(Verdict::Accept(headers, text("subprotocol")))
                .map(|_| ())
                .ok_or_else(|| RemoteFailure::runtime("The connection was accepted or refused before"));
        }
        "websocket.close" => {
            if decide(Verdict::Refuse).is_some() {
                return Ok(());
            }
            let code = event.get("code").and_then(Value::as_f64).unwrap_or(1000.0);
            Outgoing::Close(code as u16, text("reason").unwrap_or_default())
        }
        "websocket.send" => match (event.get("bytes"), text("text")) {
            (Some(Value::Bytes(bytes)), _) => Outgoing::Message(Message::binary(bytes.clone())),
            (_, Some(text)) => Outgoing::Message(Message::text(text)),
            _ => return Err(RemoteFailure::value("websocket.send needs `bytes` or `text`")),
        },
        other => return Err(RemoteFailure::value(format!("Unknown event {other:?}"))),
    };
    if verdict.lock().is_some() {
        return Err(RemoteFailure::runtime("websocket.accept must be sent first"));
    }
    outgoing
        .send(message)
        .await
        .map_err(|_| RemoteFailure::connection("The client has disconnected"))
}

/// Carries messages until one side closes.
async fn pump(
    stream: tokio::net::TcpStream,
    early: Bytes,
    events: mpsc::Sender<Value>,
    mut to_client: mpsc::Receiver<Outgoing>,
) {
    let (read, write) = stream.into_split();
    let read = tokio::io::AsyncReadExt::chain(std::io::Cursor::new(early), read);
    let limits = Limits::default().max_payload_len(Some(MAX_MESSAGE));
    let socket = ServerBuilder::new()
        .limits(limits)
        .serve(tokio::io::join(read, write));
    let (mut sink, mut messages) = socket.split();
    let reading = async {
        while let Some(Ok(message)) = messages.next().await {
            if let Some((code, _)) = message.as_close() {
                return u16::from(code);
            }
            let entry = if let Some(text) = message.as_text() {
                ("text".to_owned(), Value::from(text))
            } else if message.is_binary() {
                ("bytes".to_owned(), Value::Bytes(message.into_payload().into()))
            } else {
                continue;
            };
            let event = Value::Map(vec![("type".into(), "websocket.receive".into()), entry]);
            // An app that does not read has its client wait.
            if events.send(event).await.is_err() {
                return 1001;
            }
        }
        1006
    };
    let writing = async {
        while let Some(next) = to_client.recv().await {
            let (message, is_last) = match next {
                Outgoing::Message(message) => (message, false),
                Outgoing::Close(code, reason) => {
                    let code = CloseCode::try_from(code).unwrap_or(CloseCode::NORMAL_CLOSURE);
                    (Message::close(Some(code), &cut(&reason)), true)
                }
            };
            if sink.send(message).await.is_err() || is_last {
                return;
            }
        }
        // The app has ended without a word.
        let _ = sink
            .send(Message::close(Some(CloseCode::NORMAL_CLOSURE), ""))
            .await;
    };
    let code = tokio::select! {
        code = reading => code,
        () = writing => 1000,
    };
    // An app that is behind learns it when it has read what is waiting.
    let _ = events.try_send(disconnected(code));
}

/// A reason that fits a close frame.
fn cut(reason: &str) -> String {
    reason
        .chars()
        .scan(0, |len, c| {
            *len += c.len_utf8();
            (*len <= 123).then_some(c)
        })
        .collect()
}
