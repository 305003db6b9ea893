//! `/{workspace}/view/{alias}/…`: an artifact as a site.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use hypha_artifacts::{Error, Operation};
use serde_json::{Map, Value as Json};

use super::{actor, failure, selector};
use crate::error::Failure;
use crate::files::serve;
use crate::query::Query;
use crate::routes::Shared;

/// Headers that a site may not set: they are about the connection, or for the whole server.
const RESERVED: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::CONTENT_ENCODING,
];

/// `GET /{workspace}/view/{alias}/`
pub(super) async fn index(
    State(shared): State<Shared>,
    Path((workspace, alias)): Path<(String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    show(&shared, &workspace, &alias, "", request).await
}

/// `GET /{workspace}/view/{alias}/{path}`
pub(super) async fn page(
    State(shared): State<Shared>,
    Path((workspace, alias, path)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    show(&shared, &workspace, &alias, &path, request).await
}

async fn show(
    shared: &Shared,
    workspace: &str,
    alias: &str,
    path: &str,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let actor = actor(shared, &parts, workspace).await?;
    let id = format!("{workspace}/{alias}");
    let config = shared
        .artifacts
        .config_for(&actor, &id, Operation::GetFile)
        .await
        .map_err(failure)?;
    let view = match config.get("view_config") {
        Some(Json::Object(view)) => view.clone(),
        Some(Json::String(text)) if text == "disabled" => {
            return Err(Failure::not_found("The view is disabled"));
        }
        _ => {
            return Err(Failure::bad_request(
                "This artifact type does not support view mode",
            ));
        }
    };
    if view.get("use_builtin_template") == Some(&Json::Bool(true)) {
        return Err(not_supported("Built-in pages of artifacts"));
    }
    let page = match path {
        "" => "index.html".to_owned(),
        path if path.ends_with('/') => format!("{path}index.html"),
        path => path.to_owned(),
    };
    let templates = view.get("templates").and_then(Json::as_array);
    if templates.is_some_and(|templates| templates.iter().any(|template| template.as_str() == Some(&page))) {
        return Err(not_supported("Templates of views"));
    }
    let root = view
        .get("root_directory")
        .and_then(Json::as_str)
        .unwrap_or_default()
        .trim_matches('/');
    let file = if root.is_empty() || root == "." {
        page
    } else {
        format!("{root}/{page}")
    };
    let opened = shared
        .artifacts
        .open_file(&actor, &id, &file, &selector(&query)?, true)
        .await;
    let file = opened.map_err(|error| match error {
        Error::NoFile(_) => Failure::not_found("File not found"),
        error => failure(error),
    })?;
    shared.artifacts.count_view(&id, &actor).await.map_err(failure)?;
    let name = file.entry.path.as_str();
    let answer = serve::object(&file.object, name, &parts.method, &parts.headers).await;
    let mut response = answer.map_err(|error| crate::files::failure(&error))?;
    // A site is there to be shown.
    response.headers_mut().remove(header::CONTENT_DISPOSITION);
    add_headers(&mut response, &view);
    Ok(response)
}

fn not_supported(what: &str) -> Failure {
    Failure::new(
        StatusCode::NOT_IMPLEMENTED,
        "not_supported",
        format!("{what} are not supported yet"),
    )
}

/// Adds the headers that the site is to have.
fn add_headers(response: &mut Response<Body>, view: &Map<String, Json>) {
    let headers = view.get("headers").and_then(Json::as_object);
    for (name, value) in headers.into_iter().flatten() {
        let parsed = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str().unwrap_or_default()),
        );
        if let (Ok(name), Ok(value)) = parsed
            && !RESERVED.contains(&name)
        {
            response.headers_mut().insert(name, value);
        }
    }
}
