//! Files that are part of the binary: the JavaScript client and the pages of the hub.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::error::Failure;

/// A file of the binary.
pub(crate) struct Asset {
    name: &'static str,
    media_type: &'static str,
    tag: &'static str,
    /// Nothing, when it was not there when the binary was built.
    content: Option<&'static [u8]>,
}

// Written by `build.rs`.
static ASSETS: &[Asset] = &include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What the pages may load and where they may be shown. The JavaScript client calls `eval` when it is loaded.
const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-eval'; connect-src 'self' ws: wss: http: https:; style-src 'self'; \
    img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// The file of this name, if there is one.
pub(crate) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

impl Asset {
    /// Answers a request for the file. Browsers keep it, and ask each time whether it is still the same: its address
    /// stays when the server is updated.
    pub(crate) fn respond(&self, request: &HeaderMap) -> Response {
        let Some(content) = self.content else {
            let text = format!(
                "{} is not part of this server: it was built before web/setup had fetched the JavaScript client. Run \
                 web/setup (or make build) in the sources and build again",
                self.name
            );
            return Failure::new(StatusCode::NOT_FOUND, "asset_not_built", text).into_response();
        };
        let known = request.get_all(header::IF_NONE_MATCH).iter();
        let mut known = known.filter_map(|value| value.to_str().ok());
        let is_known = known.any(|tags| tags.split(',').any(|tag| tag.trim() == self.tag));
        let (status, body) = if is_known {
            (StatusCode::NOT_MODIFIED, Body::empty())
        } else {
            (StatusCode::OK, Body::from(Bytes::from_static(content)))
        };
        let mut response = (
            status,
            [
                (header::ETAG, self.tag),
                (header::CACHE_CONTROL, "public, no-cache"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ],
            body,
        )
            .into_response();
        let headers = response.headers_mut();
        // Said by the body's type otherwise, also when there is none.
        headers.remove(header::CONTENT_TYPE);
        if !is_known {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        }
        if self.media_type.starts_with("text/html") {
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(content: Option<&'static [u8]>) -> Asset {
        Asset {
            name: "client.js",
            media_type: "application/javascript; charset=utf-8",
            tag: "W/\"1\"",
            content,
        }
    }

    #[test]
    fn known_ones_are_not_sent_again() {
        let mut headers = HeaderMap::new();
        for (tag, status) in [("W/\"0\"", 200), ("W/\"0\", W/\"1\"", 304)] {
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(tag));
            let response = asset(Some(b"x")).respond(&headers);
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[header::ETAG], "W/\"1\"");
        }
    }

    #[tokio::test]
    async fn what_was_not_built_in_says_what_to_do() {
        let response = asset(None).respond(&HeaderMap::new());
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let text = String::from_utf8_lossy(&body);
        assert!(
            text.contains("asset_not_built") && text.contains("web/setup"),
            "{text}"
        );
    }
}
