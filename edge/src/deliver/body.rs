//! The ordinary writer: a body that pulls from a reader and makes of it what its face writes. `chunked` polls it, or hyper.
//!
//! What a reader has at hand is one write; what a connection does not take costs nothing but its position.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::time::Instant;

use crate::drain::Drain;
use crate::ending::Ending;
use crate::error::{Code, Error, Result};
use crate::error_style::ErrorStyle;
use crate::hub::{Entry, Rare, Reader};
use crate::identity::{Over, Standing};
use crate::reasons::CloseReason;
use crate::upstream::late;

use super::chunk::Chunk;
use super::clock::{Clock, Due};
use super::framing::Framing;
use super::jitter::jittered;

/// What is ready is joined up to this many bytes. No more, because it is what a connection that takes nothing holds; hyper
/// writes several of them at once.
const COALESCED: usize = 4 * 1024;

/// The clocks of one stream, and how it tells of its failure.
#[derive(Debug, Clone)]
pub struct Pace {
    pub heartbeat: Duration,
    pub max_age: Option<Duration>,
    /// Whether the caller's token is still good.
    pub standing: Standing,
    /// When the caller's own time limit is over.
    pub deadline: Option<Instant>,
    pub retry: Duration,
    pub drain: Drain,
    pub errors: ErrorStyle,
    /// For the access log.
    pub ending: Ending,
}

/// The body is broken off on purpose: what was sent is not the whole.
#[derive(Debug, thiserror::Error)]
#[error("the stream failed and was broken off")]
pub struct BrokenOff;

/// Makes a body of a subscriber's stream; dropping it cancels the stream.
pub fn body(reader: Reader, framing: Box<dyn Framing>, pace: Pace) -> Body {
    Body::new(Writer {
        phase: Phase::Opening,
        clock: Clock::new(pace.heartbeat, pace.max_age.map(jittered), pace.deadline),
        rare: Rare::default(),
        over: Box::pin(over(pace.drain.clone(), pace.standing.clone())),
        reader,
        framing,
        pace,
    })
}

struct Writer {
    phase: Phase,
    reader: Reader,
    framing: Box<dyn Framing>,
    pace: Pace,
    /// Of the two that follow.
    rare: Rare,
    clock: Clock,
    over: Pin<Box<dyn Future<Output = CloseReason> + Send>>,
}

#[derive(Clone, Copy)]
enum Phase {
    Opening,
    Live,
    Ended,
    /// What was written is to reach the socket before the body fails.
    Breaking,
    Broken,
}

impl http_body::Body for Writer {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let writer = self.get_mut();
        let mut chunk = Chunk::new();
        while chunk.is_empty() {
            match writer.phase {
                Phase::Opening => writer.open(&mut chunk),
                Phase::Live => ready!(writer.poll_live(cx, &mut chunk)),
                Phase::Ended => return Poll::Ready(None),
                Phase::Breaking => {
                    // hyper drops what it has not flushed when a body fails: let it write first.
                    writer.phase = Phase::Broken;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Phase::Broken => return Poll::Ready(Some(Err(BrokenOff))),
            }
        }
        writer.clock.wrote();
        Poll::Ready(Some(Ok(Frame::data(chunk.into_bytes()))))
    }
}

impl Writer {
    fn open(&mut self, out: &mut Chunk) {
        self.phase = Phase::Live;
        let token = self.reader.token();
        self.framing.open(self.reader.openings(), token.as_deref(), self.pace.heartbeat, out);
    }

    fn poll_live(&mut self, cx: &mut Context<'_>, out: &mut Chunk) -> Poll<()> {
        let mut due = Poll::Pending;
        if let Some(waker) = self.rare.due(cx) {
            let cx = &mut Context::from_waker(&waker);
            if let Poll::Ready(reason) = self.poll_over(cx) {
                self.close(reason, self.pace.retry, out);
                return Poll::Ready(());
            }
            due = self.clock.poll(cx);
            if due.is_ready() {
                self.rare.again();
            }
        }
        match due {
            Poll::Ready(Due::MaxAge) => self.close(CloseReason::MaxAge, self.pace.retry, out),
            Poll::Ready(Due::Leave) => self.close(CloseReason::Drain, self.pace.drain.retry(), out),
            Poll::Ready(Due::Deadline) => self.fail(&late(), out),
            Poll::Ready(Due::Heartbeat) | Poll::Pending => {
                self.poll_items(cx, out);
                if out.is_empty() && due.is_ready() {
                    self.framing.heartbeat(out);
                    self.clock.wrote();
                } else if out.is_empty() && matches!(self.phase, Phase::Live) {
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    }

    /// Whether the stream may not go on.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        while let Poll::Ready(reason) = self.over.as_mut().poll(cx) {
            if reason != CloseReason::Drain {
                return Poll::Ready(reason);
            }
            // Until its turn comes it goes on, and so does its token.
            self.clock.leave(self.pace.drain.turn());
            self.over = Box::pin(expired(self.pace.standing.clone()));
        }
        Poll::Pending
    }

    /// Writes all that is ready, up to a limit.
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Chunk) {
        while out.len() < COALESCED && matches!(self.phase, Phase::Live) {
            match self.reader.poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(item) => self.write(item, out),
            }
        }
    }

    fn write(&mut self, item: Result<Option<Arc<Entry>>>, out: &mut Chunk) {
        match item {
            Ok(Some(entry)) => self.framing.item(&entry.item, &self.reader, out),
            Ok(None) => {
                let token = self.reader.token();
                self.framing.end(token.as_deref(), out);
                self.pace.ending.tell("OK");
                self.phase = Phase::Ended;
            }
            Err(error) => self.fail(&error, out),
        }
    }

    fn fail(&mut self, error: &Error, out: &mut Chunk) {
        tracing::info!(%error, "a stream failed");
        if let Some(reason) = close_reason(error).filter(|_| self.reader.token().is_some()) {
            // Something else failed than the stream: the browser continues where it is.
            return self.close(reason, self.pace.retry, out);
        }
        self.pace.ending.tell(error.code().name());
        self.phase = if self.framing.breaks_on_failure() { Phase::Breaking } else { Phase::Ended };
        self.framing.fail(&self.pace.errors.json(error), out);
    }

    fn close(&mut self, reason: CloseReason, retry: Duration, out: &mut Chunk) {
        self.pace.ending.tell(reason.name());
        let before = out.len();
        let token = self.reader.token();
        self.framing.close(reason, token.as_deref(), retry, out);
        // A face that cannot say why it stops must not look complete.
        self.phase = if out.len() == before { Phase::Breaking } else { Phase::Ended };
    }
}

/// Why it is worth coming back; `None` when it is not.
fn close_reason(error: &Error) -> Option<CloseReason> {
    match (error.code(), error.reason_text()) {
        (Code::Unavailable, _) | (Code::Internal, "STREAM_BROKEN") => Some(CloseReason::UpstreamUnavailable),
        (Code::PermissionDenied, "ACCESS_LOST") => Some(CloseReason::AccessLost),
        (Code::ResourceExhausted, "SLOW_CONSUMER") => Some(CloseReason::SlowConsumer),
        // The backend may notice first.
        _ => Over::of(error).map(Over::reason),
    }
}

/// Completes when the edge begins to shut down, or the caller's token is over.
async fn over(drain: Drain, standing: Standing) -> CloseReason {
    tokio::select! {
        biased;
        () = drain.begun().cancelled() => CloseReason::Drain,
        reason = expired(standing) => reason,
    }
}

async fn expired(standing: Standing) -> CloseReason {
    standing.over().await.reason()
}
