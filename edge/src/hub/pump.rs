//! The task of a feed: writes what its supply gives into the ring, as long as somebody reads.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;

use super::feed::{Feed, Opened};
use super::outcome::Outcome;
use super::registry::{Key, Registry};
use super::source::Start;
use super::subscription::Resume;
use super::supply::Supply;

/// Runs until the stream has failed, or nobody has read it for as long as `linger`.
pub async fn pump(
    registry: Arc<Registry>,
    key: Key,
    feed: Arc<Feed>,
    start: Start,
    resume: Resume,
    linger: Duration,
) {
    let mut filling = pin!(fill(&feed, &start, &resume));
    let ended = loop {
        tokio::select! {
            ended = &mut filling => break ended,
            () = feed.abandoned(linger) => if registry.close(&key, &feed) { return },
        }
    };
    let failed = ended.as_ref().err().cloned();
    feed.end(ended);
    if let Some(error) = failed {
        // Who comes next may have more luck with a feed of its own. Before anybody hears of the failure, so that nobody
        // finds this one again.
        registry.forget(&key, &feed);
        return feed.begin(Err(error), false);
    }
    // Who was cut off before the end may still come for what is left.
    loop {
        feed.abandoned(linger).await;
        if registry.close(&key, &feed) {
            return;
        }
    }
}

async fn fill(feed: &Feed, start: &Start, resume: &Resume) -> Result<()> {
    let (mut supply, outcome) = Supply::open(feed.line.clone(), start.clone(), resume).await?;
    let is_live = *start == Start::Now || matches!(outcome, Outcome::Gap(_));
    feed.begin(Ok(Opened { outcome, place: supply.place().cloned() }), is_live);
    while let Some(entry) = supply.next().await? {
        feed.push(entry);
        feed.room().await;
    }
    Ok(())
}
