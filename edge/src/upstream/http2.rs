//! One call on a connection of HTTP/2: its head and body go out, its answer comes back as it is read.
//!
//! The connection's own task reads and writes the socket; a call needs no task, channel or box of its own beside it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use tokio::task::JoinHandle;

use super::body::Outgoing;
use super::failure::Unsent;
use super::pulse::{Held, Pulse};

/// Begins calls on a connection.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) requests: SendRequest<Bytes>,
    pub(super) pulse: Arc<Pulse>,
}

impl Sender {
    /// Waits until the other side takes one more call.
    pub(super) async fn ready(self) -> Result<Self, h2::Error> {
        let _unanswered = self.pulse.hold_unanswered();
        Ok(Self { requests: self.requests.ready().await?, pulse: self.pulse })
    }
}

/// The body of an answer; dropping it cancels the call.
#[derive(Debug)]
pub(super) struct Received {
    stream: RecvStream,
    upload: Option<Upload>,
    _open: Held,
}

/// Sends a body that streams for as long as this is held.
#[derive(Debug)]
struct Upload(JoinHandle<()>);

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Completes with the head of the answer; a body that streams goes on being sent.
pub(super) async fn call(
    sender: Sender,
    head: Request<()>,
    body: Outgoing,
) -> Result<Response<Received>, Box<dyn std::error::Error + Send + Sync>> {
    let Sender { mut requests, pulse } = sender;
    let (open, unanswered) = (pulse.hold_open(), pulse.hold_unanswered());
    let (answer, mut stream) = requests.send_request(head, false).map_err(Unsent)?;
    let upload = match body {
        Outgoing::Whole(bytes) => {
            // Fails where the backend has answered already without it: the answer tells what became of the call.
            let _ = stream.send_data(bytes, true);
            None
        }
        Outgoing::Stream(body) => Some(Upload(tokio::spawn(send(body, stream)))),
    };
    let answer = answer.await?;
    drop(unanswered);
    Ok(answer.map(|stream| Received { stream, upload, _open: open }))
}

/// Sends a body to its end; one that fails resets the call, for ended it would look whole.
async fn send(mut body: tonic::body::Body, mut stream: SendStream<Bytes>) {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = poll_fn(|context| stream.poll_reset(context)) => return,
        };
        let outcome = match frame.map(|frame| frame.map(Frame::into_data)) {
            None => return drop(stream.send_data(Bytes::new(), true)),
            Some(Ok(Ok(data))) => send_chunk(&mut stream, data, body.is_end_stream()).await,
            Some(Ok(Err(_))) => continue,
            Some(Err(_)) => return stream.send_reset(Reason::CANCEL),
        };
        if !outcome.is_ok_and(|()| !body.is_end_stream()) {
            return;
        }
    }
}

/// Waits for room before a chunk is handed over, so that no more than one lies in the connection.
async fn send_chunk(stream: &mut SendStream<Bytes>, data: Bytes, is_last: bool) -> Result<(), h2::Error> {
    // Asks for little: what a call that waits has reserved is missing to the others.
    stream.reserve_capacity(usize::from(!data.is_empty()));
    while stream.capacity() == 0 && !data.is_empty() {
        match poll_fn(|context| stream.poll_capacity(context)).await {
            Some(room) => room?,
            None => return Err(Reason::STREAM_CLOSED.into()),
        };
    }
    stream.send_data(data, is_last)
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let stream = &mut self.stream;
        let frame = match ready!(stream.poll_data(context)) {
            Some(Ok(data)) => {
                // It has been read: the backend may send as much again. Fails only for streams that are over.
                let _ = stream.flow_control().release_capacity(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Some(Err(error)) => Some(Err(error)),
            None => ready!(stream.poll_trailers(context))
                .map(|trailers| trailers.map(Frame::trailers))
                .transpose(),
        };
        self.upload = None;
        // An end without a failure, though not one that says how the call ended.
        let is_end = |error: &h2::Error| matches!(error.reason(), Some(Reason::NO_ERROR | Reason::CANCEL));
        Poll::Ready(frame.filter(|frame| !frame.as_ref().is_err_and(is_end)))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}
