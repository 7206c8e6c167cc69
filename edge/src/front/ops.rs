//! The admin listener: is the process alive, is it ready for traffic, what does it do.

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{StatusCode, header};

use super::metrics::metrics;
use super::state::{Front, Shared};

/// `/livez`, `/readyz` and `/metrics`.
pub fn routes(front: Shared) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(async |State(front): State<Shared>| numbers(&front)))
        .with_state(front)
}

/// The edge's numbers, as Prometheus and the console read them.
pub fn numbers(front: &Front) -> impl IntoResponse + use<> {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, metrics(front))
}

async fn ready(State(front): State<Shared>) -> (StatusCode, &'static str) {
    if front.drain.begun().is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if front.schema.load().is_none() {
        (StatusCode::SERVICE_UNAVAILABLE, "the backend has not been reached yet\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
