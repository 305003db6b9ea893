//! Redirects within this server, from wherever it is seen.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use crate::routes::Shared;

/// A temporary redirect to `path` (absolute, without the base path) with the query of the request. A trusted proxy that
/// cuts a prefix off says so in `X-Forwarded-Prefix`. The `Host` header has no say.
pub(crate) fn within(base_path: &str, headers: &HeaderMap, path: &str, query: Option<&str>) -> Response {
    let prefix = forwarded_prefix(headers);
    let (mark, query) = query.map_or(("", ""), |query| ("?", query));
    let location = format!("{prefix}{base_path}{path}{mark}{query}");
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response()
}

/// Redirects a path without a slash at its end to the one with it.
pub(crate) async fn to_folder(State(shared): State<Shared>, request: Request) -> Response {
    let uri = request.uri();
    let path = format!("{}/", uri.path());
    within(&shared.base_path, request.headers(), &path, uri.query())
}

/// What a trusted proxy says it has cut off: empty, or `/a/b`.
fn forwarded_prefix(headers: &HeaderMap) -> &str {
    let prefix = headers
        .get("x-forwarded-prefix")
        .and_then(|value| value.to_str().ok())
        .map(|prefix| prefix.trim_end_matches('/'))
        .unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~');
    // Two slashes would name another host.
    if prefix.starts_with('/') && !prefix.starts_with("//") && prefix.bytes().all(plain) {
        prefix
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(prefix: &str) -> String {
        let headers =
            HeaderMap::from_iter([("x-forwarded-prefix".parse().unwrap(), prefix.parse().unwrap())]);
        let response = within("/base", &headers, "/a/", Some("b=c"));
        response.headers()[header::LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn prefixes() {
        assert_eq!(location("/outer/"), "/outer/base/a/?b=c");
        for bad in ["//evil.example.org", "https://evil.example.org", "/a\\b", "/"] {
            assert_eq!(location(bad), "/base/a/?b=c", "{bad}");
        }
    }
}
