//! The caller of an RPC.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::{Role, Time};

/// Who a verified token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Unique for ever: the user's id as text.
    pub subject: String,
    /// Username, for people to read.
    pub name: String,
    /// What the caller is.
    pub role: Role,
    /// When the token expires.
    pub expires: Time,
    /// The `jti` claim: unique for each token.
    pub token: String,
    /// When the token was issued.
    pub issued: Time,
    /// The topics that the token is for; none when it is for everything its role may do.
    pub topics: Vec<String>,
}

/// The caller of an RPC. A bad token never becomes anonymous: it fails before there is a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// No credential was sent.
    Anonymous,
    /// A valid token was sent.
    Known(Identity),
}

/// Longer than any process lives.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Caller {
    /// The edge in this process: it may open the streams that it asks about for each of its subscribers.
    pub fn own_edge() -> Self {
        let issued = Time::now();
        Self::Known(Identity {
            subject: "edge".to_owned(),
            name: "edge".to_owned(),
            role: Role::Edge,
            expires: issued.plus(FOR_EVER),
            token: String::new(),
            issued,
            topics: Vec::new(),
        })
    }

    /// The identity of a caller who has signed in.
    ///
    /// # Errors
    /// `LoginRequired` for an anonymous caller.
    pub fn identity(&self) -> Result<&Identity> {
        match self {
            Self::Known(identity) => Ok(identity),
            Self::Anonymous => Err(Error::LoginRequired),
        }
    }

    /// The identity of an administrator; `action` completes "only administrators may".
    ///
    /// # Errors
    /// `LoginRequired` for an anonymous caller, `Forbidden` for others.
    pub fn admin(&self, action: &str) -> Result<&Identity> {
        let identity = self.identity()?;
        if identity.role == Role::Admin {
            Ok(identity)
        } else {
            Err(Error::Forbidden(format!("only administrators may {action}")))
        }
    }
}
