//! What a failed call says of its connection, and whether the backend may have seen it.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, ConnectError, Status, TimeoutExpired};

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
        if error.is::<ConnectError>() {
            return Some(Self::Unreached);
        }
        if error.is::<Shed>() {
            return Some(Self::Shed);
        }
        if error.is::<TimeoutExpired>() || error.is::<NoAddress>() {
            return Some(Self::Other);
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return Some(Self::Refused);
        }
        of_http2(&error.to_string())
    }

    /// The endpoint is not to be called for a while.
    pub(super) fn is_of_endpoint(self) -> bool {
        matches!(self, Self::Unreached | Self::Broken)
    }
}

/// The texts of h2's errors; it is not ours to depend on, and the tests of ending connections notice when they change.
fn of_http2(text: &str) -> Option<Failure> {
    // A GOAWAY without error reaches only streams above its last one, which the backend has not looked at (RFC 9113,
    // section 6.8); REFUSED_STREAM says the same of one stream (section 8.7).
    let unseen =
        ["connection error received: not a result of an error", "stream error received: refused stream"];
    if unseen.iter().any(|unseen| text.starts_with(unseen)) {
        return Some(Failure::Refused);
    }
    text.starts_with("stream error").then_some(Failure::Other)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Text(&'static str);

    #[derive(Debug, thiserror::Error)]
    #[error("outside")]
    struct Outside(#[source] Text);

    #[test]
    fn tells_what_the_backend_may_have_seen() {
        for (text, expected) in [
            ("connection error received: not a result of an error", Failure::Refused),
            ("connection error received: not a result of an error (b\"max_age\")", Failure::Refused),
            (
                "stream error received: refused stream before processing any application logic",
                Failure::Refused,
            ),
            ("connection error received: detected excessive load", Failure::Broken),
            ("stream error received: unexpected internal error encountered", Failure::Other),
            ("stream closed because of a broken pipe", Failure::Broken),
        ] {
            assert_eq!(Failure::of_transport(&Outside(Text(text))), expected, "{text}");
        }
        assert_eq!(Failure::of_status(&Status::unavailable("full")), Failure::Unavailable);
        assert_eq!(Failure::of_status(&Status::internal("oops")), Failure::Other);
        assert_eq!(Failure::of_transport(&ConnectError("gone".into())), Failure::Unreached);
    }
}
