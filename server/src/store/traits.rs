//! What a store can do.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::bells::Bells;
use super::change::{Committed, Write};
use crate::error::Result;
use crate::model::{
    Document, DocumentLog, Revocation, Seq, StoredEvent, StoredKey, Time, Topic, TopicId, User, UserFilter,
};

/// An answer of the store, some time later.
pub type Answer<T> = BoxFuture<'static, Result<T>>;

/// The reading side of the event log.
pub trait LogReads: Debug + Send + Sync {
    /// The log's incarnation: another one after a restore.
    fn epoch(&self) -> u32;

    /// The events of the topics after a position, in the order of the log.
    ///
    /// # Errors
    /// `CursorExpired` when events after the position were deleted, `CursorEpochChanged` when it lies beyond the end.
    fn read_after(&self, topics: Arc<[TopicId]>, after: Seq, limit: SliceLimit) -> Answer<Slice>;

    /// Revision of the rules: grows with every topic that is created or deleted, or gets other rules or another owner.
    fn rules(&self) -> Answer<u64>;

    /// The position right before the latest `count` events of the topics; for 0 that of their last event.
    fn before_latest(&self, topics: Arc<[TopicId]>, count: usize) -> Answer<Seq>;

    /// The position after which all events of the topics are kept.
    fn trimmed(&self, topics: Arc<[TopicId]>) -> Answer<Seq>;

    /// The topics whose retention has something to delete.
    fn overdue(&self, now: Time) -> Answer<Vec<TopicId>>;

    /// Wakes who waits for events.
    fn bells(&self) -> &Bells;
}

/// Records and the log.
pub trait Store: LogReads {
    /// Makes the changes and appends the events in one transaction; when it answers, they are on disk.
    ///
    /// # Errors
    /// The error of the first change that cannot be made; then nothing was written.
    fn commit(&self, write: Write) -> Answer<Committed>;

    /// The user of an id.
    fn user(&self, id: i32) -> Answer<Option<User>>;

    /// The user of a username, with the password's hash.
    fn credentials(&self, username: &str) -> Answer<Option<(User, String)>>;

    /// Users in the order of their ids, and where the log of their changes stood.
    fn users(&self, query: UserQuery) -> Answer<UserPage>;

    /// The topic of a name.
    fn topic(&self, name: &str) -> Answer<Option<Topic>>;

    /// Those of the topics that are still there, in no order.
    fn topics_by_id(&self, ids: Arc<[TopicId]>) -> Answer<Vec<Topic>>;

    /// So many topics after a name, in the order of their names, without the internal ones.
    fn topics(&self, after: &str, limit: usize) -> Answer<Vec<Topic>>;

    /// The document of an id, unless it was deleted, and where the log of its changes stood.
    fn document(&self, id: &str) -> Answer<Option<(Document, Seq)>>;

    /// Documents in the order of their ids.
    fn documents(&self, query: DocumentQuery) -> Answer<DocumentPage>;

    /// The log of a document's changes; there is one as soon as the document was created once.
    fn document_log(&self, id: &str) -> Answer<Option<DocumentLog>>;

    /// The signing keys, in the order in which they sign.
    fn signing_keys(&self) -> Answer<Vec<StoredKey>>;

    /// The revocations in force at a time, and where the log of access stood.
    fn revocations(&self, now: Time) -> Answer<RevocationList>;
}

/// How much one slice may hold; a slice always holds at least one event.
#[derive(Debug, Clone, Copy)]
pub struct SliceLimit {
    /// Events.
    pub events: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
}

/// Consecutive events of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Position of the last event of the subscription before `events`.
    pub start: Seq,
    /// The events.
    pub events: Vec<StoredEvent>,
    /// More events follow at once.
    pub more: bool,
    /// Revision of the rules of all topics in the same snapshot.
    pub rules: u64,
}

impl Slice {
    /// Position of the last event of the slice.
    pub fn end(&self) -> Seq {
        self.events.last().map_or(self.start, |event| event.seq)
    }
}

/// Which users.
#[derive(Debug, Clone)]
pub struct UserQuery {
    /// Whom to admit.
    pub filter: UserFilter,
    /// Users after this id.
    pub after: i32,
    /// At most so many.
    pub limit: usize,
}

/// Users of one snapshot.
#[derive(Debug, Clone)]
pub struct UserPage {
    /// The users.
    pub users: Vec<User>,
    /// More users follow.
    pub more: bool,
    /// Position of the last change of any user in the same snapshot.
    pub position: Seq,
}

/// Which documents.
#[derive(Debug, Clone)]
pub struct DocumentQuery {
    /// Documents after this id.
    pub after: String,
    /// At most so many.
    pub limit: usize,
    /// At most so many bytes of content, encoded; a page holds at least one document.
    pub bytes: usize,
}

/// Documents of one snapshot.
#[derive(Debug, Clone)]
pub struct DocumentPage {
    /// The documents.
    pub documents: Vec<Document>,
    /// More documents follow.
    pub more: bool,
}

/// Revocations of one snapshot.
#[derive(Debug, Clone)]
pub struct RevocationList {
    /// Those in force, oldest first.
    pub revocations: Vec<Revocation>,
    /// Position of the last event of access in the same snapshot.
    pub position: Seq,
}
