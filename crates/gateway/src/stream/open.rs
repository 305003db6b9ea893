//! `GET /rpc`: who is let in, and the head of the answer whose body is the stream.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use hypha_hub::auth::handshake::{HandshakeRequest, RefusalKind};
use hypha_hub::outbox::Outbox;
use hypha_hub::{Hub, Refusal, Subject};
use tokio::sync::mpsc;

use super::framing::STREAM;
use super::table::Stream;
use super::writer::Writer;
use super::{Asked, Endpoint, SECRET_COOKIE, SECRET_HEADER, refused};
use crate::credentials::{cookie, presented, remote};
use crate::error::Failure;
use crate::http1::Hangup;
use crate::routes::Shared;

/// What the body is.
pub(super) const MEDIA_TYPE: &str = "application/x-msgpack-stream";
/// The header in which a returning client may put its reconnection token, instead of the URL.
const RECONNECTION_HEADER: &str = "hypha-reconnection-token";

/// Opens a stream.
pub(super) async fn open(
    State(Shared { hub, base_path, .. }): State<Shared>,
    Extension(endpoint): Extension<Endpoint>,
    request: Request,
) -> Response {
    match try_open(&hub, &base_path, &endpoint, request).await {
        Ok(response) => response,
        Err(failure) => {
            tracing::info!(reason = failure.detail, "stream refused");
            failure.into_response()
        }
    }
}

async fn try_open(
    hub: &Hub,
    base_path: &str,
    endpoint: &Endpoint,
    request: Request,
) -> Result<Response, Failure> {
    let (head, _) = request.into_parts();
    let handshake = handshake(hub, &head).await?;
    let is_returning = handshake.reconnection_token.is_some();
    let refuse = |refusal: Refusal| match refusal.kind {
        RefusalKind::Credential if is_returning => refused(Refusal {
            text: format!("Invalid reconnection token: {}", refusal.text),
            ..refusal
        }),
        _ => refused(refusal),
    };
    hub.check_companion(&handshake).await.map_err(refuse)?;

    let limits = &hub.options().limits;
    let outbox = Arc::new(Outbox::new(&STREAM, limits.outbox_bytes));
    let session = hub.admit(handshake.clone(), remote(&head), outbox.clone());
    let session = session.await.map_err(refuse)?;
    // From here to the entry in the table nothing waits: the first message finds its stream.
    let connection = session.connection().clone();
    let secret = match cookie(&head.headers, SECRET_COOKIE) {
        Some(known) if is_secret(known) => known.to_owned(),
        _ => Hub::stream_secret(),
    };
    let is_anonymous = connection.is_anonymous();
    let subject = Subject::new(connection, &handshake, &secret);
    let entry = endpoint.streams.insert(Arc::new(Stream::new(subject, limits)));
    let (sender, receiver) = mpsc::channel(1);
    let writer = Writer {
        hub: hub.clone(),
        _session: session,
        entry,
        outbox,
        body: sender,
        hangup: head.extensions.get::<Hangup>().cloned(),
    };
    hub.tasks().spawn(writer.run());

    let mut response = Response::new(body(receiver));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert("accept-post", HeaderValue::from_static(MEDIA_TYPE));
    if is_anonymous {
        tell_secret(headers, &secret, base_path);
    }
    Ok(response)
}

/// The request as the first frame of a WebSocket would say it.
async fn handshake(hub: &Hub, head: &http::request::Parts) -> Result<HandshakeRequest, Failure> {
    let asked = Asked::of(&head.uri);
    let returning = head.headers.get(RECONNECTION_HEADER);
    let returning = returning.and_then(|value| value.to_str().ok());
    Ok(HandshakeRequest {
        client_id: Some(
            asked
                .client_id
                .unwrap_or_else(|| hypha_hub::ids::random_id(&mut rand::rng())),
        ),
        // Nobody works in `public`; clients that ask for it mean "anywhere".
        workspace: asked.workspace.filter(|workspace| workspace != "public"),
        token: presented(hub, head).await?,
        reconnection_token: returning.map(str::to_owned).or(asked.reconnection_token),
    })
}

/// Whether a cookie may be one of the secrets that this server makes.
fn is_secret(text: &str) -> bool {
    text.len() == 44 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Browsers keep the cookie to themselves; other clients read the header.
fn tell_secret(headers: &mut HeaderMap, secret: &str, base_path: &str) {
    let cookie = format!("{SECRET_COOKIE}={secret}; Path={base_path}/rpc; HttpOnly; SameSite=Strict");
    for (name, text) in [
        (HeaderName::from_static(SECRET_HEADER), secret),
        (SET_COOKIE, cookie.as_str()),
    ] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
}

fn body(receiver: mpsc::Receiver<Bytes>) -> Body {
    Body::from_stream(unfold(receiver, |mut receiver| async {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(bytes), receiver))
    }))
}
