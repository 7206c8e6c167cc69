//! Changes of users.

use crate::model::{NewUser, Revocation, User, UserPatch};

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
    /// Replaces a password and ends all sessions of the user but one.
    SetPassword {
        /// Whose password.
        id: i32,
        /// Hash of the password so far; the user must still have it.
        current: String,
        /// Hash of the password from now on.
        next: String,
        /// The access token whose session goes on.
        caller: String,
    },
}

/// What a change of a user has made.
#[derive(Debug, Clone)]
pub enum UserChanged {
    /// A user is new or has changed.
    User {
        /// The user as it now is.
        user: User,
        /// Tokens that are no longer good: those of a role that the user had.
        revoked: Vec<Revocation>,
    },
    /// A user is gone.
    Deleted {
        /// Which user.
        id: i32,
        /// The user's tokens.
        revoked: Vec<Revocation>,
    },
    /// A user has another password.
    PasswordSet {
        /// The tokens of the sessions that have ended.
        revoked: Vec<Revocation>,
    },
}
