//! Changes of sessions.

use crate::model::{Revocation, Time, User};

/// SHA-256 of a refresh token: what is stored instead of the token.
pub type TokenHash = [u8; 32];

/// The two tokens that a session gets at once.
#[derive(Debug)]
pub struct TokenPair {
    /// The refresh token.
    pub refresh: TokenHash,
    /// When the refresh token expires.
    pub refresh_expires: Time,
    /// The `jti` of the access token.
    pub access: String,
    /// When the access token expires.
    pub access_expires: Time,
    /// When both are issued.
    pub issued: Time,
}

/// A change of a session.
#[derive(Debug)]
pub enum SessionChange {
    /// Begins a session of a user with its first tokens.
    Start {
        /// Whose session.
        user: i32,
        /// Hash of the password that was given; the user must still have it.
        password: String,
        /// The first tokens.
        tokens: TokenPair,
    },
    /// Replaces a refresh token by the next one; a token that was replaced before ends its session.
    Rotate {
        /// The token used.
        token: TokenHash,
        /// The tokens that replace it.
        next: TokenPair,
    },
    /// Ends the session of a refresh token, if there is one.
    End {
        /// Any refresh token of the session.
        token: TokenHash,
        /// The time of the sign-out.
        now: Time,
    },
}

/// What a change of a session has made.
#[derive(Debug, Clone)]
pub enum SessionChanged {
    /// A session began; none when the user or the password is not there any more.
    Started(Option<User>),
    /// A refresh token was used.
    Rotated(Rotation),
    /// A session ended, with its access tokens.
    Ended(Vec<Revocation>),
}

/// What became of a refresh token that was used.
#[derive(Debug, Clone)]
pub enum Rotation {
    /// The session goes on with the next tokens.
    Next(User),
    /// No session has this token, or the session has ended.
    Unknown,
    /// The token was too old.
    Expired,
    /// The token had been replaced before; the session is now ended, with its access tokens.
    Reused(Vec<Revocation>),
}
