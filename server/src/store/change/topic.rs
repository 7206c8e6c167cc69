//! Changes of topics.

use crate::model::{NewTopic, Topic};

/// A change of a topic.
#[derive(Debug)]
pub enum TopicChange {
    /// Creates a topic.
    Create(NewTopic),
}

/// What a change of a topic has made.
#[derive(Debug, Clone)]
pub enum TopicChanged {
    /// The topic as it now is.
    Topic(Topic),
}
