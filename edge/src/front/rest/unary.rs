//! Unary calls over HTTP.

use axum::response::Response;

use crate::error::Result;

use super::super::exchange::Exchange;
use super::super::head::Face;
use super::answer::answer;

/// Makes the call and answers with what it gives.
pub async fn unary(exchange: &Exchange, face: Face) -> Result<Response> {
    let request = exchange.message(&exchange.parameters()?)?;
    let reply = exchange.front.upstream.unary(exchange.call(true)?, request.into()).await?;
    answer(exchange, &reply, face)
}
