//! What the hub has done since its start, and for how many, as numbers for operators.

use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers of a hub.
#[derive(Debug, Default)]
pub struct Counts {
    /// Calls by which streams were read from backends, those of `catch_ups` among them.
    pub calls: Count,
    /// Calls for one reader alone, because the ring does not have what it wants next.
    pub catch_ups: Count,
    /// Events that were written as JSON.
    pub rendered: Count,
    /// Events that could not be.
    pub skipped: Count,
    /// Readers that are there now.
    pub readers: Count,
}

/// A number that only says how much: nothing waits for it.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

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
