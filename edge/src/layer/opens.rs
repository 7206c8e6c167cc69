//! How fast streams are opened: a bucket of tokens, and a time to come back for everyone who finds it empty.
//!
//! Pure: whoever asks says what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// Nobody is sent away for longer.
const LONGEST: f64 = 60.0;

/// The bucket.
#[derive(Debug)]
pub struct Opens {
    per_second: f64,
    burst: f64,
    tokens: f64,
    /// Those who were sent away and are not back yet.
    waiting: f64,
    at: Instant,
}

impl Opens {
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self { per_second: f64::from(per_second.max(1)), burst, tokens: burst, waiting: 0.0, at: now }
    }

    /// Lets one in, or tells it when its turn comes: a crowd that is sent away together does not come back together.
    pub fn open(&mut self, now: Instant) -> Result<(), Duration> {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.at = now;
        self.tokens = (self.tokens + earned).min(self.burst);
        self.waiting = (self.waiting - earned).max(0.0);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let turn = (self.waiting + 1.0) / self.per_second;
        if turn < LONGEST {
            self.waiting += 1.0;
        }
        Err(Duration::from_secs_f64(turn.clamp(1.0, LONGEST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_herd_is_let_in_at_the_rate_and_comes_back_one_by_one() {
        let start = Instant::now();
        let mut opens = Opens::new(100, 50, start);
        let waits: Vec<Duration> = (0..1050).filter_map(|_| opens.open(start).err()).collect();
        assert_eq!(waits.len(), 1000, "the burst is let in");
        assert_eq!(waits[0], Duration::from_secs(1));
        let last = waits[999].as_secs_f64();
        assert!((9.9..10.1).contains(&last), "1,000 at 100 a second: {last}");
        let second = start + Duration::from_secs(1);
        let let_in = (0..200).filter(|_| opens.open(second).is_ok()).count();
        assert_eq!(let_in, 50, "what is not used is kept up to the burst");
        let mut let_in = 0;
        for millisecond in 1..=2000 {
            let now = second + Duration::from_millis(millisecond);
            let_in += usize::from(opens.open(now).is_ok());
        }
        assert!((199..=201).contains(&let_in), "{let_in}");
    }

    #[test]
    fn nobody_waits_for_ever() {
        let start = Instant::now();
        let mut opens = Opens::new(1, 1, start);
        for _ in 0..1000 {
            assert!(opens.open(start).err().is_none_or(|wait| wait <= Duration::from_secs(60)));
        }
        assert!(opens.open(start + Duration::from_secs(2)).is_ok());
    }
}
