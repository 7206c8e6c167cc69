//! `POST /reload` on the admin listener: reads descriptors and rules again, and says what that changed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use crate::fresh::Freshness;
use crate::learn::LoadError;

/// `/reload`.
pub fn routes(freshness: Arc<Freshness>) -> Router {
    Router::new().route("/reload", post(reload)).with_state(freshness)
}

async fn reload(State(freshness): State<Arc<Freshness>>) -> Response {
    match freshness.reload().await {
        Ok(change) => Json(change).into_response(),
        Err(error) => {
            let status = match &error {
                LoadError::Unreachable(error) => error.http_status(),
                LoadError::Unreadable(_) | LoadError::Conflicts(_) | LoadError::Mistakes(_) => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
            };
            (status, Json(json!({ "changed": false, "error": error.to_string() }))).into_response()
        }
    }
}
