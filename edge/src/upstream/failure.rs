//! What a failed call says of its connection, and whether the backend may have seen it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use http::StatusCode;
use tonic::{Code, Status};

/// There is no connection. Told to everyone who waited for it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no connection can be made")]
pub(super) struct Unreached(#[source] pub(super) Arc<dyn Error + Send + Sync>);

/// The connection was over before the call was on it.
#[derive(Debug, thiserror::Error)]
#[error("the connection was over")]
pub(super) struct Unsent(#[source] pub(super) h2::Error);

/// The name of a backend has no address.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAddress(pub(super) String);

/// The breaker of the endpoint that was chosen is open.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("too many calls to this endpoint fail")]
pub(super) struct Shed {
    /// When it may be tried again.
    pub(super) wait: Duration,
}

impl Shed {
    pub(super) fn of(status: &Status) -> Option<Self> {
        let mut chain = std::iter::successors(status.source(), |error| (*error).source());
        chain.find_map(|error| error.downcast_ref::<Self>().copied())
    }
}

/// What came is no answer of gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error("it ends without saying how, or inside a message")]
    Cut,
    #[error("a message of it is too large to be read")]
    TooLarge,
    #[error("a message of it cannot be decompressed")]
    Unreadable,
    #[error("it has not exactly one message")]
    NotOne,
    #[error("it has the status {0} of HTTP and is not gRPC")]
    NotGrpc(StatusCode),
}

impl BadAnswer {
    /// A proxy on the way has no room, or nobody behind it.
    fn says_unavailable(self) -> bool {
        matches!(self, Self::NotGrpc(status) if matches!(status.as_u16(), 429 | 502..=504))
    }
}

/// How a call failed, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no connection: the backend saw nothing.
    Unreached,
    /// The connection was ending, or the stream was refused before the backend looked at it.
    Refused,
    /// The connection broke under the call, which the backend may have seen.
    Broken,
    /// The backend itself says that it is unavailable.
    Unavailable,
    /// The breaker of the endpoint is open: the backend saw nothing.
    Shed,
    /// Anything else: a matter of this call alone.
    Other,
}

impl Failure {
    pub(super) fn of_status(status: &Status) -> Self {
        match status.source() {
            // Only the transport sets a source.
            Some(source) => Self::of_transport(source),
            None if status.code() == Code::Unavailable => Self::Unavailable,
            None => Self::Other,
        }
    }

    pub(super) fn of_transport(error: &(dyn Error + 'static)) -> Self {
        let mut chain = std::iter::successors(Some(error), |error| (*error).source());
        chain.find_map(Self::of_cause).unwrap_or(Self::Broken)
    }

    fn of_cause(error: &(dyn Error + 'static)) -> Option<Self> {
        if error.is::<Unreached>() {
            return Some(Self::Unreached);
        }
        if error.is::<Shed>() {
            return Some(Self::Shed);
        }
        if error.is::<Unsent>() {
            return Some(Self::Refused);
        }
        if error.is::<NoAddress>() {
            return Some(Self::Other);
        }
        if let Some(bad) = error.downcast_ref::<BadAnswer>() {
            return Some(if bad.says_unavailable() { Self::Unavailable } else { Self::Other });
        }
        error.downcast_ref().map(Self::of_http2)
    }

    fn of_http2(error: &h2::Error) -> Self {
        match error.reason() {
            // Reaches only streams above the last one of the GOAWAY, which the backend has not looked at (RFC 9113,
            // section 6.8).
            Some(Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => Self::Refused,
            // Section 8.7.
            Some(Reason::REFUSED_STREAM) if error.is_reset() && error.is_remote() => Self::Refused,
            _ if error.is_reset() => Self::Other,
            _ => Self::Broken,
        }
    }

    /// The endpoint is not to be called for a while.
    pub(super) fn is_of_endpoint(self) -> bool {
        matches!(self, Self::Unreached | Self::Broken)
    }
}

/// What lies at the bottom of a failure.
pub(super) fn root<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outside")]
    struct Outside(#[source] BadAnswer);

    #[test]
    fn tells_what_the_backend_may_have_seen() {
        let broken = || h2::Error::from(Reason::INTERNAL_ERROR);
        assert_eq!(Failure::of_transport(&broken()), Failure::Broken);
        assert_eq!(Failure::of_transport(&Unsent(broken())), Failure::Refused);
        assert_eq!(Failure::of_transport(&Unreached(Arc::new(broken()))), Failure::Unreached);
        assert_eq!(Failure::of_transport(&Outside(BadAnswer::Cut)), Failure::Other);
        assert_eq!(Failure::of_transport(&std::fmt::Error), Failure::Broken);
        assert_eq!(Failure::of_status(&Status::unavailable("full")), Failure::Unavailable);
        assert_eq!(Failure::of_status(&Status::internal("oops")), Failure::Other);
        assert_eq!(Failure::of_status(&Status::from_error(Box::new(Unsent(broken())))), Failure::Refused);
    }
}
