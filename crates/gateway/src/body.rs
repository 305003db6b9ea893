//! Bodies of requests: read within bounds of size and time, inflated where they are compressed.
//!
//! Nothing of a body is read before a handler asks for it. A handler that needs all of it calls [`read`] with the most
//! it can use; one that passes a body on polls it as a stream. Either way a client that stops sending is noticed.

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::map_request_body::MapRequestBodyLayer;

use crate::error::Failure;

/// How long a client may send nothing of a body that somebody waits for.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a body that is read as a whole may take, whatever its size.
const GRACE: Duration = Duration::from_secs(30);
/// Slowest a body that is read as a whole may come after that, in bytes per second on average.
const SLOWEST: f64 = 1024.0;

/// Lets what comes next see the body without its `Content-Encoding: gzip`. Other encodings are refused.
pub(crate) async fn inflate(mut request: Request, next: Next) -> Response {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    match encoding.map(|encoding| encoding.as_bytes()) {
        None => return next.run(request).await,
        Some(b"gzip") => {}
        Some(b"identity" | b"") => {
            request.headers_mut().remove(header::CONTENT_ENCODING);
            return next.run(request).await;
        }
        Some(_) => {
            let text = "Content-Encoding: gzip and identity are understood";
            return Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", text)
                .into_response();
        }
    }
    let inflating = ServiceBuilder::new()
        .layer(RequestDecompressionLayer::new())
        .layer(MapRequestBodyLayer::new(Body::new))
        .service(next);
    match inflating.oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// Reads a whole body of at most `limit` bytes, counted after inflation.
///
/// # Errors
/// 413 for a larger one, before it is read if its length is announced; 408 for one that comes too slowly; 400 for one
/// that is broken.
pub(crate) async fn read(mut body: Body, limit: usize) -> Result<Bytes, Failure> {
    let too_large = || {
        let text = format!("The request body is larger than {limit} bytes");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", text)
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let started = Instant::now();
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut len = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| failure(&error))?.into_data() else {
            continue;
        };
        len += data.len();
        if len > limit {
            return Err(too_large());
        }
        if started.elapsed() > GRACE.saturating_add(Duration::from_secs_f64(len as f64 / SLOWEST)) {
            return Err(slow());
        }
        // Most bodies are one frame, which need not be copied.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn slow() -> Failure {
    let text = "The request body comes too slowly";
    Failure::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", text)
}

/// What to answer when a body cannot be read to its end.
pub(crate) fn failure(error: &axum::Error) -> Failure {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<Silent>() {
            return slow();
        }
        cause = error.source();
    }
    Failure::new(
        StatusCode::BAD_REQUEST,
        "broken_body",
        "The request body is broken, or ends too early",
    )
}

/// The client sends nothing.
#[derive(Debug, thiserror::Error)]
#[error("the client sent nothing for {} seconds", SILENCE.as_secs())]
struct Silent;

/// A body that fails when it is waited for and nothing comes for [`SILENCE`].
pub(crate) struct Patient<B> {
    body: B,
    silence: Option<Pin<Box<Sleep>>>,
}

impl<B> Patient<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, silence: None }
    }
}

impl<B> http_body::Body for Patient<B>
where
    B: http_body::Body<Data = Bytes, Error: StdError + Send + Sync + 'static> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            // The time between two frames counts only while somebody waits.
            self.silence = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(SILENCE)));
        silence.as_mut().poll(cx).map(|()| Some(Err(Silent.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    fn chunks(parts: &[&'static str]) -> Body {
        let parts: Vec<_> = parts.iter().map(|part| Ok::<_, io::Error>(*part)).collect();
        Body::from_stream(stream::iter(parts))
    }

    #[tokio::test]
    async fn whole_bodies_within_the_limit() {
        assert_eq!(read(Body::empty(), 0).await.unwrap(), "");
        assert_eq!(read(Body::from("abc"), 3).await.unwrap(), "abc");
        assert_eq!(read(chunks(&["ab", "", "cd", "e"]), 5).await.unwrap(), "abcde");
        for body in [Body::from("abcd"), chunks(&["ab", "cd"])] {
            let failure = read(body, 3).await.unwrap_err();
            assert_eq!(
                (failure.status.as_u16(), failure.code),
                (413, "payload_too_large")
            );
        }
    }

    #[tokio::test]
    async fn broken_bodies() {
        let parts = [Ok("ab"), Err(io::Error::other("broken"))];
        let failure = read(Body::from_stream(stream::iter(parts)), 9).await.unwrap_err();
        assert_eq!(failure.status.as_u16(), 400);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_and_slow_clients() {
        let silent = Body::from_stream(stream::pending::<Result<Bytes, io::Error>>());
        let failure = read(Body::new(Patient::new(silent)), 9).await.unwrap_err();
        assert_eq!((failure.status.as_u16(), failure.code), (408, "body_too_slow"));

        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Some((Ok::<_, io::Error>("x"), ()))
        });
        let failure = read(Body::new(Patient::new(Body::from_stream(drops))), 999)
            .await
            .unwrap_err();
        assert_eq!(failure.status.as_u16(), 408);
    }
}
