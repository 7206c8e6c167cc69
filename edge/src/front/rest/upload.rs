//! Calls that stream their requests: the body goes on message by message, while it arrives.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::{Code, Error, Result};

use super::super::body::Incoming;
use super::super::body::content::content;
use super::super::exchange::Exchange;
use super::super::head::face;
use super::answer::answer;
use super::outgoing::Outgoing;

/// Sends the messages of the body and answers with what the call gives.
///
/// A body that turns out to be bad cancels the call, so that no backend takes a part for the whole.
pub async fn upload(exchange: &Exchange, body: Body) -> Result<Response> {
    let (binding, headers) = (&exchange.binding, &exchange.head.headers);
    if binding.method.descriptor.is_server_streaming() {
        return Err(both_ways(binding.method.name()));
    }
    let face = face(binding, exchange.front.config.rest.compat, headers)?;
    let (config, upstream) = (&exchange.front.config, &exchange.front.upstream);
    let content = content(binding, headers)?;
    let limits = &config.limits;
    let incoming = Incoming::new(limits, limits.upload_bytes, headers, body)?.in_all(limits.upload_timeout);
    let (sent, outcome) = oneshot::channel();
    let outgoing = Outgoing::new(exchange.clone(), content, incoming)?;
    let reply = upstream.client_streaming(exchange.call(false)?, messages(outgoing, sent));
    tokio::pin!(reply);
    let outcome = tokio::select! {
        reply = &mut reply => return answer(exchange, &reply?, face),
        outcome = outcome => outcome,
    };
    if let Ok(Err(error)) = outcome {
        return Err(error);
    }
    // Each limit is for a call whose request is there: how long that takes, is its sender's matter.
    let limit = upstream.limit(binding.method.path.path());
    let limit = limit.map_or(config.calls.timeout, |limit| limit.min(config.calls.timeout));
    let reply = timeout(limit, reply).await.unwrap_or_else(|_| Err(late()));
    answer(exchange, &reply?, face)
}

/// Tells how the body ended. After a failure the stream goes on for ever: ended, it would look complete.
fn messages(
    outgoing: Outgoing,
    sent: oneshot::Sender<Result<()>>,
) -> impl futures_util::Stream<Item = Bytes> + Send + 'static {
    unfold((outgoing, sent), |(mut outgoing, sent)| async move {
        match outgoing.next().await {
            Ok(Some(message)) => Some((message, (outgoing, sent))),
            Ok(None) => {
                let _ = sent.send(Ok(()));
                None
            }
            Err(error) => {
                let _ = sent.send(Err(error));
                std::future::pending().await
            }
        }
    })
}

fn both_ways(method: &str) -> Error {
    let message =
        format!("{method} streams both ways, which REST cannot carry. Call it by WebSocket or gRPC.");
    Error::new(Code::Unimplemented, "BIDI_STREAMING", message)
}

fn late() -> Error {
    let message = "The backend did not answer within its time limit, though it has the whole body.";
    Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
}
