//! Follows topics from a position on: past events, then live ones, by one path.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::filter::Filter;
use super::reader::Log;
use crate::error::{Error, Result};
use crate::model::{ACCESS_TOPIC, Seq, StoredEvent, TopicId};
use crate::store::{Bell, Slice, SliceLimit};

/// What a slow subscriber holds at most, besides its position.
const SLICE: SliceLimit = SliceLimit { events: 64, bytes: 32 * 1024 };

/// The position is told so often while only events pass that are not delivered.
const POSITION_INTERVAL: Duration = Duration::from_secs(15);

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Right after a position.
    Position(Seq),
    /// With so many of the latest events.
    Latest(usize),
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The position of the last event of the topics before what comes next, delivered or not.
    Position(Seq),
    /// An event.
    Event(StoredEvent),
}

/// Follows topics. It holds a position and a small slice, never a queue.
#[derive(Debug)]
pub struct Tail {
    log: Log,
    topics: Arc<[TopicId]>,
    filter: Option<Filter>,
    /// The rules by which these are all topics that somebody may read.
    rules: Option<u64>,
    slice: VecDeque<StoredEvent>,
    position: Seq,
    announced: bool,
    bell: Bell,
    /// The log's end when a position was last told.
    seen: Seq,
    /// The position that was told.
    told: Seq,
    next_position: Instant,
}

impl Tail {
    /// Begins to follow.
    ///
    /// # Errors
    /// `CursorExpired` or `CursorEpochChanged` when the log cannot continue from there.
    pub async fn open(log: Log, topics: Arc<[TopicId]>, start: Start) -> Result<Self> {
        Self::begin(log, topics, start, None, None).await
    }

    /// Begins to follow all topics that somebody may read, as long as the rules are those of a revision.
    ///
    /// # Errors
    /// Those of [`Self::open`], and `TopicsChanged`, also later, when these topics may no longer be all.
    pub async fn open_all(log: Log, topics: Arc<[TopicId]>, start: Start, rules: u64) -> Result<Self> {
        Self::begin(log, topics, start, None, Some(rules)).await
    }

    /// Begins to follow the events that a filter admits; the latest ones are looked for among the latest 10,000.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn open_filtered(
        log: Log,
        topics: Arc<[TopicId]>,
        start: Start,
        filter: Filter,
    ) -> Result<Self> {
        Self::begin(log, topics, start, Some(filter), None).await
    }

    async fn begin(
        log: Log,
        topics: Arc<[TopicId]>,
        start: Start,
        filter: Option<Filter>,
        rules: Option<u64>,
    ) -> Result<Self> {
        // A change of the rules is an event of access.
        let access = rules.map(|_| ACCESS_TOPIC);
        let bell = log.listen(topics.iter().copied().chain(access).collect());
        let seen = log.last();
        // The first read is made here, so that a cursor that cannot go on fails before the first message.
        let slice = loop {
            match first_slice(&log, &topics, start, filter.as_ref()).await {
                // Nobody gave a cursor: what was deleted while it was looked for is no longer among the latest.
                Err(Error::CursorExpired) if matches!(start, Start::Latest(_)) => {}
                slice => break slice?,
            }
        };
        check_rules(rules, &slice)?;
        Ok(Self {
            log,
            topics,
            filter,
            rules,
            // What was asked for may be the position of another topic's event.
            position: slice.start,
            told: slice.start,
            slice: slice.events.into(),
            announced: false,
            bell,
            seen,
            next_position: Instant::now() + POSITION_INTERVAL,
        })
    }

    /// Waits for what comes next: a position first, then events. It may be dropped at any time: nothing is lost.
    ///
    /// # Errors
    /// `CursorExpired` when events were deleted before they could be read.
    pub async fn next(&mut self) -> Result<Delivery> {
        if !self.announced {
            self.announced = true;
            return Ok(Delivery::Position(self.position));
        }
        loop {
            if let Some(event) = self.next_admitted() {
                self.tell();
                return Ok(Delivery::Event(event));
            }
            // While many events pass by the filter, there is never a time to wait.
            if self.filter.is_some() && self.has_news() && Instant::now() >= self.next_position {
                self.tell();
                return Ok(Delivery::Position(self.position));
            }
            let slice = self.log.read_after(Arc::clone(&self.topics), self.position, SLICE).await?;
            check_rules(self.rules, &slice)?;
            self.slice = slice.events.into();
            if self.slice.is_empty() && self.wait().await {
                self.tell();
                return Ok(Delivery::Position(self.position));
            }
        }
    }

    /// The next event of the slice that the filter admits; the position moves on over the others.
    fn next_admitted(&mut self) -> Option<StoredEvent> {
        while let Some(event) = self.slice.pop_front() {
            self.position = event.seq;
            if self.filter.as_ref().is_none_or(|filter| filter.admits(&event)) {
                return Some(event);
            }
        }
        None
    }

    fn tell(&mut self) {
        self.seen = self.log.last();
        self.told = self.position;
        self.next_position = Instant::now() + POSITION_INTERVAL;
    }

    /// Whether anything has happened since a position was last told.
    fn has_news(&self) -> bool {
        self.position != self.told || self.log.last() != self.seen
    }

    /// Waits until the topics get events; true when it is time to tell the position instead.
    async fn wait(&mut self) -> bool {
        loop {
            tokio::select! {
                () = self.bell.rung() => return false,
                () = sleep_until(self.next_position) => {}
            }
            if self.has_news() {
                return true;
            }
            self.next_position = Instant::now() + POSITION_INTERVAL;
        }
    }
}

/// Nothing of a slice that was read by other rules is delivered: what follows would lack the events of other topics.
fn check_rules(rules: Option<u64>, slice: &Slice) -> Result<()> {
    if rules.is_none_or(|rules| rules == slice.rules) { Ok(()) } else { Err(Error::TopicsChanged) }
}

async fn first_slice(
    log: &Log,
    topics: &Arc<[TopicId]>,
    start: Start,
    filter: Option<&Filter>,
) -> Result<Slice> {
    let after = match (start, filter) {
        (Start::Position(seq), _) => seq,
        (Start::Latest(count), None) => log.before_latest(Arc::clone(topics), count).await?,
        (Start::Latest(count), Some(filter)) => filter.before_latest(log, topics, count, SLICE).await?,
    };
    log.read_after(Arc::clone(topics), after, SLICE).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::poll;

    use super::*;
    use crate::model::{NewEvent, NewTopic, Retention, TopicRules, USERS_TOPIC};
    use crate::store::{Change, Changed, LogReads, SqliteStore, Store, TopicChange, TopicChanged, Write};

    async fn two_topics(store: &SqliteStore) -> [TopicId; 2] {
        let (rules, retention) = (TopicRules::default(), Retention::default());
        let (name, description, owner) = ("other".to_owned(), String::new(), String::new());
        let topic = NewTopic { name, description, rules, retention, owner };
        let committed = store.commit(Write::change(Change::Topic(TopicChange::Create(topic)))).await.unwrap();
        match &committed.changed {
            Some(Changed::Topic(TopicChanged::Topic(topic))) => [USERS_TOPIC, topic.id],
            other => panic!("{other:?}"),
        }
    }

    async fn append(store: &SqliteStore, topic: TopicId) -> Seq {
        let (kind, publisher, traceparent) = ("test".to_owned(), String::new(), String::new());
        let event = NewEvent { topic, kind, publisher, traceparent, body: Vec::new(), idempotency: None };
        store.commit(Write::events(vec![event])).await.unwrap().events[0].seq
    }

    fn event(delivery: Delivery) -> Seq {
        match delivery {
            Delivery::Event(event) => event.seq,
            Delivery::Position(seq) => panic!("position {seq}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn position_is_told_again_only_while_others_events_pass() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let [mine, other] = two_topics(&store).await;
        let first = append(&store, mine).await;
        let log = Log::new(Arc::clone(&store) as _);
        let mut tail = Tail::open(log, Arc::new([mine]), Start::Latest(0)).await.unwrap();
        assert_eq!(tail.next().await.unwrap(), Delivery::Position(first));

        let quiet = tokio::time::timeout(POSITION_INTERVAL * 4, tail.next()).await;
        assert!(quiet.is_err(), "nothing happened, so nothing is told: {quiet:?}");
        append(&store, other).await;
        let told = tokio::time::timeout(POSITION_INTERVAL * 4, tail.next()).await.expect("was not told");
        assert_eq!(told.unwrap(), Delivery::Position(first));
        let quiet = tokio::time::timeout(POSITION_INTERVAL * 4, tail.next()).await;
        assert!(quiet.is_err(), "told once is enough: {quiet:?}");
        let second = append(&store, mine).await;
        assert_eq!(event(tail.next().await.unwrap()), second);
    }

    #[tokio::test]
    async fn what_was_and_what_comes_take_one_path() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let mut expected = Vec::new();
        for _ in 0..SLICE.events * 2 {
            expected.push(append(&store, USERS_TOPIC).await);
        }
        let log = Log::new(Arc::clone(&store) as _);
        let mut tail = Tail::open(log, Arc::new([USERS_TOPIC]), Start::Position(0)).await.unwrap();
        assert_eq!(tail.next().await.unwrap(), Delivery::Position(0));
        let live = tokio::spawn({
            let store = Arc::clone(&store);
            async move {
                for _ in 0..100 {
                    append(&store, USERS_TOPIC).await;
                }
            }
        });
        expected.extend(expected.len() as Seq + 1..=expected.len() as Seq + 100);
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            seen.push(event(tail.next().await.unwrap()));
        }
        live.await.unwrap();
        assert_eq!(seen, expected);
    }

    /// What comes within two intervals.
    async fn soon(tail: &mut Tail) -> Delivery {
        let next = tokio::time::timeout(POSITION_INTERVAL * 2, tail.next()).await;
        next.expect("nothing is told").unwrap()
    }

    /// Admits the events of a publisher.
    fn of(publisher: &'static str) -> Filter {
        Filter::new(move |event| event.publisher == publisher)
    }

    async fn append_of(store: &SqliteStore, publisher: &str) -> Seq {
        let (kind, publisher, traceparent) = ("test".to_owned(), publisher.to_owned(), String::new());
        let (topic, body, idempotency) = (USERS_TOPIC, Vec::new(), None);
        let event = NewEvent { topic, kind, publisher, traceparent, body, idempotency };
        store.commit(Write::events(vec![event])).await.unwrap().events[0].seq
    }

    #[tokio::test(start_paused = true)]
    async fn filtered_events_move_the_position_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let log = Log::new(Arc::clone(&store) as _);
        let topics = Arc::new([USERS_TOPIC]);
        let mut tail = Tail::open_filtered(log, topics, Start::Position(0), of("me")).await.unwrap();
        assert_eq!(tail.next().await.unwrap(), Delivery::Position(0));

        let first = append_of(&store, "me").await;
        assert_eq!(event(tail.next().await.unwrap()), first);
        append_of(&store, "other").await;
        let last = append_of(&store, "other").await;
        let begin = Instant::now();
        assert_eq!(soon(&mut tail).await, Delivery::Position(last));
        assert_eq!(begin.elapsed(), POSITION_INTERVAL);
        let quiet = tokio::time::timeout(POSITION_INTERVAL * 4, tail.next()).await;
        assert!(quiet.is_err(), "told once is enough: {quiet:?}");
        let next = append_of(&store, "me").await;
        assert_eq!(event(tail.next().await.unwrap()), next);
    }

    #[tokio::test(start_paused = true)]
    async fn the_position_is_told_while_filtered_events_never_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let log = Log::new(Arc::clone(&store) as _);
        for _ in 0..SLICE.events * 3 {
            append_of(&store, "other").await;
        }
        let none = Filter::new(|_| false);
        let topics = Arc::new([USERS_TOPIC]);
        let mut tail = Tail::open_filtered(log, topics, Start::Position(0), none).await.unwrap();
        assert_eq!(tail.next().await.unwrap(), Delivery::Position(0));
        tokio::time::advance(POSITION_INTERVAL).await;
        // Due after the first slice, and not only when there is nothing more to read.
        assert_eq!(soon(&mut tail).await, Delivery::Position(SLICE.events as Seq));
        tokio::time::advance(POSITION_INTERVAL).await;
        assert_eq!(soon(&mut tail).await, Delivery::Position(SLICE.events as Seq * 2));
        // What passed since is told too, though nothing is appended any more.
        assert_eq!(soon(&mut tail).await, Delivery::Position(SLICE.events as Seq * 3));
    }

    #[tokio::test]
    async fn the_latest_are_the_latest_that_the_filter_admits() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let log = Log::new(Arc::clone(&store) as _);
        for n in 1..=200 {
            append_of(&store, if n % 50 == 0 { "me" } else { "other" }).await;
        }
        for (count, expected) in [
            (0, &[][..]),
            (1, &[200]),
            (3, &[100, 150, 200]),
            (4, &[50, 100, 150, 200]),
            (9, &[50, 100, 150, 200]),
        ] {
            let topics = Arc::new([USERS_TOPIC]);
            let start = Start::Latest(count);
            let mut tail = Tail::open_filtered(log.clone(), topics, start, of("me")).await.unwrap();
            let position = expected.first().map_or(200, |first| first - 1);
            assert_eq!(tail.next().await.unwrap(), Delivery::Position(position), "{count}");
            for seq in expected {
                assert_eq!(event(tail.next().await.unwrap()), *seq, "{count}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_deleted_while_the_latest_are_looked_for_is_not_among_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let log = Log::new(Arc::clone(&store) as _);
        for _ in 0..SLICE.events * 3 {
            append_of(&store, "me").await;
        }
        let db = rusqlite::Connection::open(folder.path().join("lastmile.db")).unwrap();
        let db = std::sync::Mutex::new(db);
        let trimming = Filter::new(move |_| {
            let trim = "UPDATE topic SET trimmed = 100 WHERE id = 1; DELETE FROM event WHERE seq <= 100";
            db.lock().unwrap().execute_batch(trim).unwrap();
            true
        });
        let topics = Arc::new([USERS_TOPIC]);
        let mut tail = Tail::open_filtered(log, topics, Start::Latest(1000), trimming).await.unwrap();
        assert_eq!(tail.next().await.unwrap(), Delivery::Position(100));
        assert_eq!(event(tail.next().await.unwrap()), 101);
    }

    #[tokio::test]
    async fn callers_can_leave_while_many_events_pass_the_filter() {
        const EVENTS: usize = 5_000;
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let (kind, publisher, traceparent) = ("test".to_owned(), String::new(), String::new());
        let (topic, body, idempotency) = (USERS_TOPIC, Vec::new(), None);
        let event = NewEvent { topic, kind, publisher, traceparent, body, idempotency };
        store.commit(Write::events(vec![event; EVENTS])).await.unwrap();
        let passed = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&passed);
        let none = Filter::new(move |_| counting.fetch_add(1, Ordering::Relaxed) == usize::MAX);
        let log = Log::new(Arc::clone(&store) as _);
        let mut tail =
            Tail::open_filtered(log, Arc::new([USERS_TOPIC]), Start::Position(0), none).await.unwrap();
        tail.next().await.unwrap();
        let mut next = Box::pin(tail.next());
        let mut longest = 0;
        while passed.load(Ordering::Relaxed) < EVENTS {
            let before = passed.load(Ordering::Relaxed);
            assert!(poll!(&mut next).is_pending());
            longest = longest.max(passed.load(Ordering::Relaxed) - before);
            tokio::task::yield_now().await;
        }
        assert!(longest < EVENTS / 2, "{longest} events passed without a pause");
    }

    #[tokio::test]
    async fn a_tail_of_a_deleted_topic_fails() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let [mine, other] = two_topics(&store).await;
        let log = Log::new(Arc::clone(&store) as _);
        let mut tail = Tail::open(log, Arc::new([mine, other]), Start::Latest(0)).await.unwrap();
        tail.next().await.unwrap();
        append(&store, other).await;
        let delete = TopicChange::Delete { name: "other".to_owned(), etag: None };
        store.commit(Write::change(Change::Topic(delete))).await.unwrap();
        // What is left of its events may have holes.
        assert!(matches!(tail.next().await, Err(Error::NotFound { .. })));
        let event = append(&store, mine).await;
        assert_eq!(store.bells().last(), event);
    }
}
