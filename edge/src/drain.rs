//! A shutdown as streams see it: each goes on until a turn of its own, so that browsers lose nothing of what comes
//! meanwhile and do not all come back at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::config::DrainConfig;

/// Steps of the golden ratio, in parts of 2^64: however many are taken, they fill a window evenly.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The shutdown of an edge. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Drain(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begun: CancellationToken,
    /// When the first stream asked for its turn.
    first: OnceLock<Instant>,
    turns: AtomicU64,
    window: Duration,
    retry: Duration,
}

/// The turn of one stream. Clones wait for the same.
#[derive(Debug, Clone)]
pub struct Turn {
    drain: Drain,
    at: Arc<OnceLock<Instant>>,
}

impl Turn {
    /// Completes when the stream is to leave. Cancel-safe.
    pub async fn comes(&self) {
        self.drain.begun().cancelled().await;
        sleep_until(*self.at.get_or_init(|| self.drain.turn())).await;
    }
}

impl Drain {
    pub fn new(config: &DrainConfig) -> Self {
        // What is said last has to reach the socket before it is cut.
        let window = config.window.min(config.grace / 2);
        Self(Arc::new(Inner {
            begun: CancellationToken::new(),
            first: OnceLock::new(),
            turns: AtomicU64::new(0),
            window,
            retry: config.retry,
        }))
    }

    /// Cancelled when the edge begins to shut down.
    pub fn begun(&self) -> &CancellationToken {
        &self.0.begun
    }

    /// When the next stream is to leave. To be asked once by each, after the beginning.
    pub fn turn(&self) -> Instant {
        let Inner { first, turns, window, .. } = &*self.0;
        let first = *first.get_or_init(Instant::now);
        let step = turns.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP);
        first + window.mul_f64(step as f64 / 2f64.powi(64))
    }

    /// The turn of one stream, to be waited for again and again.
    pub fn one(&self) -> Turn {
        Turn { drain: self.clone(), at: Arc::default() }
    }

    /// After what time a browser comes back that has left; each its own.
    pub fn retry(&self) -> Duration {
        self.0.retry.mul_f64(rand::rng().random_range(0.5..=1.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(window: u64, grace: u64) -> DrainConfig {
        let [window, grace] = [window, grace].map(Duration::from_secs);
        DrainConfig { window, grace, ..DrainConfig::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_fill_the_window_evenly_however_many_there_are() {
        for count in [10, 100, 5000] {
            let drain = Drain::new(&config(5, 10));
            let begun = Instant::now();
            let mut parts = [0; 5];
            for _ in 0..count {
                parts[(drain.turn() - begun).as_secs() as usize] += 1;
            }
            let even = count / 5;
            assert!(parts.iter().all(|part| (even - 1..=even + 1).contains(part)), "{count}: {parts:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_turn_comes_well_before_the_cut() {
        let drain = Drain::new(&config(60, 10));
        let begun = Instant::now();
        let last = (0..1000).map(|_| drain.turn() - begun).max().unwrap_or_default();
        assert!((4.9..=5.0).contains(&last.as_secs_f64()), "{last:?}");
    }
}
