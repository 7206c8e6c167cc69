//! Changes and events that become durable together.

use std::fmt;

use uuid::Uuid;

use super::document::{DocumentChange, DocumentChanged};
use super::service_token::{ServiceTokenChange, ServiceTokenChanged};
use super::session::{Rotation, SessionChange, SessionChanged};
use super::signing_key::KeyChange;
use super::topic::{TopicChange, TopicChanged};
use super::user::{UserChange, UserChanged};
use crate::model::{NewEvent, Revocation, Seq, StoredKey, Time, TopicId};

/// A change of the records.
#[derive(Debug)]
pub enum Change {
    /// Of a user.
    User(UserChange),
    /// Of a topic.
    Topic(TopicChange),
    /// Of a session.
    Session(SessionChange),
    /// Of a document.
    Document(DocumentChange),
    /// Deletes the oldest events that a topic does not keep, a slice of them.
    Trim {
        /// Which topic.
        topic: TopicId,
        /// The time that ages count to.
        now: Time,
    },
    /// Deletes what is known for a time only and whose time is over, a slice of it: idempotency keys, refresh tokens,
    /// operations on documents with what they changed, documents deleted.
    Forget {
        /// The time that counts.
        now: Time,
    },
    /// Of the signing keys.
    Key(KeyChange),
    /// Of a service token.
    ServiceToken(ServiceTokenChange),
}

/// What a change has made.
#[derive(Debug, Clone)]
pub enum Changed {
    /// Of a user.
    User(UserChanged),
    /// Of a topic.
    Topic(TopicChanged),
    /// Of a session.
    Session(SessionChanged),
    /// Of a document.
    Document(DocumentChanged),
    /// Events were deleted.
    Trimmed {
        /// There are more to delete.
        more: bool,
    },
    /// What had its time was deleted.
    Forgotten {
        /// There is more to delete.
        more: bool,
        /// The topics that are gone with their documents.
        topics: Vec<TopicId>,
    },
    /// Of the signing keys: all that are there now, in the order in which they sign.
    Keys(Vec<StoredKey>),
    /// Of a service token.
    ServiceToken(ServiceTokenChanged),
}

impl Changed {
    /// The tokens that are no longer good.
    pub fn revoked(&self) -> &[Revocation] {
        match self {
            Self::User(
                UserChanged::User { revoked, .. }
                | UserChanged::Deleted { revoked, .. }
                | UserChanged::PasswordSet { revoked },
            )
            | Self::Session(
                SessionChanged::Ended(revoked) | SessionChanged::Rotated(Rotation::Reused(revoked)),
            ) => revoked,
            Self::ServiceToken(ServiceTokenChanged::Revoked(revoked)) => std::slice::from_ref(revoked),
            _ => &[],
        }
    }
}

/// Makes the events that tell of the changes, once they are made.
type Tell = Box<dyn FnOnce(&Changed) -> Vec<NewEvent> + Send>;

/// Changes and events that become durable together, or not at all.
pub struct Write {
    pub(in crate::store) change: Option<(Change, Tell)>,
    pub(in crate::store) events: Vec<NewEvent>,
}

impl Write {
    /// A change without an event.
    pub fn change(change: Change) -> Self {
        Self::telling(change, |_| Vec::new())
    }

    /// A change, and the events that tell of it.
    pub fn telling(change: Change, tell: impl FnOnce(&Changed) -> Vec<NewEvent> + Send + 'static) -> Self {
        Self { change: Some((change, Box::new(tell))), events: Vec::new() }
    }

    /// Events without a change of records.
    pub fn events(events: Vec<NewEvent>) -> Self {
        Self { change: None, events }
    }

    /// Whether it changes a document.
    pub(in crate::store) fn is_of_document(&self) -> bool {
        matches!(self.change, Some((Change::Document(_), _)))
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = self.change.as_ref().map(|(change, _)| change);
        f.debug_struct("Write").field("change", &change).field("events", &self.events).finish()
    }
}

/// What a write has made; it is on disk.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// What the change has made.
    pub changed: Option<Changed>,
    /// One for each event.
    pub events: Vec<Appended>,
}

/// Where an event was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its position.
    pub seq: Seq,
    /// Its id.
    pub id: Uuid,
}
