//! Documents: reading, changing, watching.

use std::sync::Arc;

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use uuid::Uuid;

use super::access::{check_follower, check_member};
use super::document_message::{committed_body, deleted_body};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::log::{Log, Start, Tail};
use crate::model::{Action, Document, DocumentCommit, DocumentOp, NewEvent, Pointer, Seq, TopicId};
use crate::store::{
    Change, Changed, Committed, DocumentChange, DocumentChanged, DocumentPage, DocumentQuery, Store, Write,
};
use crate::telemetry::current_traceparent;

/// Where a commit has brought a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentVersion {
    /// The version after the commit.
    pub version: u32,
    /// The position of the change in the document's log.
    pub seq: Seq,
}

/// Reads, changes and watches documents.
#[derive(Debug, Clone)]
pub struct Documents {
    store: Arc<dyn Store>,
    log: Log,
}

impl Documents {
    /// Documents of a store.
    pub fn new(store: Arc<dyn Store>, log: Log) -> Self {
        Self { store, log }
    }

    /// A page of documents.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`.
    pub async fn list(&self, caller: &Caller, query: DocumentQuery) -> Result<DocumentPage> {
        check_member(caller)?;
        self.store.documents(query).await
    }

    /// One document, and where the log of its changes stood.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `NotFound`.
    pub async fn get(&self, caller: &Caller, id: &str) -> Result<(Document, Seq)> {
        check_member(caller)?;
        self.store.document(id).await?.ok_or_else(|| unknown(id))
    }

    /// Deletes a document, unless it has another version than the one given.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `NotFound`, `EtagMismatch`.
    pub async fn delete(&self, caller: &Caller, id: String, version: Option<u32>) -> Result<()> {
        let publisher = check_member(caller)?.name.clone();
        self.write(publisher, id.clone(), DocumentChange::Delete { id, version }).await?;
        Ok(())
    }

    /// Applies operations, all or none; when it answers, they are on disk.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `NotFound`, `DocumentConflict`, `OpIdReused`; `Invalid` when the document has no
    /// such base version, a path goes through a value that is no object, or the document would be too large.
    pub async fn commit(&self, caller: &Caller, commit: DocumentCommit) -> Result<DocumentVersion> {
        let publisher = check_member(caller)?.name.clone();
        self.apply(publisher, commit).await
    }

    /// Creates a document in the name of the server itself, unless it exists.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn ensure(&self, id: &str, content: Struct) -> Result<()> {
        if self.store.document(id).await?.is_some() {
            return Ok(());
        }
        let value = Value { kind: Some(Kind::StructValue(content)) };
        let op = DocumentOp {
            id: Uuid::now_v7().to_string(),
            path: Pointer::default(),
            action: Action::Set(value),
        };
        let commit = DocumentCommit { id: id.to_owned(), base: 0, ops: vec![op] };
        self.apply("lastmile".to_owned(), commit).await?;
        Ok(())
    }

    /// Admits a caller who may watch a document, and finds the topic that carries its changes; `resumes` is whether the
    /// caller has a cursor.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`; `NotFound` when there is no trace of such a document, or it is deleted and the
    /// caller asks for what comes now.
    pub async fn authorize_watch(&self, caller: &Caller, id: &str, resumes: bool) -> Result<TopicId> {
        check_follower(caller)?;
        let log = self.store.document_log(id).await?.ok_or_else(|| unknown(id))?;
        if log.deleted && !resumes { Err(unknown(id)) } else { Ok(log.topic) }
    }

    /// Follows the changes of a document.
    ///
    /// # Errors
    /// Those of [`Self::authorize_watch`], and the errors of a cursor that cannot go on.
    pub async fn watch(&self, caller: &Caller, id: &str, start: Start) -> Result<Tail> {
        let resumes = matches!(start, Start::Position(_));
        let topic = self.authorize_watch(caller, id, resumes).await?;
        Tail::open(self.log.clone(), Arc::new([topic]), start).await
    }

    /// Admits a caller who may watch and commit over one call.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`.
    pub fn authorize_sync(caller: &Caller) -> Result<()> {
        check_member(caller).map(drop)
    }

    async fn apply(&self, publisher: String, commit: DocumentCommit) -> Result<DocumentVersion> {
        let written = self.write(publisher, commit.id.clone(), DocumentChange::Commit(commit)).await?;
        match (written.changed, written.events.first()) {
            (Some(Changed::Document(DocumentChanged::Committed { version, .. })), Some(event)) => {
                Ok(DocumentVersion { version, seq: event.seq })
            }
            (Some(Changed::Document(DocumentChanged::Repeated { version, seq })), None) => {
                Ok(DocumentVersion { version, seq })
            }
            other => Err(Error::internal(format!("the store answered {other:?} to a commit of a document"))),
        }
    }

    async fn write(&self, publisher: String, id: String, change: DocumentChange) -> Result<Committed> {
        let traceparent = current_traceparent();
        let write = Write::telling(Change::Document(change), |changed| {
            let Changed::Document(changed) = changed else {
                return Vec::new();
            };
            event(changed, id, publisher, traceparent).into_iter().collect()
        });
        self.store.commit(write).await
    }
}

/// The event that tells of a change; operations that were all known before change nothing.
fn event(changed: &DocumentChanged, id: String, publisher: String, traceparent: String) -> Option<NewEvent> {
    let (topic, kind, body) = match changed {
        DocumentChanged::Committed { topic, version, ops } => {
            (*topic, "document:change", committed_body(id, *version, ops, publisher.clone()))
        }
        DocumentChanged::Deleted { topic, version } => {
            (*topic, "document:delete", deleted_body(id, *version, publisher.clone()))
        }
        DocumentChanged::Repeated { .. } => return None,
    };
    Some(NewEvent { topic, kind: kind.to_owned(), publisher, traceparent, body, idempotency: None })
}

fn unknown(id: &str) -> Error {
    Error::NotFound { kind: "document", name: id.to_owned() }
}
