//! Calls with encoded messages.

use std::future::ready;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::time::{Instant, timeout_at};
use tokio_stream::Stream;
use tonic::Status;
use tonic::body::Body;

use crate::error::{Code, Error, Result};
use crate::schema::Plan;
use crate::telemetry;

use super::backend::Tried;
use super::body::Outgoing;
use super::connect::Upstream;
use super::deadline;
use super::envelope::envelope;
use super::read::Reading;
use super::retry::Retries;
use super::status::to_error;

/// The most headers that are added to the metadata of a call.
const ADDED: usize = 8;
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

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

impl Call {
    /// Copies what it shares with the request, whose buffer would otherwise last as long as a stream does.
    #[must_use]
    pub fn apart(mut self) -> Self {
        for value in self.metadata.values_mut() {
            let mut copy = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
        self
    }
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
    reading: Reading,
    call: Call,
}

impl Upstream {
    pub async fn unary(&self, call: Call, message: Bytes) -> Result<Reply> {
        let call = self.limited(call);
        let answer = pin!(self.repeated(&call, envelope(0, &message), Reading::only));
        call.reply(call.within(answer).await?)
    }

    pub async fn server_streaming(&self, call: Call, message: Bytes) -> Result<Messages> {
        let begun = |reading| ready(Ok(reading));
        let reading = {
            let begun = pin!(self.repeated(&call, envelope(0, &message), begun));
            call.within(begun).await?
        };
        Ok(Messages { reading, call })
    }

    /// A call that sends a stream of messages and gets one answer.
    pub async fn client_streaming<S>(&self, call: Call, messages: S) -> Result<Reply>
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
        let answer = async { self.begin(&call, streamed(messages), None).await?.only().await };
        let answer = pin!(async { answer.await.map_err(|status| call.error(&status)) });
        call.reply(call.within(answer).await?)
    }

    /// A call that streams both ways; completes with the head of the answer.
    pub async fn bidi_streaming<S>(&self, call: Call, messages: S) -> Result<Messages>
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
        let reading = {
            let begun = self.begin(&call, streamed(messages), None);
            let begun = pin!(async { begun.await.map_err(|status| call.error(&status)) });
            call.within(begun).await?
        };
        Ok(Messages { reading, call })
    }

    /// A bidirectional call that sends one message and takes the first answer.
    pub async fn exchange(&self, call: Call, message: Bytes) -> Result<Option<Bytes>> {
        let sent = Outgoing::Whole(envelope(0, &message));
        let answer = async { self.begin(&call, sent, None).await?.message().await };
        let answer = pin!(async { answer.await.map_err(|status| call.error(&status)) });
        call.within(answer).await
    }

    /// Makes a call, and makes it again where that is safe; no message of an answer has gone on by then.
    async fn repeated<T, F>(&self, call: &Call, sent: Bytes, finish: impl Fn(Reading) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut retries = self.remote().and_then(|remote| Retries::new(remote, call.path.path()));
        loop {
            let tried = retries.as_mut().map(|retries| &mut retries.tried);
            let outcome = match self.begin(call, Outgoing::Whole(sent.clone()), tried).await {
                Ok(reading) => finish(reading).await,
                Err(status) => Err(status),
            };
            match outcome {
                Err(status) if retries.as_mut().is_some_and(|retries| retries.allow(&status)) => {}
                outcome => return outcome.map_err(|status| call.error(&status)),
            }
        }
    }

    async fn begin(&self, call: &Call, body: Outgoing, tried: Option<&mut Tried>) -> Result<Reading, Status> {
        Reading::new(self.send(call.request(body), tried).await?)
    }

    /// How long this method may take where that is set for its backend.
    pub fn limit(&self, path: &str) -> Option<Duration> {
        self.remote()?.find(path)?.timeout
    }

    fn limited(&self, mut call: Call) -> Call {
        if let Some(limit) = self.limit(call.path.path()) {
            let latest = Instant::now() + limit;
            call.deadline = Some(call.deadline.map_or(latest, |deadline| deadline.min(latest)));
        }
        call
    }
}

impl Messages {
    /// The next message; `None` is a clean end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let Self { reading, call } = self;
        let message = pin!(async { reading.message().await.map_err(|status| call.error(&status)) });
        call.within(message).await
    }
}

impl Call {
    fn request(&self, body: Outgoing) -> Request<Outgoing> {
        let mut request = post(self.path.clone(), &self.metadata, self.deadline, body);
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        request
    }

    /// `work` is pinned, for it is large and would be moved from future to future.
    async fn within<T>(&self, work: Pin<&mut impl Future<Output = Result<T>>>) -> Result<T> {
        match self.deadline {
            None => work.await,
            // A stream that always has the next message ready would never meet its time limit otherwise.
            Some(deadline) if Instant::now() >= deadline => Err(late()),
            Some(deadline) => timeout_at(deadline, work).await.unwrap_or_else(|_| Err(late())),
        }
    }

    fn reply(&self, (message, metadata): (Bytes, HeaderMap)) -> Result<Reply> {
        if message.len() > self.max_message {
            let text = format!("The backend's answer is larger than {} bytes.", self.max_message);
            let error = Error::new(Code::ResourceExhausted, "UPSTREAM_MESSAGE_TOO_LARGE", text);
            return Err(error.status(http::StatusCode::BAD_GATEWAY));
        }
        Ok(Reply { message, metadata })
    }

    fn error(&self, status: &Status) -> Error {
        to_error(status, self.plan.as_deref())
    }
}

/// Messages in the frames of gRPC, as they come.
fn streamed(messages: impl Stream<Item = Bytes> + Send + 'static) -> Outgoing {
    let frames = messages.map(|message| Ok::<_, Status>(Frame::data(envelope(0, &message))));
    Outgoing::Stream(Body::new(StreamBody::new(frames)))
}

/// What every call goes out as; the trace context is added.
pub(super) fn post(
    path: PathAndQuery,
    metadata: &HeaderMap,
    deadline: Option<Instant>,
    body: Outgoing,
) -> Request<Outgoing> {
    // Made once with room for all of it, rather than grown.
    let mut headers = HeaderMap::with_capacity(metadata.len() + ADDED);
    headers.extend(metadata.iter().map(|(name, value)| (name.clone(), value.clone())));
    telemetry::inject(&mut headers);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    }
    if let Some(deadline) = deadline {
        headers.insert(TIMEOUT, deadline::remaining(deadline));
    }
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = headers;
    request
}

/// A call that its time limit ended.
pub fn late() -> Error {
    Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "The call took longer than its time limit.")
}
