//! What the two directions of a call tell each other: that the request is unusable, that the answer is over.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::Error;

/// One call's place for both; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Fault {
    error: Arc<OnceLock<Error>>,
    raised: CancellationToken,
    over: CancellationToken,
}

impl Fault {
    /// The first error stays.
    pub fn raise(&self, error: Error) {
        let _ = self.error.set(error);
        self.raised.cancel();
    }

    pub fn error(&self) -> Option<Error> {
        self.error.get().cloned()
    }

    /// The answer is over when this is dropped.
    pub fn until_over(&self) -> DropGuard {
        self.over.clone().drop_guard()
    }

    /// Completes when nobody waits for the answer any more. The transport does not tell: it goes on sending a body even
    /// when its answer was dropped.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Completes when there is an error.
    pub async fn raised(&self) -> Error {
        self.raised.cancelled().await;
        self.error().unwrap_or_else(|| Error::internal("a fault was raised without an error"))
    }
}
