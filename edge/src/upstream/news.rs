//! Word that a backend may be another than before: reconnected, or without a method that it had.

use tokio::sync::watch;

/// Counts the news; whoever remembers a count knows whether it has heard all.
#[derive(Debug, Clone)]
pub(super) struct News(watch::Sender<u64>);

impl News {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(super) fn tell(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
