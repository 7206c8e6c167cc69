//! Tokens that are withdrawn before they expire.

use std::time::Duration;

use super::time::Time;

/// Edges and open streams honour a token for some seconds after it has expired; a revocation outlives that too.
const AFTERLIFE: Duration = Duration::from_secs(60);

/// Tokens that are no longer good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Which tokens.
    pub target: RevocationTarget,
    /// When they were revoked.
    pub time: Time,
    /// When nobody would honour the last of them anyway.
    pub expires: Time,
}

/// Which tokens are revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevocationTarget {
    /// The token of this `jti` claim.
    Token(String),
    /// The tokens of this `sub` claim that were issued in the second of the revocation or before.
    Subject(String),
}

impl Revocation {
    /// Revokes one token that expires at `expires`.
    pub fn of_token(id: String, time: Time, expires: Time) -> Self {
        Self { target: RevocationTarget::Token(id), time, expires: expires.plus(AFTERLIFE) }
    }

    /// Revokes all tokens of a subject, the last of which expires at `expires`.
    pub fn of_subject(subject: String, time: Time, expires: Time) -> Self {
        Self { target: RevocationTarget::Subject(subject), time, expires: expires.plus(AFTERLIFE) }
    }

    /// A token that expired before this time needs no revocation.
    pub fn needed_since(now: Time) -> Time {
        now.minus(AFTERLIFE)
    }
}
