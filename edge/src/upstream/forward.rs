//! Calls whose bodies are gRPC frames already: nothing of them is looked into.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tonic::Status;
use tower::ServiceExt;

use crate::error::{Code, Error, Result};
use crate::telemetry;

use super::backend::Tried;
use super::connect::Upstream;
use super::deadline;
use super::retry::Retries;
use super::sending::Sending;
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
    status: StatusCode,
    /// Was looked at already.
    first: Option<Frame<Bytes>>,
    body: tonic::body::Body,
}

impl Upstream {
    /// Completes with the head of the answer; a body that streams goes on being sent meanwhile and afterwards. Calls are
    /// made again by the rule of all calls, as long as nothing of the body was read and no message has come.
    pub async fn forward(&self, call: Forward, mut sending: Sending) -> Result<Answer> {
        let mut retries = self.remote.as_ref().and_then(|remote| Retries::new(remote, call.path.path()));
        let mut lent = sending.lend();
        while let Some(body) = lent {
            let tried = retries.as_ref().map(|retries| retries.tried.clone());
            let mut outcome = self.send(&call, body, tried).await;
            if let (Ok(answer), Sending::Whole(_)) = (&mut outcome, &sending)
                && let Err(status) = answer.begin().await
            {
                outcome = Err(status);
            }
            lent = sending.lend().filter(|_| {
                let failure = outcome.as_ref().map_or_else(|status| Some(status.clone()), Answer::failure);
                failure.zip(retries.as_mut()).is_some_and(|(status, retries)| retries.allow(&status))
            });
            if lent.is_none() {
                let answer = outcome.map_err(|status| to_error(&status, None))?;
                check(answer.status, &answer.headers)?;
                return Ok(answer);
            }
        }
        Err(Error::internal("a call was given no body"))
    }

    async fn send(
        &self,
        call: &Forward,
        body: tonic::body::Body,
        tried: Option<Tried>,
    ) -> Result<Answer, Status> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from(call.path.clone());
        let headers = request.headers_mut();
        *headers = call.headers.clone();
        telemetry::inject(headers);
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if let Some(deadline) = call.deadline {
            headers.insert("grpc-timeout", deadline::remaining(deadline));
        }
        if let Some(tried) = tried {
            request.extensions_mut().insert(tried);
        }
        let (head, body) = self.service.clone().oneshot(request).await?.into_parts();
        Ok(Answer { headers: head.headers, status: head.status, first: None, body })
    }
}

impl Answer {
    /// The next frame of the body: data or trailers. Cancel-safe.
    pub async fn frame(&mut self) -> Result<Option<Frame<Bytes>>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        self.body.frame().await.transpose().map_err(|status| to_error(&status, None))
    }

    /// Waits for what follows the head.
    async fn begin(&mut self) -> Result<(), Status> {
        if !self.headers.contains_key("grpc-status") && is_grpc(self.status, &self.headers) {
            self.first = self.body.frame().await.transpose()?;
        }
        Ok(())
    }

    /// The failure that it is, as far as it is known.
    fn failure(&self) -> Option<Status> {
        if !is_grpc(self.status, &self.headers) {
            return Some(Status::new(tonic::Code::from(code_of(self.status) as i32), ""));
        }
        let trailers = self.first.as_ref().and_then(Frame::trailers_ref);
        Status::from_header_map(trailers.unwrap_or(&self.headers))
    }
}

fn is_grpc(status: StatusCode, headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    headers.contains_key("grpc-status")
        || status == StatusCode::OK && content_type.is_some_and(|media| media.starts_with("application/grpc"))
}

fn check(status: StatusCode, headers: &HeaderMap) -> Result<()> {
    if is_grpc(status, headers) {
        return Ok(());
    }
    let message = format!("The backend answered with HTTP status {} instead of gRPC.", status.as_u16());
    Err(Error::new(code_of(status), "UPSTREAM_NOT_GRPC", message))
}

/// What a proxy on the way says has a code too (gRPC, "HTTP to gRPC Status Code Mapping").
fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}
