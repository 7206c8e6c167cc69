//! The admin listener: is the process alive, is it ready for traffic.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;

use super::state::Shared;

/// `/livez` and `/readyz`.
pub fn routes(front: Shared) -> Router {
    Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(front)
}

async fn ready(State(front): State<Shared>) -> (StatusCode, &'static str) {
    if front.drain.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if front.schema.load().is_none() {
        (StatusCode::SERVICE_UNAVAILABLE, "the backend has not been reached yet\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
