//! Server streams of google.api.HttpBody: their data is the answer's body, chunk by chunk, with no framing.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::{HeaderValue, Method, header};
use tokio::time::timeout;

use crate::deliver::BrokenOff;
use crate::ending::Ending;
use crate::error::{Code, Error, Result};
use crate::identity::Standing;
use crate::upstream::Messages;

use super::super::exchange::Exchange;
use super::http_body::{NO_SNIFFING, Raw, raw};

/// Answers with the content type of the first message; a failure before it has its own status, a later one breaks the body
/// off.
pub async fn download(exchange: &Exchange) -> Result<Response> {
    let request = exchange.message(&exchange.parameters()?)?.into();
    let config = &exchange.front.config;
    let call = exchange.call(false)?;
    let begun = async {
        let mut messages = exchange.front.upstream.server_streaming(call, request).await?;
        let first = messages.next().await?;
        Ok((first, messages))
    };
    let begun = timeout(config.calls.timeout, begun).await.unwrap_or_else(|_| Err(silent()));
    let (first, messages) = begun?;
    let mut download = Download {
        exchange: exchange.clone(),
        standing: exchange.caller.standing(),
        pending: Bytes::new(),
        ending: Ending::default(),
        messages,
    };
    let is_empty = first.is_none();
    let content_type = match first {
        Some(first) => {
            let Raw { content_type, data } = download.raw(&first)?;
            download.pending = data;
            content_type
        }
        None => HeaderValue::from_static("application/octet-stream"),
    };
    let ending = download.ending.clone();
    let body = match is_empty || exchange.head.method == Method::HEAD {
        true => Body::empty(),
        false => Body::from_stream(try_unfold(download, Download::step)),
    };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        // nginx would collect a whole buffer first.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        NO_SNIFFING,
    ];
    let mut response = (headers, body).into_response();
    response.extensions_mut().insert(ending);
    Ok(response)
}

/// A download under way; dropping it cancels the call. The next message is asked for when the one before is written.
struct Download {
    exchange: Exchange,
    standing: Standing,
    pending: Bytes,
    /// For the access log.
    ending: Ending,
    messages: Messages,
}

impl Download {
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, BrokenOff> {
        while self.pending.is_empty() {
            match self.next().await {
                Ok(Some(data)) => self.pending = data,
                Ok(None) => {
                    self.ending.tell("OK");
                    return Ok(None);
                }
                Err(error) => {
                    self.ending.tell(error.code().name());
                    tracing::info!(%error, "a download failed");
                    // hyper drops what it has not flushed when a body fails: let it write first.
                    tokio::task::yield_now().await;
                    return Err(BrokenOff);
                }
            }
        }
        Ok(Some((std::mem::take(&mut self.pending), self)))
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let message = tokio::select! {
            over = self.standing.over() => return Err(over.error()),
            message = self.messages.next() => message?,
        };
        message.map(|message| Ok(self.raw(&message)?.data)).transpose()
    }

    fn raw(&self, message: &Bytes) -> Result<Raw> {
        let limit = self.exchange.front.config.limits.message_bytes;
        if message.len() > limit {
            let text = format!("A chunk of the backend's answer is larger than {limit} bytes.");
            let error = Error::new(Code::ResourceExhausted, "UPSTREAM_MESSAGE_TOO_LARGE", text);
            return Err(error.status(http::StatusCode::BAD_GATEWAY));
        }
        raw(&self.exchange.binding, message)
    }
}

fn silent() -> Error {
    Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "The backend sent nothing within its time limit.")
}
