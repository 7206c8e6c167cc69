//! How many calls may be repeated, so that retries never become the load that breaks a backend.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Of all calls, this share may be repeated.
const SHARE: f64 = 0.2;
/// And so many a second, for backends that are seldom called.
const PER_SECOND: f64 = 10.0;
/// What quiet times leave over.
const MOST: f64 = 100.0;

/// The retries that are left (as in Finagle's and Linkerd's retry budgets).
#[derive(Debug)]
pub(super) struct Budget {
    /// Counted without the lock: every call passes here.
    calls: AtomicU64,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    retries: f64,
    /// What of `calls` and of the time `retries` accounts for.
    calls: u64,
    at: Instant,
}

impl Budget {
    pub(super) fn new() -> Self {
        let left = Left { retries: PER_SECOND, calls: 0, at: Instant::now() };
        Self { calls: AtomicU64::new(0), left: Mutex::new(left) }
    }

    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry, if one is left.
    pub(super) fn spend(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.earn(self.calls.load(Ordering::Relaxed), Instant::now());
        let may = left.retries >= 1.0;
        if may {
            left.retries -= 1.0;
        }
        may
    }
}

impl Left {
    #[expect(clippy::cast_precision_loss, reason = "no process makes 2^53 calls between two retries")]
    fn earn(&mut self, calls: u64, now: Instant) {
        let passed: Duration = now.saturating_duration_since(self.at);
        let earned = SHARE * (calls - self.calls) as f64 + PER_SECOND * passed.as_secs_f64();
        *self = Self { retries: (self.retries + earned).min(MOST), calls, at: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spendable(budget: &Budget) -> usize {
        std::iter::repeat_with(|| budget.spend()).take_while(|may| *may).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_of_the_calls_and_some_each_second() {
        let budget = Budget::new();
        assert_eq!(spendable(&budget), 10, "a start");
        assert_eq!(spendable(&budget), 0);
        (0..50).for_each(|_| budget.count_call());
        assert_eq!(spendable(&budget), 10, "a fifth of 50");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(spendable(&budget), 20, "ten a second");
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(spendable(&budget), 100, "quiet times leave no storm over");
    }
}
