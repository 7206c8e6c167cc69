//! Tickets as callers meet them: `POST /tickets` gives one, `?ticket=…` of a stream's GET uses it.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Uri, header};
use prost_types::Timestamp;
use serde_json::json;

use crate::error::{Code, Error, Result};
use crate::layer::tickets::{PREFIX, Ticket};
use crate::layer::{advise, holder, page};
use crate::schema::Method;

use super::state::{Front, Shared};

/// What rates by caller count them under.
const COUNTED_AS: &str = "POST /tickets";
const PER_MINUTE: u32 = 120;

/// Seals the caller's token for one connection.
pub async fn give(State(front): State<Shared>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    match sealed(&front, &head).await {
        Ok(Ticket { text, expires }) => {
            let answer = json!({ "ticket": text, "expireTime": Timestamp::from(expires).to_string() });
            ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer)).into_response()
        }
        Err(error) => advise(&front.config.auth, error).into_response(),
    }
}

async fn sealed(front: &Front, head: &Parts) -> Result<Ticket> {
    let schema = front.loaded()?;
    front.keys.check_known(&schema)?;
    if !front.keys.verifies(&schema) {
        let message = "This edge does not verify tokens, so it has none to seal.";
        return Err(Error::new(Code::NotFound, "NO_ISSUER", message));
    }
    let holder = holder(&front.keys, &front.config.auth, head).await?;
    front.caller_limit.check(COUNTED_AS, PER_MINUTE, &holder.claims.name())?;
    front.tickets.seal(&holder.token, &page(&head.headers, &head.uri))
}

/// Takes the ticket out of a request that opens a stream, so that nothing behind sees it. A backend may have a field of
/// this name for itself.
pub fn take(head: &mut Parts, method: &Method) -> Option<String> {
    if head.method != http::Method::GET || method.stream.is_none() {
        return None;
    }
    let has_field = method.descriptor.input().get_field_by_name("ticket").is_some();
    let is_ticket = |pair: &&str| {
        pair.strip_prefix("ticket=").is_some_and(|value| !has_field || value.starts_with(PREFIX))
    };
    let (tickets, rest): (Vec<_>, Vec<_>) = head.uri.query()?.split('&').partition(is_ticket);
    let path = head.uri.path();
    let target = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    let tickets: Vec<_> = tickets.iter().map(|pair| &pair["ticket=".len()..]).collect();
    // Several make none that could be opened.
    let ticket = (!tickets.is_empty()).then(|| tickets.join("&"))?;
    head.uri = replaced(&head.uri, &target).unwrap_or_default();
    Some(ticket)
}

fn replaced(uri: &Uri, target: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().ok()?);
    Uri::from_parts(parts).ok()
}
