//! Whether the callers of open streams may still read.

use tokio::sync::watch;

use crate::auth::{Caller, Revocations};
use crate::error::Result;
use crate::model::Revocation;

/// How often what callers may do has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revision {
    /// Changes of rules: everybody has to be asked again.
    pub rules: u64,
    /// Changes of what is revoked: only the holders of those tokens are concerned.
    pub revocations: u64,
}

/// A cheap handle that streams hold; whoever changes what callers may do says so here before answering.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    revision: watch::Sender<Revision>,
    revocations: Revocations,
}

impl Standing {
    /// Nothing has changed yet.
    pub fn new(revocations: Revocations) -> Self {
        Self { revision: watch::Sender::default(), revocations }
    }

    /// Says that some callers may do less or more than before.
    pub fn change(&self) {
        self.revision.send_modify(|revision| revision.rules += 1);
    }

    /// Refuses these tokens from now on, also where streams are open.
    pub fn revoke(&self, revocations: &[Revocation]) {
        if self.revocations.add(revocations) {
            self.revision.send_modify(|revision| revision.revocations += 1);
        }
    }

    /// Tells every change from now on.
    pub fn changes(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    /// Admits a caller whose token has not been withdrawn.
    ///
    /// # Errors
    /// `TokenRevoked`.
    pub fn check(&self, caller: &Caller) -> Result<()> {
        match caller {
            Caller::Known(identity) => self.revocations.check(identity),
            Caller::Anonymous => Ok(()),
        }
    }
}
