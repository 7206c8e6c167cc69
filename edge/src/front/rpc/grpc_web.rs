//! gRPC-Web: gRPC's frames, with the trailers as the last of them, in binary or as base64.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body::Frame;

use crate::deliver::stream_headers;
use crate::error::{Code, Error, Result};
use crate::upstream::Sending;
use crate::upstream::envelope::Envelopes;

use super::base64_text::{Base64Text, encode};
use super::call::{Call, grpc_content_type};
use super::fault::Fault;
use super::framing::{Failed, Inbound, Outbound, answer_too_large};
use super::grpc::{COMPRESSION, Frames, answer_headers};
use super::kind::media_type;
use super::trailers;
use super::upload::{Bounds, upload};

/// Makes the call and answers with what it gives.
pub async fn answer(call: &Call, body: Body, text: bool) -> Result<Response> {
    let mut own = call.given(&COMPRESSION);
    own.insert(header::CONTENT_TYPE, grpc_content_type(&media_type(&call.head.headers)));
    let fault = Fault::default();
    let limits = &call.front.config.limits;
    let inbound = inbound(limits.body_bytes, text);
    let bounds = Bounds::of(&call.front.config.limits);
    let sending = Sending::stream(upload(body, inbound, fault.clone(), bounds));
    let download = call.forward(own, sending, fault).await?;

    if let Some(trailers) = download.trailers_only() {
        return Ok(ended(trailers, text));
    }
    let headers = answer_headers(&download.answer.headers, &download.allowed);
    let outbound = WebFrames { text, envelopes: Envelopes::new(limits.message_bytes) };
    let mut response = download.into_response(Box::new(outbound));
    *response.headers_mut() = headers;
    response.headers_mut().extend(stream_headers(content_type(text)).map(fixed));
    Ok(response)
}

/// An answer that is over with its head ("Trailers-Only").
pub fn ended(trailers: HeaderMap, text: bool) -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(trailers::ending(&trailers));
    *response.headers_mut() = trailers;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(text)));
    response
}

/// An answer whose frames are all there.
pub(super) fn whole(frames: Vec<u8>, text: bool) -> Response {
    let mut response = Response::new(Body::from(if text { encode(&frames) } else { frames.into() }));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(text)));
    response
}

/// Reads what a client sends.
pub(super) fn inbound(limit: usize, text: bool) -> Box<dyn Inbound> {
    let frames = Frames::new(limit);
    if text { Box::new(TextFrames { text: Base64Text::default(), frames }) } else { Box::new(frames) }
}

fn content_type(text: bool) -> &'static str {
    if text { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" }
}

fn fixed((name, value): (http::HeaderName, &'static str)) -> (http::HeaderName, HeaderValue) {
    (name, HeaderValue::from_static(value))
}

struct TextFrames {
    text: Base64Text,
    frames: Frames,
}

impl Inbound for TextFrames {
    fn push(&mut self, chunk: Bytes) -> Result<()> {
        let decoded = self.text.decode(&chunk).map_err(|_| bad_base64())?;
        self.frames.push(decoded)
    }

    fn next(&mut self) -> Result<Option<Bytes>> {
        self.frames.next()
    }

    fn end(&mut self) -> Result<()> {
        self.text.end().map_err(|_| bad_base64())?;
        self.frames.end()
    }
}

/// Only whole frames: behind a part of one, the trailers could not be told from the rest of it.
struct WebFrames {
    text: bool,
    envelopes: Envelopes,
}

impl Outbound for WebFrames {
    fn push(&mut self, chunk: Bytes) {
        self.envelopes.push(chunk);
    }

    fn next(&mut self) -> Result<Option<Bytes>, Failed> {
        let whole = self.envelopes.take_whole().map_err(answer_too_large)?;
        Ok(whole.map(|whole| if self.text { encode(&whole) } else { whole }))
    }

    fn is_between(&self) -> bool {
        self.envelopes.is_between()
    }

    fn end(&mut self, trailers: &HeaderMap) -> Frame<Bytes> {
        let frame = trailers::frame(trailers);
        Frame::data(if self.text { encode(&frame) } else { frame })
    }
}

fn bad_base64() -> Error {
    let message = "The body is not base64. Send each flush padded, or use `application/grpc-web`.";
    Error::new(Code::InvalidArgument, "BASE64_INVALID", message)
}
