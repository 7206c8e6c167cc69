//! Calls whose bodies are gRPC frames already: nothing of them is looked into.

use axum::body::Body;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::error::{Code, Error, Result};
use crate::telemetry;

use super::connect::Upstream;
use super::deadline;

use super::status::to_error;

/// The head of such a call.
#[derive(Debug)]
pub struct Forward {
    pub path: PathAndQuery,
    /// What passes the allow-list, the content type and the compression; trace context and deadline are added.
    pub headers: HeaderMap,
    pub deadline: Option<Instant>,
}

/// What came of it: trailers are in `headers` when the backend had nothing else to say. Dropping it cancels the call.
#[derive(Debug)]
pub struct Answer {
    pub headers: HeaderMap,
    body: tonic::body::Body,
}

impl Upstream {
    /// Completes with the head of the answer. The body goes on being sent meanwhile and afterwards.
    pub async fn forward(&self, call: Forward, body: Body) -> Result<Answer> {
        let Forward { path, mut headers, deadline } = call;
        telemetry::inject(&mut headers);
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if let Some(deadline) = deadline {
            headers.insert("grpc-timeout", deadline::remaining(deadline));
        }
        let mut request = Request::new(tonic::body::Body::new(body));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from(path);
        *request.headers_mut() = headers;
        let answered = self.service.clone().oneshot(request).await;
        let (head, body) = answered.map_err(|status| to_error(&status, None))?.into_parts();
        check(head.status, &head.headers)?;
        Ok(Answer { headers: head.headers, body })
    }
}

impl Answer {
    /// The next frame of the body: data or trailers. Cancel-safe.
    pub async fn frame(&mut self) -> Result<Option<Frame<Bytes>>> {
        self.body.frame().await.transpose().map_err(|status| to_error(&status, None))
    }
}

/// Whether this is an answer of gRPC; what a proxy on the way says instead has a code too (gRPC, "HTTP to gRPC Status
/// Code Mapping").
fn check(status: StatusCode, headers: &HeaderMap) -> Result<()> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if headers.contains_key("grpc-status")
        || status == StatusCode::OK && content_type.is_some_and(|media| media.starts_with("application/grpc"))
    {
        return Ok(());
    }
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    let message = format!("The backend answered with HTTP status {} instead of gRPC.", status.as_u16());
    Err(Error::new(code, "UPSTREAM_NOT_GRPC", message))
}
