//! Files of artifacts: listed, read with ranges, written.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use http::{HeaderValue, Response, StatusCode, header};
use hypha_artifacts::{Error, Page};
use hypha_storage::{Base, PutOptions, SizeRule};
use serde_json::json;

use super::{actor, failure, flag, number, selector};
use crate::error::Failure;
use crate::files::receive;
use crate::files::serve;
use crate::query::Query;
use crate::redirect;
use crate::routes::Shared;

/// Lines of a listing, if the request does not say how many.
const LINES: u64 = 1000;
/// How long a URL is good, in seconds, if the request does not say.
const EXPIRES_IN: u64 = 3600;

/// `GET /{workspace}/artifacts/{alias}/files/`
pub(super) async fn list(
    State(shared): State<Shared>,
    Path((workspace, alias)): Path<(String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    folder(&shared, &workspace, &alias, "", request).await
}

/// `GET /{workspace}/artifacts/{alias}/files/{path}`: a file, or with a slash at the end a folder.
pub(super) async fn read(
    State(shared): State<Shared>,
    Path((workspace, alias, path)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    if path.ends_with('/') {
        return folder(&shared, &workspace, &alias, &path, request).await;
    }
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let actor = actor(&shared, &parts, &workspace).await?;
    let id = format!("{workspace}/{alias}");
    let (selector, silent) = (selector(&query)?, flag(&query, "silent"));
    if matches!(query.last("use_proxy"), Some("false" | "False" | "0")) {
        let expires_in = number(&query, "expires_in")?.unwrap_or(EXPIRES_IN);
        let options = (expires_in, &Base::Public);
        let urls = shared
            .artifacts
            .get_urls(&actor, &id, &[path], &selector, silent, options)
            .await;
        let url = urls.map_err(failure)?.pop().unwrap_or_default();
        return Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)]).into_response());
    }
    let opened = shared
        .artifacts
        .open_file(&actor, &id, &path, &selector, silent)
        .await;
    let file = match opened {
        Ok(file) => file,
        Err(error @ Error::NoFile(_)) => {
            let page = Page {
                offset: 0,
                limit: 1,
                include_pending: false,
            };
            let inside = shared
                .artifacts
                .list_files(&actor, &id, &path, &selector, page)
                .await;
            if inside.is_ok_and(|lines| !lines.is_empty()) {
                let path = format!("{}/", parts.uri.path());
                return Ok(redirect::within(
                    &shared.base_path,
                    &parts.headers,
                    &path,
                    parts.uri.query(),
                ));
            }
            return Err(failure(error));
        }
        Err(error) => return Err(failure(error)),
    };
    let name = file.entry.path.as_str();
    let answer = serve::object(&file.object, name, &parts.method, &parts.headers).await;
    let mut response = answer.unwrap_or_else(|error| {
        let mut response = crate::files::failure(&error).into_response();
        serve::add_total(response.headers_mut(), &error);
        response
    });
    if file.kind.as_deref() == Some("application") {
        // Apps are pages; anything else is data, which must not run on the server's origin.
        response.headers_mut().remove(header::CONTENT_DISPOSITION);
    }
    Ok(response)
}

async fn folder(
    shared: &Shared,
    workspace: &str,
    alias: &str,
    path: &str,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let actor = actor(shared, &parts, workspace).await?;
    let page = Page {
        offset: number(&query, "offset")?.unwrap_or_default(),
        limit: number(&query, "limit")?.unwrap_or(LINES),
        include_pending: false,
    };
    let id = format!("{workspace}/{alias}");
    let lines = shared
        .artifacts
        .list_files(&actor, &id, path, &selector(&query)?, page)
        .await
        .map_err(failure)?;
    if lines.is_empty() && page.offset == 0 {
        return Err(Failure::not_found("File or directory not found"));
    }
    Ok(Json(lines).into_response())
}

/// `PUT /{workspace}/artifacts/{alias}/files/{path}`
pub(super) async fn write(
    State(shared): State<Shared>,
    Path((workspace, alias, path)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let actor = actor(&shared, &parts, &workspace).await?;
    let options = PutOptions {
        content_type: receive::content_type(&parts.headers),
        size: receive::announced(&parts.headers).map_or(SizeRule::Any, SizeRule::Exactly),
        delete_at: None,
    };
    let weight = number(&query, "download_weight")?.unwrap_or(0.0);
    let id = format!("{workspace}/{alias}");
    let body = receive::stream(body);
    let received = shared
        .artifacts
        .receive_file(&actor, &id, (&path, weight), body, options)
        .await;
    let etag = received.map_err(|error| match error {
        Error::Value(text) if text == "Artifact must be in staging mode." => {
            Failure::bad_request("Artifact must be in staging mode to upload files")
        }
        error => failure(error),
    })?;
    let mut response =
        Json(json!({"success": true, "message": "File uploaded successfully"})).into_response();
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}
