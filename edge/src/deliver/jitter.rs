//! Moments spread over time, so that connections do not all do the same at once.

use std::time::Duration;

use rand::Rng;

/// 80-100 % of `duration`.
pub fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.8..=1.0))
}
