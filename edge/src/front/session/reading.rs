//! A server stream that a session reads.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::error::Result;
use crate::hub::{Entry, Opening, Outcome, Reader};
use crate::layer::StreamPlace;
use crate::schema::Method;
use crate::session::{OpenOutcome, Opened};

use super::super::lobby::Channel;

/// A server stream with its place among the others.
#[derive(Debug)]
pub struct Reading {
    pub reader: Reader,
    pub method: Arc<Method>,
    /// Where its bytes are shared; `None` where they are its own.
    pub channel: Option<Arc<Channel>>,
    /// The rule's longest life of a stream.
    pub max_age: Option<Instant>,
    pub place: StreamPlace,
    /// Held as long as the channel stands for this call.
    pub claim: Option<Arc<()>>,
}

impl Reading {
    /// The next item; `None` when the stream has ended well.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Arc<Entry>>>> {
        self.reader.poll_next(cx)
    }

    /// What the client is told first.
    pub fn opened(&self, call: u32) -> Opened {
        let (outcome, reason) = summary(self.reader.openings());
        Opened {
            call,
            channel: self.channel.as_ref().map_or(0, |channel| channel.number),
            outcome,
            reason: reason.to_owned(),
            cursor: self.reader.token().unwrap_or_default(),
        }
    }

    /// Whether events are missing.
    pub fn has_gap(&self) -> bool {
        summary(self.reader.openings()).0 == OpenOutcome::Gap
    }
}

/// Of several streams in one call, the worst counts.
fn summary(openings: &[Opening]) -> (OpenOutcome, &'static str) {
    let gap = openings.iter().find_map(|opening| opening.outcome.reason());
    let is_resumed = openings.iter().any(|opening| opening.outcome == Outcome::Resumed);
    match gap {
        Some(reason) => (OpenOutcome::Gap, reason),
        None if is_resumed => (OpenOutcome::Resumed, ""),
        None => (OpenOutcome::Fresh, ""),
    }
}
