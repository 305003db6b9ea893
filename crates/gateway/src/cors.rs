//! Access for web pages of other origins.
//!
//! Credentials are allowed, so the origin is mirrored and never `*`. Not used for routes of apps, which answer for
//! themselves.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::options::Origins;

const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
/// What pages may send.
const HEADERS: &str = "Accept, Accept-Encoding, Accept-Language, Access-Control-Allow-Headers, \
    Access-Control-Request-Headers, Access-Control-Request-Method, Authorization, Content-Encoding, \
    Content-Language, Content-Type, Inference-Header-Content-Length, Origin, Range, X-Requested-With";
/// What pages may read. Uploads in parts need `ETag`.
const EXPOSED: &str = "Inference-Header-Content-Length, Accept-Encoding, Range, Origin, Content-Type, ETag, \
    Content-Range, Content-Length, Content-Disposition, Mcp-Session-Id";
/// Seconds for which browsers may remember the answer to a preflight.
const MAX_AGE: &str = "600";

/// Answers preflights, and adds to other responses what a page of another origin needs to read them.
pub(crate) async fn cors(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    around(&origins, request, |request| next.run(request)).await
}

/// The same around anything that answers.
pub(crate) async fn around<F>(
    origins: &Origins,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let Some(origin) = request.headers().get(ORIGIN).cloned() else {
        return next(request).await;
    };
    let allowed = origins.contain(&origin);
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        preflight(allowed, request.headers())
    } else {
        next(request).await
    };
    let headers = response.headers_mut();
    if allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if !is_preflight {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
    response
}

fn preflight(origin_allowed: bool, headers: &HeaderMap) -> Response {
    let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD);
    let refused = |what: &'static str| (StatusCode::BAD_REQUEST, what).into_response();
    if !origin_allowed {
        return refused("Disallowed CORS origin");
    }
    if !method.is_some_and(|method| METHODS.split(", ").any(|allowed| method == allowed)) {
        return refused("Disallowed CORS method");
    }
    if !headers
        .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .all(are_allowed)
    {
        return refused("Disallowed CORS headers");
    }
    let answer = [
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    (answer, Body::from("OK")).into_response()
}

fn are_allowed(names: &HeaderValue) -> bool {
    let is_allowed = |name: &str| {
        name.is_empty()
            || HEADERS
                .split(", ")
                .any(|allowed| allowed.eq_ignore_ascii_case(name))
    };
    names
        .to_str()
        .is_ok_and(|names| names.split(',').map(str::trim).all(is_allowed))
}
