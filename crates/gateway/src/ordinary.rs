//! What every request gets that the server answers itself: access for other origins, the limit of its sender, and
//! bodies without their `Content-Encoding`.
//!
//! One layer and not one for each of them: every layer of a router costs each request a clone of all that is below it
//! and a future on the heap, also where there is nothing to do.

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header;

use crate::options::Origins;
use crate::rate_limit::RateLimits;
use crate::remote::Remote;
use crate::{body, compression, cors};

/// What the layer needs to know.
#[derive(Clone)]
pub(crate) struct Ordinary {
    pub(crate) origins: Origins,
    pub(crate) limits: RateLimits,
}

/// The layer. Compression leaves streams alone.
pub(crate) async fn ordinary(
    State(Ordinary { origins, limits }): State<Ordinary>,
    Extension(Remote(remote)): Extension<Remote>,
    request: Request,
    next: Next,
) -> Response {
    let limited = |request| limits.around(remote, request, |request| coded(request, next));
    cors::around(&origins, request, limited).await
}

async fn coded(request: Request, next: Next) -> Response {
    let accepted = request.headers().get_all(header::ACCEPT_ENCODING);
    let accepted: Vec<_> = accepted.iter().cloned().collect();
    let response = body::inflate(request, next).await;
    compression::compress(accepted, response).await
}
