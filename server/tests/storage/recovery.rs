//! After a crash and through a broken disk: what was answered is there, and nothing half.

use std::fs;
use std::path::Path;

use lastmile_server::error::Error;
use lastmile_server::model::Time;
use lastmile_server::store::{
    Change, DATABASE_FILE, LogReads, SessionChange, SqliteStore, Store, UserChange, Write,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::harness::{FOREVER, append, assert_sound, event, kept, open, topic};

fn wal(folder: &Path) -> std::path::PathBuf {
    folder.join(format!("{DATABASE_FILE}-wal"))
}

/// A power cut may leave any end of the write-ahead log torn: cut short, or with rubbish in it.
#[tokio::test]
async fn a_torn_write_ahead_log_leaves_a_whole_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    for bytes in 1..=60 {
        append(&store, news, bytes * 100).await.unwrap();
    }
    let whole = fs::read(wal(folder.path())).unwrap();
    let mut random = StdRng::seed_from_u64(7);
    let mut ends = Vec::new();
    for round in 0..40 {
        let torn = tempfile::tempdir().unwrap();
        fs::copy(folder.path().join(DATABASE_FILE), torn.path().join(DATABASE_FILE)).unwrap();
        let cut = random.random_range(0..whole.len());
        let mut bytes = whole.clone();
        if round % 2 == 0 {
            bytes.truncate(cut);
        } else {
            let end = (cut + 3000).min(bytes.len());
            random.fill(&mut bytes[cut..end]);
        }
        fs::write(wal(torn.path()), bytes).unwrap();
        // Cut down to before the first commit, the file is that of a server that never got to make its tables.
        let store = SqliteStore::open(torn.path(), false).unwrap();
        let last = store.bells().last();
        let seqs: Vec<_> = kept(&store, news).await.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=last).collect::<Vec<_>>(), "cut at {cut}");
        ends.push(last);
        if seqs.contains(&1) {
            assert_eq!(append(&store, news, 1).await.unwrap(), last + 1);
        }
        drop(store);
        assert_sound(torn.path());
    }
    assert!(ends.iter().any(|last| *last > 0 && *last < 60), "no cut fell between two commits: {ends:?}");
}

#[tokio::test]
async fn a_writer_that_panics_refuses_one_group_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    let change = Change::Session(SessionChange::End { token: [0; 32], now: Time::now() });
    let bad = store.commit(Write::telling(change, |_| panic!("a fault of the program"))).await;
    assert!(matches!(bad, Err(Error::Internal(_))), "{bad:?}");
    assert_eq!(append(&store, news, 1).await.unwrap(), 1);
    assert_eq!(kept(&store, news).await.len(), 1);
    assert_sound(folder.path());
}

#[tokio::test]
async fn a_change_and_its_events_fail_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    let unknown = Change::User(UserChange::Delete { id: 99, etag: None });
    let write = Write::telling(unknown, move |_| vec![event(news, 1)]);
    assert!(matches!(store.commit(write).await, Err(Error::NotFound { kind: "user", .. })));
    assert!(kept(&store, news).await.is_empty());
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    let other = rusqlite::Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = append(&store, news, 1).await;
    assert!(matches!(refused, Err(Error::StorageBusy)), "{refused:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(append(&store, news, 1).await.unwrap(), 1);
}
