//! What is known about artifacts: one, the children of one, those of a workspace.

use axum::Json;
use axum::extract::{Path, Request, State};
use hypha_artifacts::{Search, StageFilter};
use serde_json::Value as Json_;

use super::{actor, failure, flag, number, selector};
use crate::error::Failure;
use crate::query::Query;
use crate::routes::Shared;

type Answer = Result<Json<Json_>, Failure>;

/// Artifacts of a listing, if the request does not say how many.
const LIMIT: u64 = 100;

/// `GET /{workspace}/artifacts/{alias}`
pub(super) async fn read(
    State(shared): State<Shared>,
    Path((workspace, alias)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let actor = actor(&shared, &parts, &workspace).await?;
    let id = format!("{workspace}/{alias}");
    let silent = flag(&query, "silent");
    let read = shared
        .artifacts
        .read_artifact(&actor, &id, &selector(&query)?, silent)
        .await;
    read.map(Json).map_err(failure)
}

/// `GET /{workspace}/artifacts/`: those that are in no collection.
pub(super) async fn list(
    State(shared): State<Shared>,
    Path(workspace): Path<String>,
    request: Request,
) -> Answer {
    find(&shared, &workspace, None, true, request).await
}

/// `GET /{workspace}/artifacts/-/search`: all.
pub(super) async fn search(
    State(shared): State<Shared>,
    Path(workspace): Path<String>,
    request: Request,
) -> Answer {
    find(&shared, &workspace, None, false, request).await
}

/// `GET /{workspace}/artifacts/{alias}/children`
pub(super) async fn children(
    State(shared): State<Shared>,
    Path((workspace, alias)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let parent = format!("{workspace}/{alias}");
    find(&shared, &workspace, Some(parent), false, request).await
}

async fn find(
    shared: &Shared,
    workspace: &str,
    parent_id: Option<String>,
    roots_only: bool,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let actor = actor(shared, &parts, workspace).await?;
    let filters = match query.last("filters").filter(|text| !text.is_empty()) {
        None => serde_json::Map::new(),
        Some(text) => {
            serde_json::from_str(text).map_err(|_| Failure::bad_request("filters must be a JSON object"))?
        }
    };
    let keywords = query
        .last("keywords")
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    let search = Search {
        workspace: Some(workspace.to_owned()),
        parent_id,
        roots_only,
        keywords: keywords
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        filters,
        any: query
            .last("mode")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("OR")),
        offset: number(&query, "offset")?.unwrap_or_default(),
        limit: number(&query, "limit")?.unwrap_or(LIMIT),
        order_by: query.last("order_by").map(str::to_owned),
        pagination: flag(&query, "pagination"),
        stage: match query.last("stage") {
            Some("all") => StageFilter::All,
            Some("true" | "True" | "1") => StageFilter::Staged,
            _ => StageFilter::Committed,
        },
        silent: flag(&query, "silent"),
    };
    shared
        .artifacts
        .search(&actor, search)
        .await
        .map(Json)
        .map_err(failure)
}
