//! Services that serve HTTP themselves: `/{workspace}/apps/{service}/…`.
//!
//! | type of the service | who answers |
//! |---|---|
//! | `asgi` | an ASGI application, which gets every request with its body as a stream ([`asgi`]) |
//! | `functions` | the function that the path names, which gets the request as one map ([`functions`]) |
//!
//! What they answer goes out as it is: neither compressed nor with headers of ours.

mod asgi;
mod functions;
mod response;
mod scope;
mod websocket;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::any;
use hypha_hub::{Target, Visitor};
use hypha_rpc::{Callback, Value};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::credentials::{COOKIE, cookie, identify};
use crate::error::Failure;
use crate::query::Query;
use crate::redirect;
use crate::routes::Shared;

/// The routes of apps.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/{workspace}/apps/{service}", any(redirect::to_folder))
        .route("/{workspace}/apps/{service}/", any(answer))
        .route("/{workspace}/apps/{service}/{*path}", any(answer))
}

/// How long an app may go on when its client has left.
const AFTERMATH: Duration = Duration::from_secs(30);

/// One request for an app.
struct AppRequest {
    /// In the app's workspace, in the name of whoever asks.
    visitor: Visitor,
    target: Target,
    /// The workspace of the URL.
    workspace: String,
    /// The service of the URL.
    service: String,
    /// The path below the app as it came, percent-encoded, with its leading slash.
    path: String,
    request: Request,
}

/// What `serve` of an `asgi` service is called with.
#[derive(Serialize)]
struct Conversation {
    scope: Value,
    receive: Callback,
    send: Callback,
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let has_cookie = cookie(request.headers(), COOKIE).is_some();
    match route(&shared, request).await {
        Ok(response) => response,
        Err(failure) => {
            let stale = failure.status == StatusCode::UNAUTHORIZED && has_cookie;
            let mut response = failure.into_text();
            if stale {
                // The browser would send it for ever.
                let gone = HeaderValue::from_static("access_token=; Path=/; Max-Age=0");
                response.headers_mut().append(header::SET_COOKIE, gone);
            }
            response
        }
    }
}

async fn route(shared: &Shared, request: Request) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let (workspace, service, path) = split(parts.uri.path())?;
    let query = Query::parse(parts.uri.query());
    let identity = identify(&shared.hub, &parts).await?;
    let visitor = shared.hub.visit(identity, &workspace).await?;
    let target = visitor.find(&workspace, &service, query.mode()).await?;
    let visitor = visitor.beside(&target);
    let kind = target.kind.clone();
    let app = AppRequest {
        visitor,
        target,
        workspace,
        service,
        path,
        request: Request::from_parts(parts, body),
    };
    match kind.as_str() {
        "asgi" if websocket::is_upgrade(app.request.headers()) => websocket::serve(shared, app).await,
        "asgi" => asgi::serve(shared, app).await,
        "functions" => functions::serve(shared, app).await,
        kind => Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "invalid_service_type",
            format!("Invalid service type: {kind}; apps are services of type 'asgi' or 'functions'"),
        )),
    }
}

/// Workspace, service and the path below, of `/{workspace}/apps/{service}/{path}`.
fn split(path: &str) -> Result<(String, String, String), Failure> {
    let missing = || Failure::not_found("Not found");
    let mut parts = path.splitn(5, '/').skip(1);
    let mut decoded = || {
        let part = parts.next().ok_or_else(missing)?;
        let text = percent_decode_str(part).decode_utf8().map_err(|_| missing())?;
        Ok::<_, Failure>(text.into_owned())
    };
    let (workspace, _, service) = (decoded()?, decoded()?, decoded()?);
    let rest = parts.next().unwrap_or_default();
    Ok((workspace, service, format!("/{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_below_an_app_is_left_as_it_is() {
        let parts = |path| split(path).unwrap();
        let (workspace, service, path) = parts("/ws-a/apps/c%3Aapp@x/a%2Fb//..%2f/c");
        assert_eq!(
            (workspace.as_str(), service.as_str(), path.as_str()),
            ("ws-a", "c:app@x", "/a%2Fb//..%2f/c")
        );
        assert_eq!(parts("/w/apps/s/").2, "/");
        assert!(split("/w/apps/%ff/").is_err());
    }
}
