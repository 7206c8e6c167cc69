//! Events of the log.

use uuid::Uuid;

use super::time::Time;
use super::topic::TopicId;

/// Position of an event in the log, from 1, strictly increasing; 0 is before all events.
pub type Seq = u64;

/// Bytes that an event may have, encoded; whatever enters the log is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLimit(pub usize);

/// An event to append.
///
/// `body` is the encoded message that carries the event to subscribers, with only its own fields set; whoever reads
/// it adds cursor and envelope.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Where to append it.
    pub topic: TopicId,
    /// Its type.
    pub kind: String,
    /// Username of the publisher.
    pub publisher: String,
    /// W3C trace context of the publishing call; may be empty.
    pub traceparent: String,
    /// Encoded content.
    pub body: Vec<u8>,
    /// Makes a repeated append harmless.
    pub idempotency: Option<Idempotency>,
}

/// Recognises a repeated append.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// Whose key it is.
    pub subject: String,
    /// The key.
    pub key: String,
    /// Digest of the content the key stands for.
    pub digest: [u8; 32],
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its position.
    pub seq: Seq,
    /// Position of the event before it in its topic; 0 for the first.
    pub previous: Seq,
    /// Its topic.
    pub topic: TopicId,
    /// Unique for ever.
    pub id: Uuid,
    /// Its type.
    pub kind: String,
    /// When it was appended.
    pub time: Time,
    /// Username of the publisher.
    pub publisher: String,
    /// W3C trace context of the publishing call; may be empty.
    pub traceparent: String,
    /// Encoded content.
    pub body: Vec<u8>,
}
