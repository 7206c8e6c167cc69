//! Keeps topics within what their retention allows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::error::Result;
use crate::model::{Time, TopicId};
use crate::store::{Change, Changed, Store, Write};

/// Deletes what topics do not keep, every so often, until dropped.
pub async fn keep_retention(store: Arc<dyn Store>, every: Duration) {
    // A timer without a period would not let go of its thread.
    let mut ticks = interval(every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = trim_all(&*store).await {
            tracing::warn!(%error, "retention could not delete old events; it will try again");
        }
    }
}

async fn trim_all(store: &dyn Store) -> Result<()> {
    let now = Time::now();
    for topic in store.overdue(now).await? {
        // Each slice is a write among others, so that publishers do not wait for the whole.
        while trim(store, topic, now).await? {}
    }
    Ok(())
}

/// Deletes one slice; true when there is more.
async fn trim(store: &dyn Store, topic: TopicId, now: Time) -> Result<bool> {
    let changed = store.commit(Write::change(Change::Trim { topic, now })).await?.changed;
    Ok(matches!(changed, Some(Changed::Trimmed { more: true })))
}
