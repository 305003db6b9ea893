//! Large files of a workspace in parts: where to put the parts, and that they are all there.

use axum::Json;
use axum::extract::{Path, Request, State};
use hypha_storage::{Base, PartRef};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use crate::body;
use crate::credentials::identify;
use crate::error::Failure;
use crate::query::Query;
use crate::routes::Shared;

/// Largest body that names parts, in bytes: ten thousand of them with room to spare.
const BODY: usize = 2 << 20;
/// How long the URLs of parts are good, in seconds, if the request does not say.
const EXPIRES_IN: u64 = 3600;

/// `POST /{workspace}/create-multipart-upload?path=&part_count=&expires_in=`
pub(super) async fn create(
    State(shared): State<Shared>,
    Path(workspace): Path<String>,
    request: Request,
) -> Result<Json<Json_>, Failure> {
    let query = Query::parse(request.uri().query());
    let missing = |name: &str| Failure::bad_request(format!("The parameter {name} is missing"));
    let number = |name: &str| match query.last(name) {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| Failure::bad_request(format!("{name} must be a whole number, not '{text}'"))),
    };
    let path = query.last("path").ok_or_else(|| missing("path"))?;
    let part_count: u64 = number("part_count")?.ok_or_else(|| missing("part_count"))?;
    let expires_in = number("expires_in")?.unwrap_or(EXPIRES_IN);
    let (parts, _) = request.into_parts();
    let user = identify(&shared.hub, &parts).await?.user;
    let area = shared.files.to_write(&user, &workspace).await?;
    let started = area
        .start_upload(path, part_count, expires_in, None, &Base::Public)
        .await?;
    let parts: Vec<_> = (1_u32..)
        .zip(started.urls)
        .map(|(number, url)| json!({"part_number": number, "url": url}))
        .collect();
    Ok(Json(json!({"upload_id": started.id, "parts": parts})))
}

#[derive(Deserialize)]
struct Complete {
    upload_id: String,
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    part_number: u32,
    #[serde(default)]
    etag: String,
}

/// `POST /{workspace}/complete-multipart-upload`
pub(super) async fn complete(
    State(shared): State<Shared>,
    Path(workspace): Path<String>,
    request: Request,
) -> Result<Json<Json_>, Failure> {
    let (head, body) = request.into_parts();
    let user = identify(&shared.hub, &head).await?.user;
    let area = shared.files.to_write(&user, &workspace).await?;
    let body = body::read(body, BODY).await?;
    let asked: Complete = serde_json::from_slice(&body).map_err(|error| {
        Failure::bad_request(format!(
            "Expected {{upload_id, parts: [{{part_number, etag}}]}}: {error}"
        ))
    })?;
    let parts: Vec<_> = asked
        .parts
        .into_iter()
        .map(|part| PartRef {
            number: part.part_number,
            etag: part.etag,
        })
        .collect();
    let (key, meta) = area.complete_upload(&asked.upload_id, &parts).await?;
    Ok(Json(json!({
        "success": true,
        "message": "File uploaded successfully",
        "etag": format!("\"{}\"", meta.etag),
        "location": key.to_string(),
    })))
}
