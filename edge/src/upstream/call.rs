//! Calls with encoded messages.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::uri::PathAndQuery;
use tokio::time::{Instant, timeout_at};
use tokio_stream::Stream;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status, Streaming};

use crate::error::{Code, Error, Result};
use crate::schema::Plan;
use crate::telemetry;

use super::codec::BytesCodec;
use super::connect::{Transport, Upstream};
use super::retry::Retries;
use super::status::to_error;

/// No message above it is read at all. Below it, one that is too large for the browser still tells its cursor.
const HARD_LIMIT: usize = 64 * 1024 * 1024;

/// One call to the backend.
#[derive(Debug, Clone)]
pub struct Call {
    pub path: PathAndQuery,
    /// What passes the allow-list; the trace context is added.
    pub metadata: HeaderMap,
    pub deadline: Option<Instant>,
    /// The types of error details.
    pub plan: Option<Arc<Plan>>,
    /// Largest message that goes on to the browser, in bytes.
    pub max_message: usize,
}

/// The answer of a unary call.
#[derive(Debug)]
pub struct Reply {
    pub message: Bytes,
    pub metadata: HeaderMap,
}

/// The messages of a streaming call; dropping it cancels the call.
#[derive(Debug)]
pub struct Messages {
    streaming: Streaming<Bytes>,
    call: Call,
}

impl Upstream {
    pub async fn unary(&self, call: Call, message: Bytes) -> Result<Reply> {
        let call = self.limited(call);
        let answer = call.within(self.repeated(&call, |mut grpc, request| {
            let (request, path) = (request.map(|()| message.clone()), call.path.clone());
            async move { grpc.unary(request, path, BytesCodec).await }
        }));
        call.reply(answer.await?)
    }

    pub async fn server_streaming(&self, call: Call, message: Bytes) -> Result<Messages> {
        let answer = call.within(self.repeated(&call, |mut grpc, request| {
            let (request, path) = (request.map(|()| message.clone()), call.path.clone());
            async move { grpc.server_streaming(request, path, BytesCodec).await }
        }));
        let streaming = answer.await?.into_inner();
        Ok(Messages { streaming, call })
    }

    /// A call that sends a stream of messages and gets one answer.
    pub async fn client_streaming<S>(&self, call: Call, messages: S) -> Result<Reply>
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
        let request = call.request(()).map(|()| messages);
        let answer = call.within(async {
            let mut grpc = self.grpc().await.map_err(|status| call.error(&status))?;
            let answer = grpc.client_streaming(request, call.path.clone(), BytesCodec).await;
            answer.map_err(|status| call.error(&status))
        });
        call.reply(answer.await?)
    }

    /// A call that streams both ways; completes with the head of the answer.
    pub async fn bidi_streaming<S>(&self, call: Call, messages: S) -> Result<Messages>
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
        let request = call.request(()).map(|()| messages);
        let answer = call.within(async {
            let mut grpc = self.grpc().await.map_err(|status| call.error(&status))?;
            let answer = grpc.streaming(request, call.path.clone(), BytesCodec).await;
            answer.map_err(|status| call.error(&status))
        });
        let streaming = answer.await?.into_inner();
        Ok(Messages { streaming, call })
    }

    /// A bidirectional call that sends one message and takes the first answer.
    pub async fn exchange(&self, call: Call, message: Bytes) -> Result<Option<Bytes>> {
        let request = call.request(()).map(|()| tokio_stream::once(message));
        let answer = call.within(async {
            let mut grpc = self.grpc().await.map_err(|status| call.error(&status))?;
            let answer = grpc.streaming(request, call.path.clone(), BytesCodec).await;
            let mut messages = answer.map_err(|status| call.error(&status))?.into_inner();
            messages.message().await.map_err(|status| call.error(&status))
        });
        answer.await
    }

    /// Makes a call, and makes it again where that is safe; no message of an answer has come by then.
    async fn repeated<T, F>(&self, call: &Call, once: impl Fn(Grpc<Transport>, Request<()>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut retries = self.remote.as_ref().and_then(|remote| Retries::new(remote, call.path.path()));
        loop {
            let mut request = call.request(());
            if let Some(retries) = &retries {
                request.extensions_mut().insert(retries.tried.clone());
            }
            let outcome = match self.grpc().await {
                Ok(grpc) => once(grpc, request).await,
                Err(status) => Err(status),
            };
            match outcome {
                Err(status) if retries.as_mut().is_some_and(|retries| retries.allow(&status)) => {}
                outcome => return outcome.map_err(|status| call.error(&status)),
            }
        }
    }

    /// How long this method may take where that is set for its backend.
    pub fn limit(&self, path: &str) -> Option<Duration> {
        self.remote.as_ref()?.find(path)?.timeout
    }

    fn limited(&self, mut call: Call) -> Call {
        if let Some(limit) = self.limit(call.path.path()) {
            let latest = Instant::now() + limit;
            call.deadline = Some(call.deadline.map_or(latest, |deadline| deadline.min(latest)));
        }
        call
    }

    async fn grpc(&self) -> Result<Grpc<Transport>, Status> {
        let mut grpc = Grpc::new(self.service.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(HARD_LIMIT);
        grpc.ready().await?;
        Ok(grpc)
    }
}

impl Messages {
    /// The next message; `None` is a clean end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let Self { streaming, call } = self;
        call.within(async { streaming.message().await.map_err(|status| call.error(&status)) }).await
    }
}

impl Call {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut headers = self.metadata.clone();
        telemetry::inject(&mut headers);
        let mut request =
            Request::from_parts(MetadataMap::from_headers(headers), Extensions::default(), message);
        if let Some(deadline) = self.deadline {
            request.set_timeout(
                deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)),
            );
        }
        request
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.deadline {
            None => work.await,
            // A stream that always has the next message ready would never meet its time limit otherwise.
            Some(deadline) if Instant::now() >= deadline => Err(late()),
            Some(deadline) => timeout_at(deadline, work).await.unwrap_or_else(|_| Err(late())),
        }
    }

    fn reply(&self, answer: tonic::Response<Bytes>) -> Result<Reply> {
        let (metadata, message, _) = answer.into_parts();
        if message.len() > self.max_message {
            let text = format!("The backend's answer is larger than {} bytes.", self.max_message);
            let error = Error::new(Code::ResourceExhausted, "UPSTREAM_MESSAGE_TOO_LARGE", text);
            return Err(error.status(http::StatusCode::BAD_GATEWAY));
        }
        Ok(Reply { message, metadata: metadata.into_headers() })
    }

    fn error(&self, status: &Status) -> Error {
        to_error(status, self.plan.as_deref())
    }
}

/// A call that its time limit ended.
pub fn late() -> Error {
    Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "The call took longer than its time limit.")
}
