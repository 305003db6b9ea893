//! `/ws`: the upgrade, the first frame, and the connection afterwards.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::routing::any;
use axum::{Extension, Router};
use bytes::Bytes;
use futures_util::StreamExt;
use hyper::upgrade::OnUpgrade;
use hypha_hub::auth::handshake::{HandshakeRequest, RefusalKind};
use hypha_hub::outbox::{CloseReason, FrameKind, Outbox};
use hypha_hub::{Connection, Hub, Refusal, Session};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_websockets::{Limits, Message, ServerBuilder, WebSocketStream};

use crate::framing::WEBSOCKET;
use crate::http1;
use crate::pump::{Inbound, Pump};
use crate::remote::Remote;
use crate::routes::Shared;
use crate::socket::ReadSide;
use crate::throttle::Throttle;

/// How long a client may take to send its first frame.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest first frame, in bytes: ids and two tokens.
const HANDSHAKE_BYTES: usize = 96 * 1024;
/// Longest text frame after the first one, in characters.
const MAX_TEXT: usize = 1000;
/// Query parameters that older clients put their credentials into.
const CREDENTIALS: [&str; 4] = ["workspace", "client_id", "token", "reconnection_token"];

/// The routes of this module.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/ws", any(upgrade))
}

/// Answers an upgrade request and serves the connection in a task of its own.
async fn upgrade(
    State(Shared { hub, .. }): State<Shared>,
    Extension(Remote(remote)): Extension<Remote>,
    mut request: Request<Body>,
) -> Response<Body> {
    let key = match upgrade_key(request.headers()) {
        Ok(key) => key,
        Err(text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
            response
                .headers_mut()
                .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            return response;
        }
    };
    let query = request.uri().query().unwrap_or("").to_owned();
    if let Some(on_upgrade) = request.extensions_mut().remove::<OnUpgrade>() {
        let tasks = hub.tasks().clone();
        tasks.spawn(async move {
            match on_upgrade.await.map(http1::into_socket) {
                Ok(Some((socket, early))) => serve(hub, socket, early, remote, &query).await,
                Ok(None) => tracing::error!("the upgraded stream is not a TCP socket"),
                Err(error) => tracing::debug!(%error, "upgrade failed"),
            }
        });
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    accept_headers(&key, response.headers_mut());
    response
}

/// The headers by which a server agrees to an upgrade.
pub(crate) fn accept_headers(key: &[u8], headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key)) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
}

/// The key of an upgrade request.
pub(crate) fn upgrade_key(headers: &HeaderMap) -> Result<Vec<u8>, &'static str> {
    let has = |headers: &HeaderMap, name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| {
                value
                    .split(',')
                    .any(|part| part.trim().eq_ignore_ascii_case(word))
            })
    };
    if !has(headers, header::CONNECTION, "upgrade") || !has(headers, header::UPGRADE, "websocket") {
        return Err("This address is for WebSocket connections: connect with a hypha-rpc client.\n");
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        return Err("WebSocket version 13 is needed.\n");
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .ok_or("Sec-WebSocket-Key is missing.\n")?;
    Ok(key.as_bytes().to_vec())
}

async fn serve(hub: Hub, stream: TcpStream, early: Bytes, remote: IpAddr, query: &str) {
    let limits = &hub.options().limits;
    let outbox = Arc::new(Outbox::new(&WEBSOCKET, limits.outbox_bytes));
    let (read, write) = stream.into_split();
    // A copy: a slice, even an empty one, would keep the HTTP parser's buffer for as long as the connection lives.
    let early = Bytes::copy_from_slice(&early);
    let read = ReadSide::new(early, read, outbox.clone());
    let mut socket = ServerBuilder::new()
        .limits(max_payload(HANDSHAKE_BYTES))
        .serve(read);
    let name = |pair: &str| pair.split('=').next().unwrap_or("").to_owned();
    let admitted = if query.split('&').any(|pair| CREDENTIALS.contains(&&*name(pair))) {
        Err(Refusal::quiet(
            1008,
            "Credentials in the URL are not supported any more: please upgrade to a recent version of hypha-rpc",
        ))
    } else {
        match first_frame(&mut socket).await {
            Ok(request) => hub.admit(request, remote, outbox.clone()).await,
            Err(refusal) => Err(refusal),
        }
    };
    match admitted {
        Ok(session) => {
            *socket.limits_mut() = max_payload(limits.frame_bytes);
            let throttle = Throttle::new(limits.messages_per_second, limits.message_burst, Instant::now());
            // A task of its own: what the handshake needed is freed while the connection lives.
            let tasks = hub.tasks().clone();
            tasks.spawn(Pump::new(
                socket,
                write,
                outbox,
                Client {
                    hub,
                    session,
                    throttle,
                },
            ));
        }
        Err(refusal) => {
            tracing::info!(%remote, reason = refusal.text, "connection refused");
            if refusal.explain {
                let error = serde_json::json!({"type": "error", "message": refusal.text}).to_string();
                // The outbox is empty: there is room.
                let _ = outbox.push(FrameKind::Text, error.as_bytes());
            }
            outbox.close(&CloseReason::new(refusal.code, refusal.text));
            Pump::new(socket, write, outbox, Refused).await;
        }
    }
}

fn max_payload(bytes: usize) -> Limits {
    Limits::default().max_payload_len(NonZeroUsize::new(bytes).map(NonZeroUsize::get))
}

async fn first_frame(socket: &mut WebSocketStream<ReadSide>) -> Result<HandshakeRequest, Refusal> {
    let refuse = |code, text: &str| Err(Refusal::new(RefusalKind::Invalid, code, text));
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, next_data(socket)).await {
        Err(_) => refuse(1008, "Authentication payload timeout"),
        Ok(None) => Err(Refusal::quiet(1000, "")),
        Ok(Some(Err(error))) => refuse(
            1009,
            &format!("Failed to read authentication information: {error}"),
        ),
        Ok(Some(Ok(message))) => {
            let failed = || refuse(1003, "Failed to decode authentication information");
            let Some(text) = message.as_text() else {
                return failed();
            };
            serde_json::from_str(text).or_else(|_| failed())
        }
    }
}

async fn next_data(
    socket: &mut WebSocketStream<ReadSide>,
) -> Option<Result<Message, tokio_websockets::Error>> {
    loop {
        match socket.next().await? {
            Ok(message) if message.is_text() || message.is_binary() => return Some(Ok(message)),
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

/// An admitted client. Dropping the session removes it from the hub.
struct Client {
    hub: Hub,
    session: Session,
    throttle: Throttle,
}

impl Inbound for Client {
    fn frame(&mut self, message: Message) -> Result<Option<Duration>, CloseReason> {
        let connection: &Arc<Connection> = self.session.connection();
        if let Some(text) = message.as_text() {
            if text.chars().take(MAX_TEXT + 1).count() > MAX_TEXT {
                tracing::info!(
                    client = connection.address(),
                    "text frame ignored: it is longer than 1000 characters"
                );
            } else {
                self.hub.control(connection, text);
            }
        } else if message.is_binary() {
            self.hub.route(connection, &message.into_payload().into())?;
        }
        let wait = self.throttle.take(Instant::now);
        if wait.is_some() {
            self.hub.metrics().throttled.increment(1);
        }
        Ok(wait)
    }

    fn woken(&mut self, now: Instant) {
        self.session.connection().touch(now);
    }
}

/// A client that was not admitted: whatever it sends is dropped.
struct Refused;

impl Inbound for Refused {
    fn frame(&mut self, _: Message) -> Result<Option<Duration>, CloseReason> {
        Ok(None)
    }

    fn woken(&mut self, _: Instant) {}
}
