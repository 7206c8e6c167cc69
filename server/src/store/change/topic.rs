//! Changes of topics.

use crate::model::{NewTopic, Topic, TopicPatch};

/// A change of a topic.
#[derive(Debug)]
pub enum TopicChange {
    /// Creates a topic.
    Create(NewTopic),
    /// Changes fields of a topic, unless the etag given is not the topic's.
    Update {
        /// Which topic.
        name: String,
        /// What to change.
        patch: TopicPatch,
        /// The etag the caller knows.
        etag: Option<String>,
    },
    /// Deletes a topic, unless the etag given is not the topic's. Its events are out of reach at once; retention
    /// removes them.
    Delete {
        /// Which topic.
        name: String,
        /// The etag the caller knows.
        etag: Option<String>,
    },
}

/// What a change of a topic has made.
#[derive(Debug, Clone)]
pub enum TopicChanged {
    /// The topic as it now is.
    Topic(Topic),
    /// Name of the topic that is gone.
    Deleted(String),
}
