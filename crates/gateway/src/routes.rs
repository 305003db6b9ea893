//! All routes, in groups, and what every route of a group gets before its handler runs.
//!
//! A module with routes has a function `routes() -> Router<Shared>`; it is merged into one of the groups of [`router`].
//! The first parameter of a path is called `{workspace}` everywhere.

use axum::Router;
use hypha_hub::Hub;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::options::Options;
use crate::{health, services, ws};

/// What every route can reach.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) hub: Hub,
    pub(crate) metrics: Option<PrometheusHandle>,
}

/// The routes of a gateway, without its base path.
pub(crate) fn router(shared: Shared, _options: &Options) -> Router {
    // What the server answers itself.
    let ordinary = Router::new().merge(health::routes()).merge(services::routes());
    // What the owner of a service answers: its own headers go through as they are, and bodies are streams.
    let apps = Router::new();
    // How clients speak RPC: their own limits, and nothing that would hold a stream back.
    let transports = Router::new().merge(ws::routes());
    ordinary.merge(apps).merge(transports).with_state(shared)
}
