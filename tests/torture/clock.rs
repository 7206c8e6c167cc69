//! The time of a run, counted from its beginning.

use std::time::{Duration, Instant};

/// Time since the run began.
pub(crate) type Moment = Duration;

/// Tells the time of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// A run begins.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since.
    pub(crate) fn now(self) -> Moment {
        self.0.elapsed()
    }
}
