//! Counts what was done, for the table at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A cheap handle to the counts of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<BTreeMap<String, u64>>>);

impl Tally {
    /// One more of these.
    pub(crate) fn count(&self, what: &str) {
        self.add(what, 1);
    }

    /// So many more of these.
    pub(crate) fn add(&self, what: &str, number: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.to_owned()).or_default() += number;
    }

    /// How many there were.
    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(what).copied().unwrap_or_default()
    }
}
