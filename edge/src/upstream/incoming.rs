//! What a call gets, from another process or from this one.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use super::endpoint::Counted;

/// The body of an answer; dropping it cancels the call.
#[derive(Debug)]
pub(super) enum Incoming {
    Remote(Counted),
    Local(Body),
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.get_mut() {
            Self::Remote(body) => Pin::new(body).poll_frame(context),
            Self::Local(body) => Pin::new(body).poll_frame(context),
        }
    }
}
