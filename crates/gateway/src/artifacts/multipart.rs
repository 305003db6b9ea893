//! Large files of artifacts in parts.

use axum::Json;
use axum::extract::{Path, Request, State};
use hypha_storage::{Base, PartRef};
use serde::Deserialize;
use serde_json::Value as Json_;

use super::{actor, failure, number};
use crate::body;
use crate::error::Failure;
use crate::query::Query;
use crate::routes::Shared;

/// Largest body that names parts, in bytes: ten thousand of them with room to spare.
const BODY: usize = 2 << 20;
/// How long the URLs of parts are good, in seconds, if the request does not say.
const EXPIRES_IN: u64 = 3600;

/// `POST …/create-multipart-upload?path=&part_count=&expires_in=&download_weight=`
pub(super) async fn create(
    State(shared): State<Shared>,
    Path((workspace, alias)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Json_>, Failure> {
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let actor = actor(&shared, &parts, &workspace).await?;
    let missing = |name: &str| Failure::bad_request(format!("The parameter {name} is missing"));
    let path = query.last("path").ok_or_else(|| missing("path"))?;
    let count = number(&query, "part_count")?.ok_or_else(|| missing("part_count"))?;
    let weight = number(&query, "download_weight")?.unwrap_or(0.0);
    let expires_in = number(&query, "expires_in")?.unwrap_or(EXPIRES_IN);
    let id = format!("{workspace}/{alias}");
    let options = (expires_in, &Base::Public);
    let started = shared
        .artifacts
        .start_multipart(&actor, &id, path, (count, weight), options)
        .await;
    started.map(Json).map_err(failure)
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

/// `POST …/complete-multipart-upload`
pub(super) async fn complete(
    State(shared): State<Shared>,
    Path((workspace, alias)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Json_>, Failure> {
    let (parts, body) = request.into_parts();
    let actor = actor(&shared, &parts, &workspace).await?;
    let body = body::read(body, BODY).await?;
    let expected = "Expected a JSON object with upload_id and parts, each with part_number and etag";
    let asked: Complete = serde_json::from_slice(&body).map_err(|_| Failure::bad_request(expected))?;
    let uploaded: Vec<PartRef> = asked
        .parts
        .into_iter()
        .map(|part| PartRef {
            number: part.part_number,
            etag: part.etag,
        })
        .collect();
    let id = format!("{workspace}/{alias}");
    let completed = shared
        .artifacts
        .complete_multipart(&actor, &id, &asked.upload_id, &uploaded)
        .await;
    completed.map(Json).map_err(failure)
}
