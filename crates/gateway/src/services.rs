//! Services over HTTP: `/{workspace}/services/…`, for callers that speak no RPC.
//!
//! `GET|POST /{workspace}/services/{service}/{function}` calls a function, the routes above it list and describe
//! services. The call is made inside the hub in the name of a [`Visitor`](hypha_hub::Visitor).

mod answer;
mod arguments;
mod call;
mod coerce;
mod discovery;

use axum::Router;
use axum::routing::get;

use crate::redirect;
use crate::routes::Shared;

/// The routes of services.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/{workspace}/services", get(redirect::to_folder))
        .route("/{workspace}/services/", get(discovery::list))
        .route("/{workspace}/services/{service}", get(discovery::describe))
        .route(
            "/{workspace}/services/{service}/{function}",
            get(call::get).post(call::post),
        )
        .route("/{workspace}/info", get(discovery::workspace))
        .route("/{workspace}/apps", get(discovery::apps))
}
