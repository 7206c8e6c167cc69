//! Whether a call that failed is made once more.

use std::sync::Arc;

use tonic::Status;

use super::backend::{Backend, Tried};
use super::failure::Failure;
use super::remote::Remote;

/// How often a call is made again that no backend has seen.
const MOST_UNSEEN: usize = 3;

/// What may still be done for one call.
#[derive(Debug)]
pub(super) struct Retries {
    backend: Arc<Backend>,
    /// Where the call was already tried.
    pub(super) tried: Tried,
    /// The call may reach the backend twice.
    is_repeatable: bool,
    unseen: usize,
}

impl Retries {
    /// None for a service that no backend serves.
    pub(super) fn new(remote: &Remote, path: &str) -> Option<Self> {
        let backend = Arc::clone(remote.find(path)?);
        backend.budget.count_call();
        let is_repeatable = remote.is_repeatable(path);
        Some(Self { backend, tried: Tried::default(), is_repeatable, unseen: 0 })
    }

    /// Whether to try again, after this failure.
    pub(super) fn allow(&mut self, status: &Status) -> bool {
        let may = match Failure::of_status(status) {
            Failure::Unreached | Failure::Shed => self.is_untried_left() && self.is_unseen_left(),
            Failure::Refused => self.is_unseen_left(),
            // Once: a backend that is in trouble does not get better by being asked more.
            Failure::Broken | Failure::Unavailable => std::mem::take(&mut self.is_repeatable),
            Failure::Other => false,
        };
        may && self.backend.budget.spend()
    }

    fn is_untried_left(&self) -> bool {
        self.tried.count() < self.backend.endpoints().len()
    }

    fn is_unseen_left(&mut self) -> bool {
        self.unseen += 1;
        self.unseen <= MOST_UNSEEN
    }
}
