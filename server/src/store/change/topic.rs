//! Changes of topics.

use crate::model::{NewTopic, Time, Topic, TopicId};

/// A change of a topic.
#[derive(Debug)]
pub enum TopicChange {
    /// Creates a topic.
    Create(NewTopic),
    /// Deletes the oldest events that the topic does not keep, a slice of them.
    Trim {
        /// Which topic.
        topic: TopicId,
        /// The time that ages count to.
        now: Time,
    },
}

/// What a change of a topic has made.
#[derive(Debug, Clone)]
pub enum TopicChanged {
    /// The topic as it now is.
    Topic(Topic),
    /// Events were deleted.
    Trimmed {
        /// There are more to delete.
        more: bool,
    },
}
