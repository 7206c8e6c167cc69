//! A store in a folder, and short ways to write and read it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lastmile_server::error::{Error, Result};
use lastmile_server::log::Log;
use lastmile_server::model::{NewEvent, NewTopic, Retention, Seq, StoredEvent, Topic, TopicId, TopicRules};
use lastmile_server::store::{
    Change, Changed, DATABASE_FILE, LogReads, SliceLimit, SqliteStore, Store, TopicChange, TopicChanged,
    Write, check,
};
use rusqlite::Connection;

/// Asserts that a database has no fault.
#[track_caller]
pub(crate) fn assert_sound(folder: &Path) {
    let report = check(&folder.join(DATABASE_FILE)).unwrap();
    assert!(report.faults.is_empty(), "{report}");
}

/// Awaits what must come; the limit is only for failures.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event).await.expect("it did not come")
}

pub(crate) fn open(folder: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(folder, false).unwrap())
}

pub(crate) fn log(store: &Arc<SqliteStore>) -> Log {
    Log::new(Arc::clone(store) as _)
}

/// A topic that keeps what it is told to.
pub(crate) async fn topic(store: &SqliteStore, name: &str, retention: Retention) -> Topic {
    let topic = NewTopic {
        name: name.into(),
        description: String::new(),
        rules: TopicRules::default(),
        retention,
        owner: String::new(),
    };
    let change = Change::Topic(TopicChange::Create(topic));
    match store.commit(Write::change(change)).await.unwrap().changed {
        Some(Changed::Topic(TopicChanged::Topic(topic))) => topic,
        other => panic!("{other:?}"),
    }
}

/// Sets what no call of the store sets, such as an age.
pub(crate) fn sql(folder: &Path, sql: &str) {
    Connection::open(folder.join(DATABASE_FILE)).unwrap().execute_batch(sql).unwrap();
}

pub(crate) fn event(topic: TopicId, bytes: usize) -> NewEvent {
    let (kind, publisher, traceparent) = ("test".into(), "ä".into(), String::new());
    NewEvent { topic, kind, publisher, traceparent, body: vec![7; bytes], idempotency: None }
}

pub(crate) async fn append(store: &SqliteStore, topic: TopicId, bytes: usize) -> Result<Seq> {
    let committed = store.commit(Write::events(vec![event(topic, bytes)])).await?;
    committed.events.first().map(|appended| appended.seq).ok_or_else(|| Error::internal("nothing appended"))
}

/// Everything a topic keeps; nothing when it is gone.
pub(crate) async fn kept(store: &SqliteStore, topic: TopicId) -> Vec<StoredEvent> {
    let topics: Arc<[TopicId]> = Arc::new([topic]);
    let begin = match store.before_latest(Arc::clone(&topics), usize::MAX).await {
        Err(Error::NotFound { .. }) => return Vec::new(),
        begin => begin.unwrap(),
    };
    let limit = SliceLimit { events: usize::MAX >> 1, bytes: usize::MAX };
    store.read_after(topics, begin, limit).await.unwrap().events
}

pub(crate) const FOREVER: Retention = Retention { max_age: Duration::from_secs(1 << 32), max_bytes: 1 << 40 };
