//! Calls whose bodies are gRPC frames already: nothing of them is looked into.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tonic::Status;

use crate::error::{Error, Result};

use super::backend::Tried;
use super::body::Outgoing;
use super::call::post;
use super::connect::Upstream;
use super::incoming::Incoming;
use super::read::is_grpc;
use super::retry::Retries;
use super::sending::Sending;
use super::status::{code_of, not_grpc, to_error};

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
    body: Incoming,
}

impl Upstream {
    /// Completes with the head of the answer; a body that streams goes on being sent meanwhile and afterwards. Calls are
    /// made again by the rule of all calls, as long as nothing of the body was read and no message has come.
    pub async fn forward(&self, call: Forward, mut sending: Sending) -> Result<Answer> {
        let mut retries = self.remote().and_then(|remote| Retries::new(remote, call.path.path()));
        let mut lent = sending.lend();
        while let Some(body) = lent {
            let tried = retries.as_mut().map(|retries| &mut retries.tried);
            let mut outcome = self.attempt(&call, body, tried).await;
            if let (Ok(answer), Sending::Whole(_)) = (&mut outcome, &sending)
                && let Err(status) = answer.begin().await
            {
                outcome = Err(status);
            }
            let failure = outcome.as_ref().map_or_else(|status| Some(status.clone()), Answer::failure);
            let failed = failure.filter(|_| sending.is_unread()).zip(retries.as_mut());
            // Only then: who answers before it reads goes on to read.
            lent = match failed.is_some_and(|(status, retries)| retries.allow(&status)) {
                true => sending.lend(),
                false => None,
            };
            if lent.is_none() {
                let answer = outcome.map_err(|status| to_error(&status, None))?;
                let is_grpc = is_grpc(answer.status, &answer.headers);
                return if is_grpc { Ok(answer) } else { Err(not_grpc(answer.status)) };
            }
        }
        Err(Error::internal("a call was given no body"))
    }

    async fn attempt(
        &self,
        call: &Forward,
        body: Outgoing,
        tried: Option<&mut Tried>,
    ) -> Result<Answer, Status> {
        let request = post(call.path.clone(), &call.headers, call.deadline, body);
        let (head, body) = self.send(request, tried).await?.into_parts();
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
