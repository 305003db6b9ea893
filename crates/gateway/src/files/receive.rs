//! The body of an upload as the store wants it.

use std::error::Error as StdError;
use std::io;

use axum::body::{Body, Bytes};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, header};

use crate::body;
use crate::error::Failure;

/// The bytes of a body, in the order of the wire. A client that sends nothing for a while ends it with an error.
pub(crate) fn stream(body: Body) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
    body.into_data_stream()
        .map(|chunk| chunk.map_err(io::Error::other))
}

/// What the request says the file is; nothing if it is empty, as some clients send it.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// How long the body is, if the client says so.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// The answer to a body that broke off.
pub(super) fn broken(error: &io::Error) -> Failure {
    let cause = error.get_ref().map(|cause| cause as &(dyn StdError + 'static));
    match cause.and_then(|cause| cause.downcast_ref::<axum::Error>()) {
        Some(error) => body::failure(error),
        None => Failure::bad_request("The request body is broken, or ends too early"),
    }
}
