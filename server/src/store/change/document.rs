//! Changes of documents.

use crate::model::{DocumentCommit, DocumentOp, Seq, TopicId};

/// A change of a document.
#[derive(Debug)]
pub enum DocumentChange {
    /// Applies operations; creates the document when the commit was made on none.
    Commit(DocumentCommit),
    /// Deletes a document, unless it has another version than the one given.
    Delete {
        /// Which document.
        id: String,
        /// The version the caller knows.
        version: Option<u32>,
    },
}

/// What a change of a document has made.
#[derive(Debug, Clone)]
pub enum DocumentChanged {
    /// Operations were applied.
    Committed {
        /// The topic that carries the document's changes.
        topic: TopicId,
        /// The version after them.
        version: u32,
        /// Those of the commit that were new.
        ops: Vec<DocumentOp>,
    },
    /// All operations were known: nothing was written.
    Repeated {
        /// The version they made.
        version: u32,
        /// The position of the event that told of it.
        seq: Seq,
    },
    /// The document is gone.
    Deleted {
        /// The topic that carries the document's changes.
        topic: TopicId,
        /// The version after the deletion.
        version: u32,
    },
}
