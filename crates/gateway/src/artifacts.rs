//! Artifacts over HTTP: metadata, listings, files.

mod files;
mod metadata;
mod multipart;
mod view;
mod zip;

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use http::request::Parts;
use hypha_artifacts::{Actor, Error, Selector};
use hypha_rpc::RemoteFailure;

use crate::credentials::identify;
use crate::error::Failure;
use crate::query::Query;
use crate::redirect;
use crate::routes::Shared;

/// The routes of artifacts.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/{workspace}/artifacts", get(redirect::to_folder))
        .route("/{workspace}/artifacts/", get(metadata::list))
        .route("/{workspace}/artifacts/-/search", get(metadata::search))
        .route("/{workspace}/artifacts/{alias}", get(metadata::read))
        .route("/{workspace}/artifacts/{alias}/children", get(metadata::children))
        .route("/{workspace}/artifacts/{alias}/files", get(redirect::to_folder))
        .route("/{workspace}/artifacts/{alias}/files/", get(files::list))
        .route(
            "/{workspace}/artifacts/{alias}/files/{*path}",
            get(files::read).put(files::write),
        )
        .route(
            "/{workspace}/artifacts/{alias}/create-multipart-upload",
            post(multipart::create),
        )
        .route("/{workspace}/artifacts/{alias}/create-zip-file", get(zip::create))
        .route("/{workspace}/view/{alias}", get(redirect::to_folder))
        .route("/{workspace}/view/{alias}/", get(view::index))
        .route("/{workspace}/view/{alias}/{*path}", get(view::page))
        .route(
            "/{workspace}/artifacts/{alias}/complete-multipart-upload",
            post(multipart::complete),
        )
}

/// Who asks, with what it may do in the workspace of the URL.
async fn actor(shared: &Shared, request: &Parts, workspace: &str) -> Result<Actor, Failure> {
    let mut user = identify(&shared.hub, request).await?.user;
    user.scope.general_access().map_err(RemoteFailure::from)?;
    if let Ok(access) = shared.hub.access(&user, workspace).await
        && let Some(permission) = access.permission
    {
        user.scope.workspaces.insert(workspace.to_owned(), permission);
    }
    let pinned = user.scope.current_workspace.clone();
    let workspace = pinned.unwrap_or_else(|| user.home());
    Ok(Actor { user, workspace })
}

/// The answer to a failure of the artifact manager.
fn failure(error: Error) -> Failure {
    match error {
        Error::NotFound(text) if text.starts_with("Artifact with ID") => {
            Failure::not_found("Artifact not found")
        }
        Error::NotFound(text) => Failure::not_found(text),
        Error::NoFile(text) => Failure::not_found(text),
        Error::Permission(text) => Failure::new(
            StatusCode::FORBIDDEN,
            "permission_denied",
            format!("Permission denied: {text}"),
        ),
        Error::Value(text) => Failure::bad_request(text),
        Error::Exists(text) => Failure::new(StatusCode::CONFLICT, "already_exists", text),
        Error::Unsupported(text) => Failure::new(StatusCode::NOT_IMPLEMENTED, "not_supported", text),
        Error::Storage(error) => error.into(),
        error => RemoteFailure::from(error).into(),
    }
}

/// Which version a query asks for.
fn selector(query: &Query) -> Result<Selector, Failure> {
    Selector::parse(
        query.last("version").filter(|version| !version.is_empty()),
        flag(query, "stage"),
    )
    .map_err(failure)
}

/// A flag of a query.
fn flag(query: &Query, name: &str) -> bool {
    matches!(query.last(name), Some("true" | "True" | "1"))
}

/// A number of a query.
fn number<T: std::str::FromStr>(query: &Query, name: &str) -> Result<Option<T>, Failure> {
    let text = query.last(name).filter(|text| !text.is_empty());
    let parsed = text.map(|text| {
        let wrong = || Failure::bad_request(format!("{name} must be a number, not '{text}'"));
        text.parse().map_err(|_| wrong())
    });
    parsed.transpose()
}
