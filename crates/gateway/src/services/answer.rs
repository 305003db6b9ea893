//! The result of a call as a response: one JSON or MessagePack body, or a stream of a generator's items.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use futures_util::stream::{self, Stream, StreamExt};
use hypha_hub::Visitor;
use hypha_rpc::wire::convert::to_json;
use hypha_rpc::wire::encode;
use hypha_rpc::{Error, RemoteGenerator, Value};
use serde_json::{Value as Json, json};

use super::arguments::Format;
use crate::error::Failure;

/// How the caller wants the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Json,
    MessagePack,
    /// JSON, and streams as lines instead of events.
    Lines,
}

impl Wanted {
    /// By the `Accept` header if it names one of ours, else as the request's body is written.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        for media_type in accepted.flat_map(|value| value.split(',')) {
            match media_type.split(';').next().unwrap_or_default().trim() {
                "application/x-ndjson" | "application/jsonl" => return Self::Lines,
                "application/msgpack" | "application/x-msgpack" => return Self::MessagePack,
                "application/json" | "text/event-stream" => return Self::Json,
                _ => {}
            }
        }
        match Format::of_request(headers) {
            Some(Format::MessagePack) => Self::MessagePack,
            _ => Self::Json,
        }
    }

    fn stream_type(self) -> &'static str {
        match self {
            Self::Json => "text/event-stream",
            Self::MessagePack => "application/msgpack",
            Self::Lines => "application/x-ndjson",
        }
    }

    fn item(self, value: &Value) -> Bytes {
        match self {
            Self::MessagePack => encode(value).into(),
            Self::Json => format!("data: {}\n\n", readable(value)).into(),
            Self::Lines => format!("{}\n", readable(value)).into(),
        }
    }

    fn failure(self, error: Error) -> Bytes {
        let failure = Failure::from(error);
        let body = json!({"error": failure.detail, "code": failure.code});
        self.item(&hypha_rpc::wire::convert::from_json(body))
    }

    /// What says that a stream has ended on purpose.
    fn end(self) -> Option<Bytes> {
        (self == Self::Json).then(|| Bytes::from_static(b"data: [DONE]\n\n"))
    }
}

/// A result in JSON: functions inside it are described, not called.
fn readable(value: &Value) -> Json {
    match value {
        Value::Method(method) => {
            json!({"type": "function", "function": method.schema.as_ref().map(to_json)})
        }
        Value::List(items) => items.iter().map(readable).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), readable(value)))
            .collect(),
        other => to_json(other),
    }
}

/// One value as a response.
pub(super) fn whole(value: &Value, wanted: Wanted) -> Response<Body> {
    let (media_type, body) = match wanted {
        Wanted::MessagePack => ("application/msgpack", Bytes::from(encode(value))),
        Wanted::Json | Wanted::Lines => ("application/json", readable(value).to_string().into()),
    };
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// The result of a call as a response. A generator becomes a stream; the visitor stays until it has ended, and a client
/// that leaves closes the generator.
///
/// # Errors
/// The hub is shutting down.
pub(super) fn respond(visitor: Visitor, value: Value, wanted: Wanted) -> Result<Response<Body>, Failure> {
    let Value::Generator(generator) = value else {
        return Ok(whole(&value, wanted));
    };
    let items = visitor.read(*generator)?;
    let mut response = Response::new(Body::from_stream(streamed(visitor, items, wanted)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(wanted.stream_type()),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn streamed(
    visitor: Visitor,
    items: RemoteGenerator,
    wanted: Wanted,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let chunks = items.map(move |item| match item {
        Ok(value) => wanted.item(&value),
        Err(error) => wanted.failure(error),
    });
    let end = stream::iter(wanted.end());
    chunks.chain(end).map(move |chunk| {
        // Held by the stream: it lives as long as the answer.
        let _ = &visitor;
        Ok(chunk)
    })
}
