//! What can be written: changes of records, with the events that tell of them.

use std::fmt;

use uuid::Uuid;

use crate::model::{NewEvent, NewTopic, NewUser, Seq, Time, Topic, User, UserPatch};

/// SHA-256 of a refresh token: what is stored instead of the token.
pub type TokenHash = [u8; 32];

/// A change of the records.
#[derive(Debug)]
pub enum Change {
    /// Creates a user.
    CreateUser(NewUser),
    /// Changes fields of a user, unless the etag given is not the user's.
    UpdateUser {
        /// Which user.
        id: i32,
        /// What to change.
        patch: UserPatch,
        /// The etag the caller knows.
        etag: Option<String>,
    },
    /// Deletes a user and the user's sessions, unless the etag given is not the user's.
    DeleteUser {
        /// Which user.
        id: i32,
        /// The etag the caller knows.
        etag: Option<String>,
    },
    /// Creates a topic.
    CreateTopic(NewTopic),
    /// Begins a session of a user with its first refresh token.
    StartSession {
        /// Whose session.
        user: i32,
        /// The token.
        token: TokenHash,
        /// The time of the sign-in.
        now: Time,
        /// When the token expires.
        expires: Time,
    },
    /// Replaces a refresh token by the next one; a token that was replaced before ends its session.
    RotateToken {
        /// The token used.
        token: TokenHash,
        /// The token that replaces it.
        next: TokenHash,
        /// The time of use.
        now: Time,
        /// When the next token expires.
        expires: Time,
    },
    /// Ends the session of a refresh token, if there is one.
    EndSession {
        /// Any refresh token of the session.
        token: TokenHash,
    },
}

/// What a change has made.
#[derive(Debug, Clone)]
pub enum Changed {
    /// The user as it now is.
    User(User),
    /// Id of the user that is gone.
    UserDeleted(i32),
    /// The topic as it now is.
    Topic(Topic),
    /// A session began or ended.
    Session,
    /// A refresh token was used.
    Rotated(Rotation),
}

/// What became of a refresh token that was used.
#[derive(Debug, Clone)]
pub enum Rotation {
    /// The session goes on with the next token.
    Next(User),
    /// No session has this token, or the session has ended.
    Unknown,
    /// The token was too old.
    Expired,
    /// The token had been replaced before; the session is now ended.
    Reused,
}

/// Makes the events that tell of the changes, once they are made.
type Tell = Box<dyn FnOnce(&[Changed]) -> Vec<NewEvent> + Send>;

/// Changes and events that become durable together, or not at all.
pub struct Write {
    pub(super) changes: Vec<Change>,
    pub(super) events: Tell,
}

impl Write {
    /// Changes without an event.
    pub fn change(change: Change) -> Self {
        Self { changes: vec![change], events: Box::new(|_| Vec::new()) }
    }

    /// One event without a change of records.
    pub fn event(event: NewEvent) -> Self {
        Self { changes: Vec::new(), events: Box::new(|_| vec![event]) }
    }

    /// Adds the event that tells of the change.
    #[must_use]
    pub fn telling(self, tell: impl FnOnce(&Changed) -> NewEvent + Send + 'static) -> Self {
        Self { events: Box::new(|changed| changed.first().map(tell).into_iter().collect()), ..self }
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("changes", &self.changes).finish_non_exhaustive()
    }
}

/// What a write has made; it is on disk.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// One for each change.
    pub changed: Vec<Changed>,
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
