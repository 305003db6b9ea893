//! `/{workspace}/files/…`: the files of a workspace, for its members.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use http::{HeaderValue, Response, header};
use hypha_storage::{Error, PutOptions, SizeRule};
use serde_json::json;

use super::serve;
use super::{failure, listing, receive};
use crate::credentials::identify;
use crate::error::Failure;
use crate::query::Query;
use crate::routes::Shared;

/// Lines of a listing, if the request does not say how many.
const LINES: usize = 1000;

/// `GET /{workspace}/files/`
pub(super) async fn list(
    State(shared): State<Shared>,
    Path(workspace): Path<String>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    folder(&shared, &workspace, "", request).await
}

/// `GET /{workspace}/files/{path}`: a file, or with a slash at the end a folder.
pub(super) async fn read(
    State(shared): State<Shared>,
    Path((workspace, path)): Path<(String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    if path.ends_with('/') {
        return folder(&shared, &workspace, &path, request).await;
    }
    let (parts, _) = request.into_parts();
    let user = identify(&shared.hub, &parts).await?.user;
    let area = shared.files.to_read(&user, &workspace).await?;
    let key = area.key(&path)?;
    let object = shared.storage.get(&key).await.map_err(|error| match error {
        Error::NotFound(_) => Failure::not_found(format!("File does not exist: {path}")),
        error => failure(&error),
    })?;
    let answer = serve::object(&object, key.name(), &parts.method, &parts.headers).await;
    Ok(answer.unwrap_or_else(|error| {
        let mut response = failure(&error).into_response();
        serve::add_total(response.headers_mut(), &error);
        response
    }))
}

async fn folder(
    shared: &Shared,
    workspace: &str,
    path: &str,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let query = Query::parse(request.uri().query());
    let number = |name: &str, default: usize| match query.last(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| Failure::bad_request(format!("{name} must be a whole number, not '{text}'"))),
    };
    let (limit, offset) = (number("max_length", LINES)?, number("offset", 0)?);
    let (parts, _) = request.into_parts();
    let user = identify(&shared.hub, &parts).await?.user;
    let area = shared.files.to_read(&user, workspace).await?;
    let entries = area.list(path, limit, offset).await?;
    if entries.is_empty() && !path.is_empty() && offset == 0 {
        return Err(Failure::not_found(format!("Directory does not exists: {path}")));
    }
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let children: Vec<_> = entries.into_iter().map(listing::line).collect();
    let body = json!({"success": true, "type": "directory", "name": name, "children": children});
    Ok(Json(body).into_response())
}

/// `PUT /{workspace}/files/{path}`
pub(super) async fn write(
    State(shared): State<Shared>,
    Path((workspace, path)): Path<(String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let user = identify(&shared.hub, &parts).await?.user;
    let area = shared.files.to_write(&user, &workspace).await?;
    let options = PutOptions {
        content_type: receive::content_type(&parts.headers),
        size: receive::announced(&parts.headers).map_or(SizeRule::Any, SizeRule::Exactly),
        delete_at: None,
    };
    let put = shared
        .storage
        .put(&area.key(&path)?, receive::stream(body), options)
        .await;
    let meta = put.map_err(|error| failure(&error))?;
    let mut response =
        Json(json!({"success": true, "message": "File uploaded successfully"})).into_response();
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", meta.etag)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

/// `DELETE /{workspace}/files/{path}`: a file, or with a slash at the end a folder with all that is in it.
pub(super) async fn remove(
    State(shared): State<Shared>,
    Path((workspace, path)): Path<(String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (parts, _) = request.into_parts();
    let user = identify(&shared.hub, &parts).await?.user;
    let area = shared.files.to_write(&user, &workspace).await?;
    area.remove(&path).await?;
    Ok(Json(json!({"success": true, "message": format!("Deleted: {path}")})).into_response())
}
