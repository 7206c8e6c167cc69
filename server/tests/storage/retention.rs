//! Old events go, and nobody who misses them is left to believe otherwise.

use std::sync::Arc;
use std::time::Duration;

use lastmile_server::domain::keep_retention;
use lastmile_server::error::Error;
use lastmile_server::log::{Delivery, Start, Tail};
use lastmile_server::model::{Retention, Seq, Time, TopicId, USERS_TOPIC};
use lastmile_server::store::{Change, Changed, LogReads, SliceLimit, SqliteStore, Store, Write};

use super::harness::{FOREVER, append, assert_sound, kept, log, open, soon, sql, topic};

const LIMIT: SliceLimit = SliceLimit { events: 1000, bytes: usize::MAX };

/// Deletes all that is overdue; how many slices it took.
async fn trim_all(store: &SqliteStore, now: Time) -> usize {
    let mut slices = 0;
    for topic in store.overdue(now).await.unwrap() {
        loop {
            slices += 1;
            match store.commit(Write::change(Change::Trim { topic, now })).await.unwrap().changed {
                Some(Changed::Trimmed { more: true }) => {}
                Some(Changed::Trimmed { more: false }) => break,
                other => panic!("{other:?}"),
            }
        }
    }
    slices
}

fn positions(events: &[lastmile_server::model::StoredEvent]) -> Vec<(Seq, Seq)> {
    events.iter().map(|event| (event.previous, event.seq)).collect()
}

#[tokio::test]
async fn too_many_bytes_go_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (small, large) = (topic(&store, "small", FOREVER).await.id, topic(&store, "large", FOREVER).await.id);
    for _ in 0..10 {
        append(&store, small, 100).await.unwrap();
        append(&store, large, 100).await.unwrap();
    }
    assert_eq!(trim_all(&store, Time::now()).await, 0, "all may stay");
    // Each event weighs 100 + 4 + 2 + 64.
    sql(folder.path(), &format!("UPDATE topic SET max_bytes = 3 * 170 WHERE id = {}", small.0));
    assert_eq!(trim_all(&store, Time::now()).await, 1);
    assert_eq!(positions(&kept(&store, small).await), [(13, 15), (15, 17), (17, 19)]);
    assert_eq!(kept(&store, large).await.len(), 10);
    assert_sound(folder.path());
}

#[tokio::test]
async fn too_old_goes_and_the_last_position_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", Retention::default()).await.id;
    for _ in 0..1200 {
        append(&store, news, 1).await.unwrap();
    }
    let later = Time::now().plus(Duration::from_secs(8 * 24 * 60 * 60));
    assert_eq!(trim_all(&store, later).await, 3, "in slices");
    let topics: Arc<[TopicId]> = Arc::new([news]);
    assert!(kept(&store, news).await.is_empty());
    assert_eq!(store.before_latest(Arc::clone(&topics), 0).await.unwrap(), 1200);
    let read = store.read_after(Arc::clone(&topics), 1200, LIMIT).await.unwrap();
    assert_eq!((read.start, read.events.len()), (1200, 0), "who has seen all goes on");
    let read = store.read_after(Arc::clone(&topics), 1199, LIMIT).await;
    assert!(matches!(read, Err(Error::CursorExpired)), "{read:?}");
    append(&store, news, 1).await.unwrap();
    assert_eq!(positions(&kept(&store, news).await), [(1200, 1201)], "the order has no hole");
    assert_sound(folder.path());
}

#[tokio::test]
async fn an_event_from_the_future_keeps_no_older_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", Retention::default()).await.id;
    for _ in 0..6 {
        append(&store, news, 1).await.unwrap();
    }
    let day = 24 * 60 * 60 * 1_000_000_i64;
    sql(folder.path(), &format!("UPDATE event SET time = time + 400 * {day} WHERE seq IN (1, 2, 5)"));
    assert_eq!(trim_all(&store, Time::now()).await, 1);
    assert_eq!(kept(&store, news).await.len(), 6, "those after it are young");
    sql(folder.path(), &format!("UPDATE event SET time = time - 8 * {day} WHERE seq IN (3, 4)"));
    assert_eq!(trim_all(&store, Time::now()).await, 1);
    assert_eq!(positions(&kept(&store, news).await), [(4, 5), (5, 6)]);
    assert_sound(folder.path());
}

/// Its database refuses to delete the events of one topic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_cannot_be_trimmed_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (stuck, fine) = (topic(&store, "stuck", FOREVER).await.id, topic(&store, "fine", FOREVER).await.id);
    for topic in [stuck, fine] {
        append(&store, topic, 1).await.unwrap();
    }
    sql(
        folder.path(),
        &format!(
            "UPDATE topic SET max_bytes = 0;
             CREATE TRIGGER stuck BEFORE DELETE ON event WHEN OLD.topic = {}
             BEGIN SELECT RAISE(ABORT, 'stuck'); END",
            stuck.0
        ),
    );
    let retention = tokio::spawn(keep_retention(Arc::clone(&store) as _, Duration::from_millis(10)));
    soon(async {
        while store.overdue(Time::now()).await.unwrap() != [stuck] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    retention.abort();
    assert_eq!((kept(&store, stuck).await.len(), kept(&store, fine).await.len()), (1, 0));
}

#[tokio::test]
async fn events_of_a_topic_that_is_gone_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let gone = topic(&store, "gone", FOREVER).await.id;
    for _ in 0..700 {
        append(&store, gone, 1).await.unwrap();
    }
    let stays = append(&store, USERS_TOPIC, 1).await.unwrap();
    sql(folder.path(), &format!("DELETE FROM topic WHERE id = {}", gone.0));
    assert_eq!(trim_all(&store, Time::now()).await, 2);
    assert!(kept(&store, gone).await.is_empty());
    assert_eq!(positions(&kept(&store, USERS_TOPIC).await), [(0, stays)]);
}

/// The promise of the log: whoever reads slowly gets every event, or is told that some are gone. Never a silent hole.
#[tokio::test]
async fn a_paused_reader_is_told_when_its_next_events_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    for _ in 0..200 {
        append(&store, news, 100).await.unwrap();
    }
    let mut tail = Tail::open(log(&store), Arc::new([news]), Start::Position(0)).await.unwrap();
    let (mut seen, mut told) = (Vec::new(), None);
    for round in 0.. {
        match soon(tail.next()).await {
            Ok(Delivery::Position(_)) => {}
            Ok(Delivery::Event(event)) => seen.push(event.seq),
            Err(error) => {
                told = Some(error);
                break;
            }
        }
        if round == 70 {
            // While the reader pauses in the middle of a slice, everything but the last ten goes.
            sql(folder.path(), &format!("UPDATE topic SET max_bytes = 10 * 170 WHERE id = {}", news.0));
            trim_all(&store, Time::now()).await;
        }
    }
    assert!(matches!(told, Some(Error::CursorExpired)), "{told:?}");
    assert_eq!(
        seen,
        (1..=128).collect::<Vec<_>>(),
        "what was read before is delivered, then the end is said"
    );
}

/// Readers at all speeds against a publisher, with retention at work all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_sees_a_hole_while_retention_runs() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    sql(folder.path(), &format!("UPDATE topic SET max_bytes = 400 * 170 WHERE id = {}", news.0));
    let retention = tokio::spawn(keep_retention(Arc::clone(&store) as _, Duration::from_millis(10)));
    let readers: Vec<_> = (0..8_u64)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { read_to_the_end(&store, news, number).await })
        })
        .collect();
    for _ in 0..40 {
        let events = (0..100).map(|_| append(&store, news, 100));
        futures_util::future::try_join_all(events).await.unwrap();
    }
    let last = append(&store, news, 1).await.unwrap();
    for reader in readers {
        let (end, gaps) = soon(reader).await.unwrap();
        assert_eq!(end, last, "after {gaps} gaps");
    }
    retention.abort();
    drop(retention.await);
    assert!(kept(&store, news).await.len() < 4000, "retention did nothing");
    assert_sound(folder.path());
}

/// Reads until the short event that ends the test; checks that each event names the one before it.
async fn read_to_the_end(store: &Arc<SqliteStore>, topic: TopicId, slowness: u64) -> (Seq, usize) {
    let mut gaps = 0;
    let mut start = Start::Latest(0);
    loop {
        let mut tail = Tail::open(log(store), Arc::new([topic]), start).await.unwrap();
        let mut before = match tail.next().await.unwrap() {
            Delivery::Position(seq) => seq,
            Delivery::Event(event) => panic!("no position first: {event:?}"),
        };
        loop {
            match tail.next().await {
                Ok(Delivery::Position(seq)) => assert_eq!(seq, before),
                Ok(Delivery::Event(event)) => {
                    assert_eq!(event.previous, before, "a hole without a word");
                    before = event.seq;
                    if event.body.len() == 1 {
                        return (before, gaps);
                    }
                    if before % 64 == 0 {
                        tokio::time::sleep(Duration::from_millis(slowness * 3)).await;
                    }
                }
                Err(Error::CursorExpired) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        gaps += 1;
        start = Start::Latest(100);
    }
}
