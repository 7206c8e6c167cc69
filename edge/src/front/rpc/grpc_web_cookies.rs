//! Unary calls of gRPC-Web whose method's AuthRule reads or writes cookies: their messages are looked into.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};

use crate::error::Result;
use crate::schema::Method;
use crate::upstream::envelope::{Envelope, Envelopes, envelope};
use crate::upstream::gzip::Encoding;
use crate::upstream::{Sending, metadata};

use super::super::body::Incoming;
use super::super::cookie_rules;
use super::call::{Call, grpc_content_type};
use super::fault::Fault;
use super::framing::too_large;
use super::grpc_web::{ended, inbound, whole};
use super::kind::media_type;
use super::trailers;
use super::unary::collect;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Whether a method needs this.
pub fn are_needed(method: &Method) -> bool {
    let auth = &method.auth;
    !(auth.set_cookie.is_empty() && auth.from_cookie.is_empty() && auth.clear_cookie.is_empty())
}

/// Makes the call and answers with what it gives.
pub async fn answer(call: &Call, method: &Method, body: Body, text: bool) -> Result<Response> {
    let limits = &call.front.config.limits;
    let frames = request(call, method, body, text).await?;
    // Both messages go uncompressed, because they are looked into here.
    let content_type = grpc_content_type(&media_type(&call.head.headers));
    let own = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
    let mut download = call.forward(own, Sending::Whole(frames), Fault::default()).await?;

    let mut headers = metadata::show(&download.answer.headers, &download.allowed);
    let mut response = match collect(&mut download, limits.message_bytes).await? {
        Err(trailers) => ended(trailers, text),
        Ok((message, trailers)) => {
            cookie_rules::write(&call.front, method, &message, &mut headers);
            whole([envelope(0, &message), trailers::frame(&trailers)].concat(), text)
        }
    };
    response.headers_mut().extend(headers);
    Ok(response)
}

/// The request, with cookies in the fields that they stand in for.
async fn request(call: &Call, method: &Method, body: Body, text: bool) -> Result<Bytes> {
    let (limits, headers) = (&call.front.config.limits, &call.head.headers);
    let mut inbound = inbound(limits.body_bytes, text);
    let body = Incoming::new(limits, limits.body_bytes, headers, body)?;
    inbound.push(call.in_time(body.collect()).await?)?;
    let frames = inbound.next()?.unwrap_or_default();
    inbound.end()?;
    let mut envelopes = Envelopes::new(limits.body_bytes);
    envelopes.push(frames.clone());
    match envelopes.take().map_err(too_large)? {
        Some(Envelope { flags, message }) if envelopes.is_between() => {
            let encoding =
                if flags == 0 { Encoding::Identity } else { Encoding::of(headers, &GRPC_ENCODING)? };
            let message = encoding.decompress(message, limits.body_bytes)?;
            Ok(envelope(0, &cookie_rules::fill(&call.front, method, headers, message)))
        }
        // Not one message: the backend says what is wrong.
        _ => Ok(frames),
    }
}
