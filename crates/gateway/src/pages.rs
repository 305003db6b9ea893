//! The hub's own pages, the JavaScript client, and what tells them where they are.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, header};
use hypha_hub::ids::{WorkspaceId, is_top_level_route};
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::error::Failure;
use crate::routes::Shared;
use crate::{assets, credentials, redirect};

/// The page at `/`.
const LANDING: &str = "landing.html";
/// The page of every workspace.
const WORKSPACE: &str = "workspace.html";
/// Where people log in.
const LOGIN: &str = "/public/apps/hypha-login/";

/// The routes of this module. Whatever no other route matches is answered by [`nothing`].
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(landing))
        .route("/index.html", get(landing))
        .route("/login", get(login))
        .route("/assets/config.json", get(config))
        .route("/assets/{file}", get(asset))
        .route("/{workspace}", get(top_level))
        .route("/{workspace}/", get(workspace))
        .route("/{workspace}/index.html", get(workspace))
        .fallback(nothing)
}

/// The answer to paths that name nothing.
async fn nothing(request: Request) -> Failure {
    let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
    let shown: String = path.chars().filter(|c| !c.is_control()).take(256).collect();
    Failure::not_found(format!("File not found: {}", shown.trim_start_matches('/')))
}

async fn landing(headers: HeaderMap) -> Response {
    page(LANDING, &headers)
}

async fn login(State(shared): State<Shared>, request: Request) -> Response {
    redirect::within(&shared.base_path, request.headers(), LOGIN, request.uri().query())
}

/// A workspace by its name alone. Names of workspaces have a hyphen, names of files have none.
async fn top_level(State(shared): State<Shared>, request: Request) -> Response {
    let path = request.uri().path();
    match workspace_in(path) {
        // Nothing in the id means anything in a URL, so the path can be repeated as it came.
        Some(id) if id.as_str().contains('-') => {
            let path = format!("{path}/");
            redirect::within(&shared.base_path, request.headers(), &path, request.uri().query())
        }
        _ => nothing(request).await.into_response(),
    }
}

/// The page of a workspace. It is the same for all, and shows nothing before its user has logged in.
async fn workspace(request: Request) -> Response {
    match workspace_in(request.uri().path()) {
        Some(_) => page(WORKSPACE, request.headers()),
        None => nothing(request).await.into_response(),
    }
}

async fn asset(request: Request) -> Response {
    let name = request.uri().path().trim_start_matches("/assets/");
    match assets::find(name) {
        Some(asset) => asset.respond(request.headers()),
        None => nothing(request).await.into_response(),
    }
}

fn page(name: &str, headers: &HeaderMap) -> Response {
    match assets::find(name) {
        Some(page) => page.respond(headers),
        None => Failure::not_found(format!("File not found: {name}")).into_response(),
    }
}

/// The workspace that the first segment of a path names, unless it is the name of a route.
fn workspace_in(path: &str) -> Option<WorkspaceId> {
    let segment = path.split('/').nth(1)?;
    let id = percent_decode_str(segment).decode_utf8().ok()?;
    let id = WorkspaceId::parse(&id).ok()?;
    (!is_top_level_route(id.as_str())).then_some(id)
}

/// What a page has to know about the server, and who its user is.
async fn config(State(shared): State<Shared>, request: Request) -> Result<Response, Failure> {
    let (parts, _) = request.into_parts();
    let identity = credentials::identify(&shared.hub, &parts).await?;
    let options = shared.hub.options();
    let body = json!({
        "user": identity.user,
        "server_id": options.server_id,
        "hypha_version": hypha_hub::COMPATIBLE_VERSION,
        "public_base_url": options.public_base_url,
        "local_base_url": options.local_base_url,
        "login_service_url": format!("{}/public/services/hypha-login", options.public_base_url),
        // Pages of the original look for these; people log in through the service above, whoever vouches for them.
        "auth0_client_id": null, "auth0_domain": null, "auth0_audience": null, "auth0_issuer": null,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces_in_paths() {
        for (path, expected) in [
            ("/my-lab/", Some("my-lab")),
            ("/github%7Cada-1", Some("github|ada-1")),
            ("/public/", Some("public")),
            ("/assets/", None),
            ("/%2e%2e/", None),
            ("/a%2fb-c", None),
            ("/\\evil-x", None),
            ("/%ff-", None),
            ("//", None),
        ] {
            let found = workspace_in(path);
            assert_eq!(found.as_ref().map(WorkspaceId::as_str), expected, "{path}");
        }
    }
}
