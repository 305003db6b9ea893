//! All routes, in groups, and what every route of a group gets before its handler runs.
//!
//! A module with routes has a function `routes() -> Router<Shared>`; it is merged into one of the groups of [`router`].
//! The first parameter of a path is called `{workspace}` everywhere.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::StatusCode;
use hypha_artifacts::Artifacts;
use hypha_hub::Hub;
use hypha_storage::{Storage, WorkspaceFiles};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::error::Failure;
use crate::options::Options;
use crate::ordinary::{Ordinary, ordinary};
use crate::rate_limit::{self, RateLimits};
use crate::{apps, artifacts, cors, files, health, pages, services, static_mounts, stream, ws};

/// What every route can reach.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) hub: Hub,
    pub(crate) storage: Storage,
    pub(crate) files: WorkspaceFiles,
    pub(crate) artifacts: Artifacts,
    pub(crate) metrics: Option<PrometheusHandle>,
    /// Prefix of all routes, for redirects: empty, or `/a/b`.
    pub(crate) base_path: Arc<str>,
}

/// The routes of a gateway, without its base path.
pub(crate) fn router(shared: Shared, options: &Options) -> Router {
    let limits = RateLimits::new(shared.hub.clone(), options);
    let group = Ordinary {
        origins: options.origins.clone(),
        limits: limits.clone(),
    };

    // What the server answers itself.
    let own = Router::new()
        .merge(health::routes())
        .merge(services::routes())
        .merge(static_mounts::routes(&options.static_mounts))
        .merge(pages::routes())
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(group, ordinary));

    // Bytes, which go through as they are.
    let files = files::routes()
        .merge(artifacts::routes())
        .layer(from_fn_with_state(limits.clone(), rate_limit::limit))
        .layer(from_fn_with_state(options.origins.clone(), cors::cors));

    // What the owner of a service answers: its own headers go through as they are, and bodies are streams.
    let apps = apps::routes().layer(from_fn_with_state(limits.clone(), rate_limit::limit));

    // A connection for a long time, with limits of its own.
    let stream = stream::routes(&limits).layer(from_fn_with_state(options.origins.clone(), cors::cors));
    let sockets = Router::new().merge(ws::routes()).merge(stream);

    own.merge(apps).merge(files).merge(sockets).with_state(shared)
}

async fn wrong_method() -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "Method Not Allowed",
    )
}
