//! Reads the messages of an answer, and how the call ended.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use http_body_util::BodyExt;
use tonic::{Code, Status};

use crate::error;

use super::envelope::{Envelope, Envelopes};
use super::failure::BadAnswer;
use super::gzip::Encoding;
use super::incoming::Incoming;

/// No message above it is read at all. Below it, one that is too large for the browser still tells its cursor.
const HARD_LIMIT: usize = 64 * 1024 * 1024;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// An answer that is read message by message.
#[derive(Debug)]
pub(super) struct Reading {
    /// None when the call has ended.
    body: Option<Incoming>,
    envelopes: Envelopes,
    encoding: Encoding,
    /// Headers, and trailers when the call has ended.
    pub(super) metadata: HeaderMap,
}

impl Reading {
    /// # Errors
    /// The failure, when the head already tells it.
    pub(super) fn new(answer: Response<Incoming>) -> Result<Self, Status> {
        let (head, body) = answer.into_parts();
        if !is_grpc(head.status, &head.headers) {
            return Err(bad(BadAnswer::NotGrpc(head.status)));
        }
        let is_over = head.headers.contains_key(STATUS);
        if is_over {
            check(&head.headers)?;
        }
        let encoding = Encoding::of(&head.headers, &ENCODING).map_err(|_| bad(BadAnswer::Unreadable))?;
        let body = (!is_over).then_some(body);
        Ok(Self { body, envelopes: Envelopes::new(HARD_LIMIT), encoding, metadata: head.headers })
    }

    /// The next message; `None` is a clean end. Cancel-safe.
    pub(super) async fn message(&mut self) -> Result<Option<Bytes>, Status> {
        while let Some(body) = &mut self.body {
            if let Some(envelope) = self.envelopes.take().map_err(|_| bad(BadAnswer::TooLarge))? {
                return self.plain(envelope).map(Some);
            }
            let Some(frame) = body.frame().await else { return Err(bad(BadAnswer::Cut)) };
            match frame?.into_data() {
                Ok(data) => self.envelopes.push(data),
                Err(frame) => self.end(frame.into_trailers().unwrap_or_default())?,
            }
        }
        Ok(None)
    }

    /// The only message there is, and all metadata.
    pub(super) async fn only(mut self) -> Result<(Bytes, HeaderMap), Status> {
        let first = self.message().await?;
        let second = if first.is_some() { self.message().await? } else { None };
        match (first, second) {
            (Some(message), None) => Ok((message, self.metadata)),
            _ => Err(bad(BadAnswer::NotOne)),
        }
    }

    fn plain(&self, Envelope { flags, message }: Envelope) -> Result<Bytes, Status> {
        let encoding = self.encoding.of_message(flags).map_err(|_| bad(BadAnswer::Unreadable))?;
        encoding.decompress(message, HARD_LIMIT).map_err(|error| match error.code() {
            error::Code::ResourceExhausted => bad(BadAnswer::TooLarge),
            _ => bad(BadAnswer::Unreadable),
        })
    }

    fn end(&mut self, trailers: HeaderMap) -> Result<(), Status> {
        self.body = None;
        check(&trailers)?;
        if !self.envelopes.is_between() {
            return Err(bad(BadAnswer::Cut));
        }
        self.metadata.extend(trailers);
        Ok(())
    }
}

/// Whether this is the head of an answer of gRPC, whatever it says.
pub(super) fn is_grpc(status: StatusCode, headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    headers.contains_key(STATUS)
        || status == StatusCode::OK && content_type.is_some_and(|media| media.starts_with("application/grpc"))
}

fn check(trailers: &HeaderMap) -> Result<(), Status> {
    // Without a copy of all of them.
    if trailers.get(STATUS).is_some_and(|status| status == "0") {
        return Ok(());
    }
    match Status::from_header_map(trailers) {
        None => Err(bad(BadAnswer::Cut)),
        Some(status) if status.code() == Code::Ok => Ok(()),
        Some(failure) => Err(failure),
    }
}

fn bad(answer: BadAnswer) -> Status {
    Status::from_error(Box::new(answer))
}
