//! How a listener ends: it lets what is open end, then has it answered, then cuts it.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Of the grace, so much is for answers to what cannot end by itself.
const LAST: Duration = Duration::from_secs(1);

/// The moments of a shutdown.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// Begins it: nothing new is let in.
    pub drain: CancellationToken,
    /// How long it may take.
    pub grace: Duration,
    /// Cancelled by the listener shortly before that is over.
    pub time_is_up: CancellationToken,
}

impl Shutdown {
    /// One whose calls are cut without an answer.
    pub fn new(drain: CancellationToken, grace: Duration) -> Self {
        Self { drain, grace, time_is_up: CancellationToken::new() }
    }

    /// Waits for the end of what is open; false when it has to be cut.
    pub async fn ends(&self, end: impl Future<Output = ()>) -> bool {
        tokio::pin!(end);
        let last = LAST.min(self.grace / 4);
        if timeout(self.grace - last, &mut end).await.is_ok() {
            return true;
        }
        self.time_is_up.cancel();
        timeout(last, end).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn open_calls_are_answered_within_the_grace() {
        let shutdown = Shutdown::new(CancellationToken::new(), Duration::from_secs(10));
        let begun = Instant::now();
        let told = shutdown.time_is_up.clone();
        let ended = shutdown.ends(async { told.cancelled().await }).await;
        assert!(ended && begun.elapsed() == Duration::from_secs(9), "{:?}", begun.elapsed());
        assert!(!shutdown.ends(std::future::pending()).await);
        assert_eq!(begun.elapsed(), Duration::from_secs(19), "never more than the grace");
    }
}
