//! Connect's streams: enveloped messages of the client's codec, and an envelope that tells how the stream ended.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Frame;

use crate::deliver::stream_headers;
use crate::error::{Code, Error, Result};
use crate::schema::Plan;
use crate::transcode::ReadOptions;
use crate::upstream::envelope::{COMPRESSED, Envelope, Envelopes, write};
use crate::upstream::gzip::Encoding;
use crate::upstream::{Sending, metadata};

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::framing::{AT_ONCE, Failed, Inbound, Outbound, answer_too_large, cut, too_large};
use super::super::kind::Codec;
use super::super::messages::Messages;
use super::super::trailers;
use super::super::upload::{Bounds, upload};
use super::accepted::accepted;
use super::error::end_stream;

const ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
const ACCEPTED: HeaderName = HeaderName::from_static("connect-accept-encoding");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Makes the call and answers with what it gives.
pub async fn answer(call: &Call, body: Body, codec: Codec) -> Result<Response> {
    let limits = &call.front.config.limits;
    let messages = Messages::new(codec, call.target.method(), ReadOptions::from(&call.front.config.rest))?;
    let inbound = Requests {
        envelopes: Envelopes::new(limits.body_bytes),
        encoding: Encoding::of(&call.head.headers, &ENCODING)?,
        limit: limits.body_bytes,
        messages: messages.clone(),
    };
    let own = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"))]);
    let fault = Fault::default();
    let bounds = Bounds::of(limits);
    let sending = Sending::stream(upload(body, Box::new(inbound), fault.clone(), bounds));
    let download = call.forward(own, sending, fault).await?;

    let plan = Some(Arc::clone(&call.schema.plan));
    if let Some(trailers) = download.trailers_only() {
        return Ok(ended(&trailers, codec, plan.as_deref()));
    }
    let given = &download.answer.headers;
    let wanted = accepted(&call.head.headers, &ACCEPTED);
    let outbound = Answers {
        envelopes: Envelopes::new(limits.message_bytes),
        encoding: Encoding::of(given, &GRPC_ENCODING)?,
        limit: limits.message_bytes,
        messages,
        wanted,
        plan,
    };
    let headers = metadata::show(given, &download.allowed);
    let mut response = download.into_response(Box::new(outbound));
    *response.headers_mut() = headers;
    add_headers(response.headers_mut(), codec);
    if wanted == Encoding::Gzip {
        response.headers_mut().insert(ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// A stream that is over before its first message.
pub fn ended(trailers: &HeaderMap, codec: Codec, plan: Option<&Plan>) -> Response {
    let mut response = Response::new(Body::from(end_stream(trailers, plan)));
    response.extensions_mut().insert(trailers::ending(trailers));
    add_headers(response.headers_mut(), codec);
    response
}

fn add_headers(headers: &mut HeaderMap, codec: Codec) {
    let content_type = match codec {
        Codec::Proto => "application/connect+proto",
        Codec::Json => "application/connect+json",
    };
    for (name, value) in stream_headers(content_type) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

struct Requests {
    envelopes: Envelopes,
    encoding: Encoding,
    limit: usize,
    messages: Messages,
}

impl Requests {
    fn read(&self, envelope: Envelope) -> Result<Bytes> {
        let message = match envelope.flags {
            0 => envelope.message,
            COMPRESSED if self.encoding != Encoding::Identity => {
                self.encoding.decompress(envelope.message, self.limit)?
            }
            flags => {
                let message = format!(
                    "A message has the flags {flags:#04x}: 0x00 is plain, 0x01 compressed as `{ENCODING}` names."
                );
                return Err(Error::new(Code::InvalidArgument, "ENVELOPE_INVALID", message));
            }
        };
        self.messages.read(message)
    }
}

impl Inbound for Requests {
    fn push(&mut self, chunk: Bytes) -> Result<()> {
        self.envelopes.push(chunk);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Bytes>> {
        let mut frames = BytesMut::new();
        while frames.len() < AT_ONCE
            && let Some(next) = self.envelopes.take().map_err(too_large)?
        {
            write(&mut frames, 0, &self.read(next)?);
        }
        Ok((!frames.is_empty()).then(|| frames.freeze()))
    }

    fn end(&mut self) -> Result<()> {
        if self.envelopes.is_between() { Ok(()) } else { Err(cut()) }
    }
}

struct Answers {
    envelopes: Envelopes,
    encoding: Encoding,
    limit: usize,
    messages: Messages,
    wanted: Encoding,
    plan: Option<Arc<Plan>>,
}

impl Answers {
    /// Adds the next message that is whole, if there is one.
    fn write_next(&mut self, written: &mut BytesMut) -> Result<bool> {
        let Some(next) = self.envelopes.take().map_err(answer_too_large)? else { return Ok(false) };
        let encoding = self.encoding.of_message(next.flags)?;
        let message = self.messages.write(encoding.decompress(next.message, self.limit)?)?;
        match self.wanted.compress(&message) {
            Some(compressed) => write(written, COMPRESSED, &compressed),
            None => write(written, 0, &message),
        }
        Ok(true)
    }
}

impl Outbound for Answers {
    fn push(&mut self, chunk: Bytes) {
        self.envelopes.push(chunk);
    }

    fn next(&mut self) -> Result<Option<Bytes>, Failed> {
        let mut written = BytesMut::new();
        while written.len() < AT_ONCE {
            match self.write_next(&mut written) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(Failed { before: written.freeze(), error }),
            }
        }
        Ok((!written.is_empty()).then(|| written.freeze()))
    }

    fn is_between(&self) -> bool {
        self.envelopes.is_between()
    }

    fn end(&mut self, trailers: &HeaderMap) -> Frame<Bytes> {
        Frame::data(end_stream(trailers, self.plan.as_deref()))
    }
}
