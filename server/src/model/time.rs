//! Points in time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: microseconds since 1970 UTC, the precision in which times are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(i64);

impl Time {
    /// The current time.
    pub fn now() -> Self {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }

    /// The time so many microseconds after 1970 UTC.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 UTC.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970 UTC, as JSON Web Tokens count.
    pub fn seconds(self) -> u64 {
        u64::try_from(self.0 / 1_000_000).unwrap_or_default()
    }

    /// The time so much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time so much earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl From<Time> for prost_types::Timestamp {
    fn from(time: Time) -> Self {
        let nanos = time.0.rem_euclid(1_000_000) * 1_000;
        // Below 1,000,000,000 by the line above.
        Self { seconds: time.0.div_euclid(1_000_000), nanos: i32::try_from(nanos).unwrap_or_default() }
    }
}

impl From<prost_types::Timestamp> for Time {
    fn from(timestamp: prost_types::Timestamp) -> Self {
        let whole = timestamp.seconds.saturating_mul(1_000_000);
        Self(whole.saturating_add(i64::from(timestamp.nanos / 1_000)))
    }
}
