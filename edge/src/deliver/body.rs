//! The ordinary writer: a hyper body that pulls from a reader and writes what its face makes of it.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::try_unfold;
use opentelemetry::Context;
use opentelemetry::context::FutureExt as _;
use rand::Rng;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error};
use crate::error_style::ErrorStyle;
use crate::hub::{Item, Reader};
use crate::identity::{Over, Standing};
use crate::reasons::CloseReason;

use super::framing::Framing;

/// What is ready is written together up to this many bytes.
const COALESCED: usize = 16 * 1024;

/// The clocks of one stream, and how it tells of its failure.
#[derive(Debug, Clone)]
pub struct Pace {
    pub heartbeat: Duration,
    pub max_age: Option<Duration>,
    /// Whether the caller's token is still good.
    pub standing: Standing,
    pub retry: Duration,
    pub drain: CancellationToken,
    /// Browsers come back spread over this time after a drain.
    pub drain_window: Duration,
    pub errors: ErrorStyle,
}

/// The body is broken off on purpose: what was sent is not the whole.
#[derive(Debug, thiserror::Error)]
#[error("the stream failed and was broken off")]
pub struct BrokenOff;

/// Makes a body of a subscriber's stream; dropping it cancels the stream.
pub fn body(reader: Reader, framing: Box<dyn Framing>, pace: Pace) -> Body {
    let now = Instant::now();
    let writer = Writer {
        phase: Phase::Opening,
        next_heartbeat: now + jittered(pace.heartbeat),
        ends_at: pace.max_age.map(|age| now + jittered(age)),
        reader,
        framing,
        pace,
    };
    let context = Context::current();
    Body::from_stream(try_unfold(writer, move |writer| writer.step().with_context(context.clone())))
}

/// Spreads what would else happen to all connections at once: 80-100 % of `duration`.
pub fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.8..=1.0))
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

struct Writer {
    phase: Phase,
    reader: Reader,
    framing: Box<dyn Framing>,
    pace: Pace,
    next_heartbeat: Instant,
    ends_at: Option<Instant>,
}

#[derive(Clone, Copy)]
enum Phase {
    Opening,
    Live,
    Ended,
    Broken,
}

impl Writer {
    /// The next chunk of the body; empty chunks are never written.
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, BrokenOff> {
        loop {
            let chunk = match self.phase {
                Phase::Opening => {
                    self.phase = Phase::Live;
                    let token = self.reader.token();
                    self.framing.open(self.reader.openings(), token.as_deref(), self.pace.heartbeat)
                }
                Phase::Live => self.live().await,
                Phase::Ended => return Ok(None),
                Phase::Broken => {
                    // hyper drops what it has not flushed when a body fails: let it write first.
                    tokio::task::yield_now().await;
                    return Err(BrokenOff);
                }
            };
            if !chunk.is_empty() {
                self.next_heartbeat = Instant::now() + jittered(self.pace.heartbeat);
                return Ok(Some((chunk.into(), self)));
            }
        }
    }

    async fn live(&mut self) -> Vec<u8> {
        let old = sleep_until_some(self.ends_at);
        tokio::select! {
            biased;
            () = self.pace.drain.cancelled() => {
                let slot = self.pace.drain_window.mul_f64(rand::rng().random_range(0.0..=1.0));
                self.close(CloseReason::Drain, slot)
            }
            () = old => self.close(CloseReason::MaxAge, self.pace.retry),
            over = self.pace.standing.over() => self.close(over.reason(), self.pace.retry),
            item = self.reader.next() => self.items(item),
            () = sleep_until(self.next_heartbeat) => {
                let chunk = self.framing.heartbeat();
                self.next_heartbeat = Instant::now() + jittered(self.pace.heartbeat);
                chunk
            }
        }
    }

    /// Writes an item, and with it what else is ready.
    fn items(&mut self, first: Result<Option<Item>, Error>) -> Vec<u8> {
        let mut chunk = Vec::new();
        let mut next = Some(first);
        while let Some(item) = next.take() {
            match item {
                Ok(Some(item)) => {
                    let token = self.reader.token();
                    chunk.extend(self.framing.item(&item, token.as_deref()));
                    if chunk.len() < COALESCED {
                        next = self.reader.next().now_or_never();
                    }
                }
                Ok(None) => {
                    let token = self.reader.token();
                    chunk.extend(self.framing.end(token.as_deref()));
                    self.phase = Phase::Ended;
                }
                Err(error) => chunk.extend(self.fail(&error)),
            }
        }
        chunk
    }

    fn fail(&mut self, error: &Error) -> Vec<u8> {
        tracing::info!(%error, "a stream failed");
        if let Some(over) = Over::of(error) {
            // The backend may notice first.
            return self.close(over.reason(), self.pace.retry);
        }
        if error.code() == Code::Unavailable && self.reader.token().is_some() {
            // The backend went away, not the stream: the browser continues where it is.
            return self.close(CloseReason::UpstreamUnavailable, self.pace.retry);
        }
        self.phase = if self.framing.breaks_on_failure() { Phase::Broken } else { Phase::Ended };
        self.framing.fail(&self.pace.errors.json(error))
    }

    fn close(&mut self, reason: CloseReason, retry: Duration) -> Vec<u8> {
        let token = self.reader.token();
        let chunk = self.framing.close(reason, token.as_deref(), retry);
        // A face that cannot say why it stops must not look complete.
        self.phase = if chunk.is_empty() { Phase::Broken } else { Phase::Ended };
        chunk
    }
}
