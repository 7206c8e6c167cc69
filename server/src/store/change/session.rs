//! Changes of sessions.

use crate::model::{Time, User};

/// SHA-256 of a refresh token: what is stored instead of the token.
pub type TokenHash = [u8; 32];

/// A change of a session.
#[derive(Debug)]
pub enum SessionChange {
    /// Begins a session of a user with its first refresh token.
    Start {
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
    Rotate {
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
    End {
        /// Any refresh token of the session.
        token: TokenHash,
    },
}

/// What a change of a session has made.
#[derive(Debug, Clone)]
pub enum SessionChanged {
    /// A session began or ended.
    Done,
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
