//! What happens to every request before it has a route: who sent it, and the base path.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use tower::ServiceExt;

use crate::options::Options;
use crate::remote::TrustedProxies;

/// The routes behind what is the same for all of them.
#[derive(Clone)]
pub(crate) struct Front {
    router: Router,
    base_path: Arc<str>,
    trusted_proxies: TrustedProxies,
}

impl Front {
    pub(crate) fn new(router: Router, options: &Options) -> Self {
        Self {
            router,
            base_path: options.base_path.as_str().into(),
            trusted_proxies: TrustedProxies::new(&options.trusted_proxies),
        }
    }

    /// Answers a request that came through a socket of `peer`.
    pub(crate) async fn answer(self, peer: IpAddr, mut request: Request<hyper::body::Incoming>) -> Response {
        let remote = self.trusted_proxies.resolve(peer, request.headers_mut());
        request.extensions_mut().insert(remote);
        let Some(uri) = below(&self.base_path, request.uri()) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        *request.uri_mut() = uri;
        match self.router.oneshot(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The URI without the base path; `None` when it is not below it. `/a/b` itself becomes `/`.
fn below(base_path: &str, uri: &Uri) -> Option<Uri> {
    if base_path.is_empty() {
        return Some(uri.clone());
    }
    let rest = uri.path_and_query()?.as_str().strip_prefix(base_path)?;
    let rest = match rest.as_bytes().first() {
        Some(b'/') => PathAndQuery::try_from(rest),
        None | Some(b'?') => PathAndQuery::try_from(format!("/{rest}")),
        Some(_) => return None,
    };
    Some(Uri::from(rest.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths() {
        let below = |base: &str, uri: &str| below(base, &uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(below("", "/a?b").as_deref(), Some("/a?b"));
        for (uri, expected) in [
            ("/my/engine/ws?a=b", Some("/ws?a=b")),
            ("http://host/my/engine/ws", Some("/ws")),
            ("/my/engine/", Some("/")),
            ("/my/engine", Some("/")),
            ("/my/engine?a=b", Some("/?a=b")),
            ("/my/engine2", None),
            ("/my", None),
            ("/", None),
        ] {
            assert_eq!(below("/my/engine", uri).as_deref(), expected, "{uri}");
        }
    }
}
