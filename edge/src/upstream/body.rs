//! What a call sends.

use bytes::Bytes;
use http_body_util::Full;
use tonic::body::Body;

/// What a call sends.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// All of it is at hand: it goes out with the head.
    Whole(Bytes),
    Stream(Body),
}

impl From<Outgoing> for Body {
    fn from(outgoing: Outgoing) -> Self {
        match outgoing {
            Outgoing::Whole(bytes) => Self::new(Full::new(bytes)),
            Outgoing::Stream(body) => body,
        }
    }
}
