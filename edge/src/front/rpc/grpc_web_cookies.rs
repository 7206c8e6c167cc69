//! Unary calls of gRPC-Web whose method's AuthRule reads or writes cookies: their messages are looked into.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header;

use crate::error::Result;
use crate::schema::Method;
use crate::upstream::envelope::{Envelope, Envelopes, envelope};
use crate::upstream::{Sending, metadata};

use super::super::body::Incoming;
use super::super::cookie_rules;
use super::call::{Call, grpc_content_type};
use super::fault::Fault;
use super::framing::too_large;
use super::grpc::COMPRESSION;
use super::grpc_web::{ended, inbound, whole};
use super::kind::media_type;
use super::trailers;
use super::unary::collect;

/// Whether a method needs this.
pub fn are_needed(method: &Method) -> bool {
    let auth = &method.auth;
    !(auth.set_cookie.is_empty() && auth.from_cookie.is_empty() && auth.clear_cookie.is_empty())
}

/// Makes the call and answers with what it gives.
pub async fn answer(call: &Call, method: &Method, body: Body, text: bool) -> Result<Response> {
    let limits = &call.front.config.limits;
    let frames = request(call, method, body, text).await?;
    // The answer comes uncompressed, because it is read here.
    let mut own = call.given(&COMPRESSION[..1]);
    own.insert(header::CONTENT_TYPE, grpc_content_type(&media_type(&call.head.headers)));
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

/// The request, with cookies in the fields that they stand in for; a compressed one is left as it is.
async fn request(call: &Call, method: &Method, body: Body, text: bool) -> Result<Bytes> {
    let (limits, headers) = (&call.front.config.limits, &call.head.headers);
    let mut inbound = inbound(limits.body_bytes, text);
    let body = Incoming::new(limits, limits.body_bytes, headers, body)?.collect().await?;
    inbound.push(body)?;
    let frames = inbound.next()?.unwrap_or_default();
    inbound.end()?;
    let mut envelopes = Envelopes::new(limits.body_bytes);
    envelopes.push(frames.clone());
    match envelopes.take().map_err(too_large)? {
        Some(Envelope { flags: 0, message }) if envelopes.is_between() => {
            Ok(envelope(0, &cookie_rules::fill(&call.front, method, headers, message)))
        }
        _ => Ok(frames),
    }
}
