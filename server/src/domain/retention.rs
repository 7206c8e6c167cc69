//! Deletes what is not to be kept for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::error::Result;
use crate::model::{Time, TopicId};
use crate::store::{Change, Changed, Store, Write};

/// Deletes what topics do not keep and what is known for a time only, every so often, until dropped.
pub async fn keep_retention(store: Arc<dyn Store>, every: Duration) {
    // A timer without a period would not let go of its thread.
    let mut ticks = interval(every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Time::now();
        if let Err(error) = trim_all(&*store, now).await {
            tracing::warn!(%error, "retention could not look for old events; it will try again");
        }
        if let Err(error) = forget_all(&*store, now).await {
            tracing::warn!(%error, "what was to be known for a time could not be deleted; it will be tried again");
        }
    }
}

async fn trim_all(store: &dyn Store, now: Time) -> Result<()> {
    for topic in store.overdue(now).await? {
        if let Err(error) = trim(store, topic, now).await {
            // The others need it none the less.
            tracing::warn!(topic = topic.0, %error, "retention could not delete old events; it will try again");
        }
    }
    Ok(())
}

/// Each slice is a write among others, so that publishers do not wait for the whole.
async fn trim(store: &dyn Store, topic: TopicId, now: Time) -> Result<()> {
    let slice = || store.commit(Write::change(Change::Trim { topic, now }));
    while let Some(Changed::Trimmed { more: true }) = slice().await?.changed {}
    Ok(())
}

async fn forget_all(store: &dyn Store, now: Time) -> Result<()> {
    let slice = || store.commit(Write::change(Change::Forget { now }));
    while let Some(Changed::Forgotten { more: true, .. }) = slice().await?.changed {}
    Ok(())
}
