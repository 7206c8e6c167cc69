//! Changes of service tokens.

use crate::model::{Revocation, ServiceToken, Time};

/// A change of service tokens.
#[derive(Debug)]
pub enum ServiceTokenChange {
    /// Remembers a token.
    Create(ServiceToken),
    /// Revokes a token.
    Revoke {
        /// Which token.
        id: String,
        /// The time of the revocation.
        now: Time,
    },
}

/// What a change of service tokens has made.
#[derive(Debug, Clone)]
pub enum ServiceTokenChanged {
    /// A token is known.
    Created,
    /// A token is no longer good.
    Revoked(Revocation),
}
