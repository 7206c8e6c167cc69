//! Who may read one upstream stream together.
//!
//! The audience is part of what a feed is found by: whoever is of another audience gets another feed.

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::identity::Rights;
use crate::schema::method::Scope;

use super::subject::Subject;

/// Who reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reading {
    /// A verified caller, by what it may do: tokens of one subject may claim different things.
    Caller { issuer: String, subject: String, rights: Rights },
    /// The hash of a credential that only the backend can read.
    Credential([u8; 32]),
    /// Nobody knows who.
    Anonymous,
}

/// Who may read one upstream stream together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Whoever has been admitted; the call is made with the edge's own credential, or with none.
    Everyone,
    /// One caller, on all of its connections.
    One(Reading),
    /// One subscription, and who resumes it: the name of its numbers, and the caller.
    Only(String, Reading),
}

impl Reading {
    /// Where tokens are not verified here, equal credentials are taken for one caller.
    pub fn of_credential(authorization: Option<&HeaderValue>) -> Self {
        match authorization {
            Some(value) => Self::Credential(Sha256::digest(value.as_bytes()).into()),
            None => Self::Anonymous,
        }
    }
}

impl Audience {
    /// The audience that the method's rule allows. `has_credential`: the edge can open the stream with its own.
    pub fn of(subject: &Subject, reading: &Reading, has_credential: bool, epoch: &str) -> Self {
        let rule = subject.rule();
        let only = || Self::Only(epoch.to_owned(), reading.clone());
        // What a request leaves to who asks for it is different for everyone.
        let scope = if subject.is_of_caller() { Scope::PerCaller } else { rule.share.scope };
        match scope {
            Scope::Public => Self::Everyone,
            Scope::Authorized if has_credential => Self::Everyone,
            // Without cursors, who comes later would miss the beginning; nobody knows whether the anonymous are the same.
            Scope::Authorized | Scope::PerCaller
                if *reading == Reading::Anonymous || (rule.durable.is_none() && !rule.share.is_declared) =>
            {
                only()
            }
            Scope::Authorized | Scope::PerCaller => Self::One(reading.clone()),
        }
    }

    /// What of a call's metadata reaches the backend: what is of one request is left out where several share the call.
    pub fn metadata(&self, metadata: &HeaderMap, shared: &[http::HeaderName]) -> HeaderMap {
        let is_shared = |name: &http::HeaderName| shared.contains(name);
        let passes = |name: &http::HeaderName| match self {
            Self::Everyone => is_shared(name) && *name != header::AUTHORIZATION,
            Self::One(_) => !is_of_request(name),
            Self::Only(..) => true,
        };
        metadata.iter().filter(|(name, _)| passes(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
    }
}

/// Whether metadata only tells one request from the next: it differs when a reader comes back, and changes no answer.
pub fn is_of_request(name: &http::HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "x-request-id"
            | "x-correlation-id"
            | "idempotency-key"
            | "last-event-id"
            | "baggage"
            | "b3"
            | "x-cloud-trace-context"
            | "x-amzn-trace-id"
            | "uber-trace-id"
    ) || name.starts_with("x-b3-")
}
