//! What the faces differ in: how messages lie in the bodies of requests and answers.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use crate::error::{Code, Error, Result};
use crate::upstream::envelope::TooLarge;

/// Where messages are looked into, not much more than this is made at once of what has come: what compresses to little
/// may hold much.
pub const AT_ONCE: usize = 16 * 1024;

/// Makes gRPC frames of what a client sends.
pub trait Inbound: Send {
    fn push(&mut self, chunk: Bytes) -> Result<()>;
    /// Frames that are whole, never empty; `None` when more has to be pushed first.
    fn next(&mut self) -> Result<Option<Bytes>>;
    /// # Errors
    /// When the body stops inside a message.
    fn end(&mut self) -> Result<()>;
}

/// Makes what a client reads of gRPC frames.
pub trait Outbound: Send {
    fn push(&mut self, chunk: Bytes);
    /// What can be written, never empty; `None` when more has to be pushed first.
    fn next(&mut self) -> Result<Option<Bytes>, Failed>;
    /// Whether no message is begun that has not ended.
    fn is_between(&self) -> bool;
    /// How the call ended, in the face's own form.
    fn end(&mut self, trailers: &HeaderMap) -> Frame<Bytes>;
}

/// A message that cannot be written.
#[derive(Debug)]
pub struct Failed {
    /// Those before it.
    pub before: Bytes,
    pub error: Error,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { before: Bytes::new(), error }
    }
}

/// A message of the client that is over the limit.
pub fn too_large(_: TooLarge) -> Error {
    let message = "A message is larger than `limits.body_bytes` of the edge allows.";
    Error::new(Code::ResourceExhausted, "BODY_TOO_LARGE", message).status(http::StatusCode::PAYLOAD_TOO_LARGE)
}

/// A message of the backend that is over the limit.
pub fn answer_too_large(_: TooLarge) -> Error {
    let message = "A message of the backend is larger than `limits.message_bytes` of the edge allows.";
    Error::new(Code::ResourceExhausted, "UPSTREAM_MESSAGE_TOO_LARGE", message)
        .status(http::StatusCode::BAD_GATEWAY)
}

/// A body that stops inside a message, or that breaks.
pub fn cut() -> Error {
    Error::new(Code::InvalidArgument, "BODY_CUT", "The body was cut short inside a message.")
}

/// A stream of the backend that stops without saying how it ended.
pub fn answer_cut() -> Error {
    Error::new(Code::Unavailable, "UPSTREAM_CUT", "The backend cut the stream short.")
}
