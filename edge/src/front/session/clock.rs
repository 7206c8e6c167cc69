//! One timer for all that a session has to do at a moment.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, Sleep, sleep_until};

/// Longer than anything waits; it bounds what a clock must tell.
const FAR: Duration = Duration::from_secs(3600);
/// A token is to be renewed so long before it is over, or a tenth of its time, whichever is more.
const WARNING: Duration = Duration::from_secs(60);

/// The timer of one session.
#[derive(Debug)]
pub struct Clock(Pin<Box<Sleep>>);

impl Clock {
    pub fn new() -> Self {
        Self(Box::pin(sleep_until(Instant::now() + FAR)))
    }

    /// Wakes the session at the earliest of these moments.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        moments: impl IntoIterator<Item = Option<Instant>>,
    ) -> Poll<()> {
        let far = Instant::now() + FAR;
        let next = moments.into_iter().flatten().fold(far, Instant::min);
        // Moved only when it matters: an hour may be a little longer.
        if (next < far || self.0.is_elapsed()) && self.0.deadline() != next {
            self.0.as_mut().reset(next);
        }
        self.0.as_mut().poll(cx)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// When the client is to be told that a token expires at this second since 1970.
pub fn warning(expires: u64) -> Option<Instant> {
    let left = left(expires)?;
    Instant::now().checked_add(left.saturating_sub(WARNING.max(left / 10)))
}

/// What is left of a token, where that is known.
pub fn left(expires: u64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (expires > 0).then(|| Duration::from_secs(expires).saturating_sub(now))
}

/// Milliseconds for a frame.
pub fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
