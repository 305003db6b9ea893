//! All routes, in groups, and what every route of a group gets before its handler runs.
//!
//! A module with routes has a function `routes() -> Router<Shared>`; it is merged into one of the groups of [`router`].
//! The first parameter of a path is called `{workspace}` everywhere.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use http::StatusCode;
use hypha_artifacts::Artifacts;
use hypha_hub::Hub;
use hypha_storage::{Storage, WorkspaceFiles};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::error::Failure;
use crate::options::Options;
use crate::rate_limit::{self, RateLimits};
use crate::{
    apps, artifacts, body, compression, cors, files, health, pages, services, static_mounts, stream, ws,
};

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
    let limited = || from_fn_with_state(limits.clone(), rate_limit::limit);

    // What the server answers itself. Compression leaves streams alone.
    let ordinary = Router::new()
        .merge(health::routes())
        .merge(services::routes())
        .merge(static_mounts::routes(&options.static_mounts))
        .merge(pages::routes())
        .method_not_allowed_fallback(wrong_method);
    let ordinary = body::inflate(ordinary)
        .layer(compression::layer())
        .layer(limited())
        .layer(from_fn_with_state(options.origins.clone(), cors::cors));

    // Bytes, which go through as they are.
    let files = files::routes()
        .merge(artifacts::routes())
        .layer(limited())
        .layer(from_fn_with_state(options.origins.clone(), cors::cors));

    // What the owner of a service answers: its own headers go through as they are, and bodies are streams.
    let apps = apps::routes().layer(limited());

    // A connection for a long time, with limits of its own.
    let stream = stream::routes(&limits).layer(from_fn_with_state(options.origins.clone(), cors::cors));
    let sockets = Router::new().merge(ws::routes()).merge(stream);

    ordinary
        .merge(apps)
        .merge(files)
        .merge(sockets)
        // Every handler says itself how much it takes: `body::read`.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn wrong_method() -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "Method Not Allowed",
    )
}
