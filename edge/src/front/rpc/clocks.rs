//! What ends a call before the backend does.

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error, Result};
use crate::upstream::late;

use super::fault::Fault;

/// What ends one call.
#[derive(Debug, Clone)]
pub struct Clocks {
    pub deadline: Option<Instant>,
    /// When the caller's token is over.
    pub expires_at: Option<Instant>,
    /// The edge shuts down.
    pub drain: CancellationToken,
    /// The request body cannot be used.
    pub fault: Fault,
}

impl Clocks {
    /// Does the work, unless something ends it first: also work that is always ready.
    pub async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            error = self.fault.raised() => Err(error),
            () = reached(self.deadline) => Err(late()),
            () = self.drain.cancelled() => Err(draining()),
            () = reached(self.expires_at) => Err(expired()),
            done = work => done,
        }
    }
}

async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn draining() -> Error {
    let message = "This edge is shutting down. Call again in a moment.";
    Error::new(Code::Unavailable, "DRAINING", message)
}

fn expired() -> Error {
    let message = "The token of this stream has expired. Call again with a new one.";
    Error::new(Code::Unauthenticated, "TOKEN_EXPIRED", message)
}
