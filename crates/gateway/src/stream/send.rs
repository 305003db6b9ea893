//! `POST /rpc`: one message of a client that has a stream.

use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use hypha_hub::{Hub, Shown};
use hypha_wire::Value;
use hypha_wire::frame::scan_header;

use super::open::MEDIA_TYPE;
use super::table::Stream;
use super::{Asked, Endpoint, SECRET_COOKIE, SECRET_HEADER, call, refused};
use crate::body;
use crate::credentials::{cookie, presented, remote};
use crate::error::Failure;
use crate::routes::Shared;

/// Largest control message, in bytes.
const MAX_CONTROL: usize = 1000;

/// Takes a message.
pub(super) async fn send(
    State(Shared { hub, .. }): State<Shared>,
    Extension(endpoint): Extension<Endpoint>,
    request: Request,
) -> Response {
    match try_send(&hub, &endpoint, request).await {
        Ok(response) => response,
        Err(failure) => {
            tracing::debug!(reason = failure.detail, "message refused");
            failure.into_response()
        }
    }
}

async fn try_send(hub: &Hub, endpoint: &Endpoint, request: Request) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let asked = Asked::of(&head.uri);
    let client = asked
        .client_id
        .ok_or_else(|| Failure::bad_request("client_id is required"))?;
    let limit = hub.options().limits.frame_bytes;
    let stream = asked
        .workspace
        .as_deref()
        .and_then(|workspace| endpoint.streams.find(workspace, &client));
    let Some(stream) = stream else {
        endpoint.limits.spend(remote(&head), &head.headers)?;
        return call::call(hub, &head, body, asked.workspace.as_deref()).await;
    };

    // Before anything of the body is read.
    let token = presented(hub, &head).await?;
    let shown = Shown {
        token: token.as_deref(),
        secret: secret(&head.headers),
        remote: remote(&head),
    };
    let recognised = hub.recognise(&stream.subject, &shown).await;
    recognised.map_err(refused)?;
    let length = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let length = if body.size_hint().exact().is_some() {
        length
    } else {
        limit
    };
    let room = stream.room(length.min(limit)).await;
    let frame = read(&head, body, limit).await?;
    stream.connection().touch(Instant::now());
    let content_type = head.headers.get(CONTENT_TYPE);
    let wait = if content_type.is_some_and(|value| value == MEDIA_TYPE) {
        take_all(hub, &stream, frame)?
    } else {
        take(hub, &stream, &frame)?
    };
    if let Some(wait) = wait {
        // Whoever sends too fast waits for the answer.
        hub.metrics().throttled.increment(1);
        tokio::time::sleep(wait).await;
    }
    drop(room);
    Ok(StatusCode::OK.into_response())
}

/// The secret of an anonymous stream, as far as the client knows it.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(SECRET_HEADER).and_then(|value| value.to_str().ok());
    header.or_else(|| cookie(headers, SECRET_COOKIE))
}

/// Takes several messages, each after its length, as they are on the stream.
fn take_all(hub: &Hub, stream: &Stream, mut frames: Bytes) -> Result<Option<Duration>, Failure> {
    let truncated = || Failure::bad_request("The body ends inside a message");
    let mut wait = None;
    while !frames.is_empty() {
        let length = frames.try_get_u32().map_err(|_| truncated())?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= frames.len());
        let frame = frames.split_to(length.ok_or_else(truncated)?);
        wait = take(hub, stream, &frame)?;
    }
    Ok(wait)
}

/// Routes a message, or answers a control message on the stream. Gives how long the sender has to wait.
fn take(hub: &Hub, stream: &Stream, frame: &Bytes) -> Result<Option<Duration>, Failure> {
    let connection = stream.connection();
    if scan_header(frame).is_err()
        && frame.len() <= MAX_CONTROL
        && let Ok(message) = hypha_wire::decode(frame)
        && let Some(kind @ ("ping" | "refresh_token")) = message.get("type").and_then(Value::as_str)
    {
        let text = serde_json::json!({"type": kind}).to_string();
        hub.control(connection, &text);
    } else {
        // Not 400: clients send the same message again then, in the belief that another server has their stream.
        hub.route(connection, frame).map_err(|reason| {
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "malformed_message", reason.text)
        })?;
    }
    Ok(stream.count())
}

/// Reads a whole body that is not empty.
pub(super) async fn read(head: &Parts, body: Body, limit: usize) -> Result<Bytes, Failure> {
    let encoding = head.headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        let text = "Content-Encoding must be identity on this route";
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            text,
        ));
    }
    let whole = body::read(body, limit).await?;
    if whole.is_empty() {
        return Err(Failure::bad_request("Empty request body"));
    }
    Ok(whole)
}
