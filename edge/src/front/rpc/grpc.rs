//! gRPC itself, which passes as it is.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Frame;

use crate::error::Result;
use crate::upstream::envelope::Envelopes;
use crate::upstream::{Sending, metadata};

use super::call::{Call, grpc_content_type};
use super::fault::Fault;
use super::framing::{Failed, Inbound, Outbound, cut, too_large};
use super::kind::media_type;
use super::trailers;
use super::upload::{Bounds, upload};

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
/// Compression is between client and backend.
pub(super) const COMPRESSION: [HeaderName; 2] =
    [HeaderName::from_static("grpc-encoding"), HeaderName::from_static("grpc-accept-encoding")];

/// Makes the call and answers with what it gives.
pub async fn answer(call: &Call, body: Body) -> Result<Response> {
    let mut own = call.given(&COMPRESSION);
    own.insert(header::CONTENT_TYPE, grpc_content_type(&media_type(&call.head.headers)));
    let fault = Fault::default();
    let inbound = Frames::new(call.front.config.limits.body_bytes);
    let bounds = Bounds::of(&call.front.config.limits);
    let sending = Sending::stream(upload(body, Box::new(inbound), fault.clone(), bounds));
    let download = call.forward(own, sending, fault).await?;

    if let Some(trailers) = download.trailers_only() {
        return Ok(ended(trailers));
    }
    let given = &download.answer.headers;
    let mut headers = answer_headers(given, &download.allowed);
    headers.insert(header::CONTENT_TYPE, given.get(header::CONTENT_TYPE).cloned().unwrap_or(CONTENT_TYPE));
    let mut response = download.into_response(Box::new(Untouched::default()));
    *response.headers_mut() = headers;
    Ok(response)
}

/// An answer that is over with its head ("Trailers-Only"). Its body must be empty, or clients wait for trailers.
pub fn ended(trailers: HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(trailers::ending(&trailers));
    *response.headers_mut() = trailers;
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

/// What passes of an answer's head.
pub(super) fn answer_headers(given: &HeaderMap, allowed: &[HeaderName]) -> HeaderMap {
    let mut headers = metadata::show(given, allowed);
    for name in COMPRESSION {
        if let Some(value) = given.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers
}

/// Frames as they come, each bounded.
#[derive(Debug)]
pub(super) struct Frames(Envelopes);

impl Frames {
    pub(super) fn new(limit: usize) -> Self {
        Self(Envelopes::new(limit))
    }
}

impl Inbound for Frames {
    fn push(&mut self, chunk: Bytes) -> Result<()> {
        self.0.push(chunk);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Bytes>> {
        self.0.take_whole().map_err(too_large)
    }

    fn end(&mut self) -> Result<()> {
        if self.0.is_between() { Ok(()) } else { Err(cut()) }
    }
}

#[derive(Default)]
struct Untouched(Option<Bytes>);

impl Outbound for Untouched {
    fn push(&mut self, chunk: Bytes) {
        self.0 = Some(chunk).filter(|chunk| !chunk.is_empty());
    }

    fn next(&mut self) -> Result<Option<Bytes>, Failed> {
        Ok(self.0.take())
    }

    /// The client sees for itself.
    fn is_between(&self) -> bool {
        true
    }

    fn end(&mut self, trailers: &HeaderMap) -> Frame<Bytes> {
        Frame::trailers(trailers.clone())
    }
}
