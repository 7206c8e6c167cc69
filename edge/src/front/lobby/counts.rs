//! What sessions have done so far, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that goes up, or up and down.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

/// The numbers of all sessions.
#[derive(Debug, Default)]
pub struct Counts {
    pub opened: Count,
    pub open: Count,
    pub parked: Count,
    pub resumed: Count,
    pub superseded: Count,
    pub unknown: Count,
    pub calls: Count,
    pub refused: Count,
    /// Connections that were sent to the fallback by a breaker.
    pub broken: Count,
    /// Connections by event stream.
    pub legs: Count,
    pub migrated: Count,
    pub violations: Count,
}

impl Count {
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
