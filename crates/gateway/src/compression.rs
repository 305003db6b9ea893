//! Compression of responses, where it is worth it and harms nothing.

use std::convert::Infallible;
use std::future;

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, header};
use tower::{ServiceExt, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;
use tower_http::compression::predicate::Predicate;

/// Smallest body that is compressed, in bytes.
const SMALLEST: u64 = 1000;

/// Compresses a response if its client accepts that, with these values of `Accept-Encoding`. gzip is what every client
/// has, and its quickest level costs little.
pub(crate) async fn compress(accepted: Vec<HeaderValue>, mut response: Response<Body>) -> Response<Body> {
    // Weights can refuse the body as it is, too.
    let has_weights = accepted.iter().any(|value| value.as_bytes().contains(&b';'));
    if !has_weights && !Worthwhile.should_compress(&response) {
        return response;
    }
    let mut request = Request::new(());
    for value in accepted {
        request.headers_mut().append(header::ACCEPT_ENCODING, value);
    }
    let answered =
        service_fn(move |_: Request<()>| future::ready(Ok::<_, Infallible>(std::mem::take(&mut response))));
    let compression = Compression::new(answered)
        .quality(CompressionLevel::Fastest)
        .compress_when(Worthwhile);
    match compression.oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// Large enough, of a type that gets smaller, and of a known length: streams would be held back.
#[derive(Clone, Copy)]
struct Worthwhile;

impl Predicate for Worthwhile {
    fn should_compress<B: http_body::Body>(&self, response: &Response<B>) -> bool {
        let headers = response.headers();
        let media_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        // Files say their length in the header only.
        let stated = || headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        let len = response.body().size_hint().exact().or_else(stated);
        response.status() != StatusCode::PARTIAL_CONTENT
            && !headers.contains_key(header::CONTENT_ENCODING)
            && len.is_some_and(|len: u64| len >= SMALLEST)
            && media_type.is_some_and(is_compressible)
    }
}

fn is_compressible(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    let (kind, name) = media_type.split_once('/').unwrap_or_default();
    match kind {
        "text" => name != "event-stream",
        "application" => {
            let known = ["json", "javascript", "xml", "wasm", "msgpack", "x-msgpack"];
            known.contains(&name) || name.ends_with("+json") || name.ends_with("+xml")
        }
        "image" => name == "svg+xml",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gets_smaller() {
        for (content_type, expected) in [
            ("text/html; charset=utf-8", true),
            ("application/json", true),
            ("Application/JSON", true),
            ("application/problem+json", true),
            ("image/svg+xml", true),
            ("text/event-stream", false),
            ("application/x-msgpack-stream", false),
            ("application/zip", false),
            ("image/png", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_compressible(content_type), expected, "{content_type}");
        }
    }
}
