//! The memory of all rings together.
//!
//! While less than three quarters of it are in use, every ring may grow to its own bound. Beyond that, each gets an equal
//! part of the last quarter, so that all rings together hold at most the whole, and one item each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that all rings may hold together.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    held: AtomicUsize,
    rings: AtomicUsize,
}

/// One ring's part of the budget; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    most: usize,
    held: usize,
}

impl Budget {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0), rings: AtomicUsize::new(0) })
    }

    /// The part of a ring that may hold `most` bytes.
    pub fn share(self: &Arc<Self>, most: usize) -> Share {
        self.rings.fetch_add(1, Ordering::Relaxed);
        Share { budget: Arc::clone(self), most, held: 0 }
    }

    /// Bytes that all rings hold.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Bytes that the ring may hold now.
    pub fn bound(&self) -> usize {
        let Budget { limit, held, rings } = &*self.budget;
        if held.load(Ordering::Relaxed) <= limit / 4 * 3 {
            return self.most;
        }
        self.most.min(limit / 4 / rings.load(Ordering::Relaxed).max(1))
    }

    /// The ring holds this many bytes now.
    pub fn hold(&mut self, bytes: usize) {
        // Modulo 2^64, so that a difference below zero is subtracted.
        self.budget.held.fetch_add(bytes.wrapping_sub(self.held), Ordering::Relaxed);
        self.held = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
        self.budget.rings.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_grow_freely_until_memory_is_scarce() {
        let budget = Budget::new(4000);
        let mut shares = [3000, 3000, 50].map(|most| budget.share(most));
        assert_eq!(shares.each_ref().map(Share::bound), [3000, 3000, 50]);
        shares[0].hold(3000);
        assert_eq!(shares[1].bound(), 3000);
        shares[2].hold(50);
        assert_eq!(shares.each_ref().map(Share::bound), [333, 333, 50]);
        shares[0].hold(100);
        assert_eq!((budget.held(), shares[1].bound()), (150, 3000));
        drop(shares);
        assert_eq!(budget.held(), 0);
    }
}
