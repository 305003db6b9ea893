//! `/health/readiness`, `/health/liveness`, `/health` and `/metrics`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::routes::Shared;

/// The routes of this module.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/health", get(health))
        .route("/health/readiness", get(readiness))
        .route("/health/liveness", get(liveness))
        .route("/metrics", get(metrics))
}

/// Whether clients may connect: local storage is open and the hub is not shutting down.
async fn readiness(State(shared): State<Shared>) -> Response {
    match shared.hub.check().await {
        Ok(()) => ok(json!({
            "store": "ready", "redis": "not used", "event_bus": "ready", "pubsub": "healthy",
        })),
        Err(text) => down(&text),
    }
}

/// Whether the process does its work; a hub that drains is alive.
async fn liveness(State(_): State<Shared>) -> Response {
    ok(json!({
        "store": "ready", "event_bus_failures": 0, "circuit_breaker": "closed", "pubsub": "healthy",
        "last_successful_connection": Value::Null,
    }))
}

/// An overview for people and dashboards.
async fn health(State(shared): State<Shared>) -> Response {
    let usage = shared.hub.usage();
    let problem = shared.hub.check().await.err();
    let body = json!({
        "status": if problem.is_none() { "HEALTHY" } else { "CRITICAL" },
        "score": if problem.is_none() { 100 } else { 0 },
        "issues": problem.iter().collect::<Vec<_>>(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": usage.uptime.as_secs(),
        "connections": {"active": usage.connections},
        "objects": {"workspaces": usage.workspaces, "services": usage.services},
    });
    let status = if problem.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}

/// Prometheus text.
async fn metrics(State(shared): State<Shared>) -> Response {
    let usage = shared.hub.usage();
    metrics::gauge!("websocket_connections").set(usage.connections as f64);
    metrics::gauge!("redis_rpc_active_connections").set(usage.connections as f64);
    let text = shared
        .metrics
        .as_ref()
        .map(|handle| handle.render())
        .unwrap_or_default();
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

fn ok(detail: Value) -> Response {
    Json(json!({"status": "OK", "detail": detail})).into_response()
}

fn down(text: &str) -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Json(json!({"status": "DOWN", "detail": text})),
    )
        .into_response()
}
