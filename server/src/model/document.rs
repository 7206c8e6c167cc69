//! Documents: JSON objects with a version.

use prost::Message;
use prost_types::{Struct, Value};
use sha2::{Digest, Sha256};

use super::pointer::Pointer;
use super::time::Time;
use super::topic::TopicId;

/// A JSON object with a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Unique id.
    pub id: String,
    /// Grows by one with every commit, and goes on when the document is deleted and created again.
    pub version: u32,
    /// The object.
    pub content: Struct,
    /// When it was created.
    pub created: Time,
    /// When it was last changed.
    pub updated: Time,
}

/// The log of a document's changes, which outlives the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentLog {
    /// The internal topic that carries the changes.
    pub topic: TopicId,
    /// The document is gone; it may come back.
    pub deleted: bool,
}

/// Operations on one document, all or none.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentCommit {
    /// Id of the document.
    pub id: String,
    /// The version the operations were made on; 0 when there was none.
    pub base: u32,
    /// The operations in order.
    pub ops: Vec<DocumentOp>,
}

/// One operation on a document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentOp {
    /// Names the operation.
    pub id: String,
    /// What it changes.
    pub path: Pointer,
    /// What to do there.
    pub action: Action,
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Sets the value.
    Set(Value),
    /// Removes the member.
    Delete,
}

impl DocumentOp {
    /// Digest of path and action: the same id must always come with the same one.
    pub fn digest(&self) -> [u8; 32] {
        let path = self.path.as_str();
        let action = match &self.action {
            Action::Set(value) => value.encode_to_vec(),
            // No encoded value that holds something is empty.
            Action::Delete => Vec::new(),
        };
        let length = (path.len() as u64).to_be_bytes();
        Sha256::new().chain_update(length).chain_update(path).chain_update(action).finalize().into()
    }
}
