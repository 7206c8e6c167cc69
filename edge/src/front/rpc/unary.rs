//! The answer of a unary call as a whole.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};

use crate::error::{Code, Error, Result};
use crate::upstream::envelope::{Envelope, Envelopes};
use crate::upstream::gzip::Encoding;

use super::download::{Download, Part};
use super::framing::{answer_cut, answer_too_large};
use super::trailers;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// How a unary call ended: with one message, or with trailers that tell why not.
pub type Ended = std::result::Result<(Bytes, HeaderMap), HeaderMap>;

/// Reads the message, decompressed, and the trailers.
pub async fn collect(download: &mut Download, limit: usize) -> Result<Ended> {
    if let Some(trailers) = download.trailers_only() {
        return of(None, trailers);
    }
    let encoding = Encoding::of(&download.answer.headers, &GRPC_ENCODING)?;
    let mut envelopes = Envelopes::new(limit);
    let mut message = None;
    loop {
        match download.next().await {
            Part::Data(chunk) => envelopes.push(chunk),
            Part::End(trailers) if trailers::is_ok(&trailers) && !envelopes.is_between() => {
                return Err(answer_cut());
            }
            Part::End(trailers) => return of(message, trailers),
        }
        while let Some(Envelope { flags, message: next }) = envelopes.take().map_err(answer_too_large)? {
            if message.replace(encoding.of_message(flags)?.decompress(next, limit)?).is_some() {
                return Err(answer_missing());
            }
        }
    }
}

fn of(message: Option<Bytes>, trailers: HeaderMap) -> Result<Ended> {
    match (trailers::is_ok(&trailers), message) {
        (false, _) => Ok(Err(trailers)),
        (true, Some(message)) => Ok(Ok((message, trailers))),
        (true, None) => Err(answer_missing()),
    }
}

fn answer_missing() -> Error {
    let message = "The backend must answer a unary call with exactly one message.";
    Error::new(Code::Internal, "UPSTREAM_MESSAGE_MISSING", message).status(StatusCode::BAD_GATEWAY)
}
