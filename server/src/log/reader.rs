//! Reads of the log by cursor.

use std::sync::Arc;

use super::cursor;
use crate::error::Result;
use crate::model::{Seq, TopicId};
use crate::store::{Bell, LogReads, Slice, SliceLimit};

/// A cheap handle to the reading side of the log.
#[derive(Debug, Clone)]
pub struct Log {
    reads: Arc<dyn LogReads>,
}

impl Log {
    /// Reads the log of a store.
    pub fn new(reads: Arc<dyn LogReads>) -> Self {
        Self { reads }
    }

    /// The cursor of a position.
    pub fn cursor(&self, seq: Seq) -> String {
        cursor::encode(self.reads.epoch(), seq)
    }

    /// The position of a cursor; `field` of the request holds it.
    ///
    /// # Errors
    /// `CursorInvalid` for garbage, `CursorEpochChanged` for a cursor of another log.
    pub fn position(&self, text: &str, field: &str) -> Result<Seq> {
        cursor::decode(self.reads.epoch(), text, field)
    }

    /// The events of the topics after a position.
    ///
    /// # Errors
    /// `CursorExpired` when events after the position were deleted, `CursorEpochChanged` when it lies beyond the end.
    pub async fn read_after(&self, topics: Arc<[TopicId]>, after: Seq, limit: SliceLimit) -> Result<Slice> {
        self.reads.read_after(topics, after, limit).await
    }

    /// Revision of the rules of all topics.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn rules(&self) -> Result<u64> {
        self.reads.rules().await
    }

    /// The position right before the latest `count` events of the topics; for 0 that of their last event.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn before_latest(&self, topics: Arc<[TopicId]>, count: usize) -> Result<Seq> {
        self.reads.before_latest(topics, count).await
    }

    /// The position after which all events of the topics are kept.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn trimmed(&self, topics: Arc<[TopicId]>) -> Result<Seq> {
        self.reads.trimmed(topics).await
    }

    /// The log's last position.
    pub fn last(&self) -> Seq {
        self.reads.bells().last()
    }

    /// Rings when one of the topics gets events.
    pub fn listen(&self, topics: Arc<[TopicId]>) -> Bell {
        self.reads.bells().listen(topics)
    }
}
