//! A subscriber: merges the streams that it reads and knows the cursor token of the whole.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::cursor;
use crate::error::Result;

use super::feed::Feed;
use super::item::Entry;
use super::outcome::Opening;
use super::part::Part;

/// One subscriber; dropping it leaves its streams.
#[derive(Debug)]
pub struct Reader {
    openings: Vec<Opening>,
    parts: Vec<Part>,
    /// The part that is asked first: each gets its turn, so that a long replay of one holds up no other.
    turn: usize,
}

impl Reader {
    /// `openings` are those of the parts that had not ended.
    pub fn new(openings: Vec<Opening>, parts: Vec<Part>) -> Self {
        Self { openings, parts, turn: 0 }
    }

    /// How its streams began.
    pub fn openings(&self) -> &[Opening] {
        &self.openings
    }

    /// Whether it reads a single stream: then the token of an item is the token of the whole.
    pub fn is_single(&self) -> bool {
        self.parts.len() == 1
    }

    /// The feed that it reads, where that is a single one.
    pub fn feed(&self) -> Option<&Arc<Feed>> {
        if self.is_single() { self.parts.first()?.feed() } else { None }
    }

    /// Whether what it read last came from the ring of that feed, and so is there for all.
    pub fn is_in_ring(&self) -> bool {
        self.is_single() && self.parts.first().is_some_and(Part::is_in_ring)
    }

    /// What names the stream of the item that came last.
    pub fn moved(&self) -> &str {
        self.parts.get(self.turn.saturating_sub(1)).map_or("", Part::key)
    }

    /// The cursor token of where it stands; `None` until every stream has a position.
    pub fn token(&self) -> Option<String> {
        let tokens: Vec<String> = self.parts.iter().map(Part::token).collect::<Option<_>>()?;
        Some(cursor::join(tokens.iter().map(String::as_str)))
    }

    /// The next item; `None` when every stream has ended well.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Arc<Entry>>>> {
        let count = self.parts.len();
        let mut ended = 0;
        for step in 0..count {
            let index = (self.turn + step) % count;
            match self.parts[index].poll_next(cx)? {
                Poll::Ready(Some(entry)) => {
                    self.turn = index + 1;
                    return Poll::Ready(Ok(Some(entry)));
                }
                Poll::Ready(None) => ended += 1,
                Poll::Pending => {}
            }
        }
        if ended == count { Poll::Ready(Ok(None)) } else { Poll::Pending }
    }

    /// The same, to be awaited. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Arc<Entry>>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}
