//! Changes of users.

use crate::model::{NewUser, User, UserPatch};

/// A change of a user.
#[derive(Debug)]
pub enum UserChange {
    /// Creates a user.
    Create(NewUser),
    /// Changes fields of a user, unless the etag given is not the user's.
    Update {
        /// Which user.
        id: i32,
        /// What to change.
        patch: UserPatch,
        /// The etag the caller knows.
        etag: Option<String>,
    },
    /// Deletes a user and the user's sessions, unless the etag given is not the user's.
    Delete {
        /// Which user.
        id: i32,
        /// The etag the caller knows.
        etag: Option<String>,
    },
}

/// What a change of a user has made.
#[derive(Debug, Clone)]
pub enum UserChanged {
    /// The user as it now is.
    User(User),
    /// Id of the user that is gone.
    Deleted(i32),
}
