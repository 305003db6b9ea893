//! What happens to every request before it has a route: who sent it, and the base path.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::uri::PathAndQuery;
use http::{Request, Uri};
use tower::ServiceExt;

use crate::body::Patient;
use crate::error::Failure;
use crate::options::Options;
use crate::redirect;
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
        if !self.base_path.is_empty() && request.uri().path() == &*self.base_path {
            // Links of pages are relative to the folder.
            return redirect::within(&self.base_path, request.headers(), "/", request.uri().query());
        }
        let Some(uri) = below(&self.base_path, request.uri()) else {
            return Failure::not_found(format!("Everything is below {}/", self.base_path)).into_response();
        };
        *request.uri_mut() = uri;
        let request = request.map(|body| Body::new(Patient::new(body)));
        match self.router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The URI without the base path; `None` when it is not below it.
fn below(base_path: &str, uri: &Uri) -> Option<Uri> {
    if base_path.is_empty() {
        return Some(uri.clone());
    }
    let rest = uri.path_and_query()?.as_str().strip_prefix(base_path)?;
    let rest = rest.starts_with('/').then(|| PathAndQuery::try_from(rest))?;
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
            ("/my/engine?a=b", None),
            ("/my/engine2", None),
            ("/my", None),
            ("/", None),
        ] {
            assert_eq!(below("/my/engine", uri).as_deref(), expected, "{uri}");
        }
    }
}
