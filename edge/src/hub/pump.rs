//! The task of a feed: writes what its supply gives into the ring, as long as somebody reads.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::error::{Code, Error, Result};

use super::feed::{Feed, Opened};
use super::item::Entry;
use super::outcome::Outcome;
use super::registry::{Key, Registry};
use super::source::Start;
use super::subscription::Resume;
use super::supply::Supply;

/// Runs until the stream has failed, or nobody has read it for as long as `linger`.
pub fn pump(
    registry: Arc<Registry>,
    key: Key,
    feed: Arc<Feed>,
    start: Start,
    resume: Resume,
    linger: Duration,
) -> impl Future<Output = ()> + Send {
    run(Post { registry, key, feed, is_left: false }, start, resume, linger)
}

async fn run(mut post: Post, start: Start, resume: Resume, linger: Duration) {
    let feed = Arc::clone(&post.feed);
    let mut filling = pin!(fill(&feed, &start, &resume));
    let ended = loop {
        tokio::select! {
            ended = &mut filling => break ended,
            () = feed.abandoned(linger) => if post.close() { return },
        }
    };
    if let Err(error) = ended {
        return post.fail(error);
    }
    feed.end(ended);
    // Who was cut off before the end may still come for what is left.
    loop {
        feed.abandoned(linger).await;
        if post.close() {
            return;
        }
    }
}

/// What the task of a feed is there for; nobody waits for one that is gone.
struct Post {
    registry: Arc<Registry>,
    key: Key,
    feed: Arc<Feed>,
    /// Nobody needs the task any more.
    is_left: bool,
}

impl Post {
    /// Closes the feed; false when somebody has come.
    fn close(&mut self) -> bool {
        self.is_left = self.registry.close(&self.key, &self.feed);
        self.is_left
    }

    fn fail(&mut self, error: Error) {
        self.is_left = true;
        self.feed.end(Err(error.clone()));
        // Who comes next may have more luck with a feed of its own. Before anybody hears of the failure, so that nobody
        // finds this one again.
        self.registry.forget(&self.key, &self.feed);
        self.feed.begin(Err(error), false);
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        if std::thread::panicking() {
            let method = self.feed.line.subject.method.name();
            tracing::error!(method, "the task of a stream panicked: its readers are told to come back");
        }
        let message =
            "The edge failed while it read this stream. Open it again; by its cursor nothing is lost.";
        self.fail(Error::new(Code::Internal, "STREAM_BROKEN", message));
    }
}

async fn fill(feed: &Feed, start: &Start, resume: &Resume) -> Result<()> {
    let (mut supply, outcome) = Supply::open(feed.line.clone(), start.clone(), resume).await?;
    let is_live = *start == Start::Now || matches!(outcome, Outcome::Gap(_));
    feed.begin(Ok(Opened { outcome, place: supply.place().cloned() }), is_live);
    while let Some(entry) = next(&mut supply, feed).await? {
        feed.push(entry);
        feed.room().await;
    }
    Ok(())
}

/// The next item. Readers are told of those before it only when it is not there yet: what comes at once is read at once.
async fn next(supply: &mut Supply, feed: &Feed) -> Result<Option<Entry>> {
    let mut next = pin!(supply.next());
    match poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
        Poll::Ready(entry) => entry,
        Poll::Pending => {
            feed.tell();
            next.await
        }
    }
}
