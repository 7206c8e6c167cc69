//! Tokens, as far as the server remembers them.

use std::time::Duration;

use super::role::Role;
use super::time::Time;

/// The longest life of an access or refresh token of a session.
pub const LONGEST_SESSION_TOKEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The longest life of a service token, and so of any token.
pub const LONGEST_SERVICE_TOKEN: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// A service token as the server knows it; the token itself is with its holder alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceToken {
    /// Its `jti`, and the subject it speaks for.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// `Service` or `Edge`.
    pub role: Role,
    /// The topics it is for; none when it is for everything its role may do.
    pub topics: Vec<String>,
    /// When it was issued.
    pub created: Time,
    /// When it expires.
    pub expires: Time,
}
