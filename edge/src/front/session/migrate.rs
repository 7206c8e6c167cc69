//! `POST /hmr/migrate`: a ticket that moves a session to a new page load, for development servers.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::json;

use crate::error::{Code, Error, Result};
use crate::layer::{RouteName, advise, challenge};

use super::super::state::Shared;
use super::post::unknown;
use super::verify::verify;

/// Gives the ticket, once and for a moment. What moves is what the edge holds: who it is, its calls, frames that were not had.
pub async fn serve(State(front): State<Shared>, request: Request) -> Response {
    let mut response = match ticket(&front, request).await {
        Ok(ticket) => {
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (no_store, Json(json!({ "ticket": ticket }))).into_response()
        }
        Err(error) => advise(&front.config.auth, challenge(error)).into_response(),
    };
    response.extensions_mut().insert(RouteName("POST /hmr/migrate".into()));
    response
}

async fn ticket(front: &Shared, request: Request) -> Result<String> {
    if !front.config.dev && !front.config.hmr.enabled {
        let message = "Sessions are moved only with --dev or `hmr.enabled = true`.";
        return Err(Error::new(Code::NotFound, "NOT_SERVED", message));
    }
    let (head, _) = request.into_parts();
    let name = head.headers.get("x-vite-hmr-id").and_then(|name| name.to_str().ok());
    let name = name.ok_or_else(|| Error::field("x-vite-hmr-id", "must be the session that `ready` named"))?;
    let credentials = verify(front, &head, None).await?;
    // Another's is as unknown as one that is not there.
    front.sessions.find(name, &credentials.identity).ok_or_else(unknown)?;
    let authorization = credentials.head.headers.get(header::AUTHORIZATION).cloned();
    Ok(front.sessions.give_move(name, authorization))
}
