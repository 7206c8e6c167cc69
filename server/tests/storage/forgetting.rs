//! What is known for a time only goes when its time is over, whether somebody writes or not.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lastmile_server::domain::keep_retention;
use lastmile_server::error::Error;
use lastmile_server::log::{Start, Tail};
use lastmile_server::model::{Action, DocumentCommit, DocumentOp, Idempotency, Pointer, Time, USERS_TOPIC};
use lastmile_server::store::{
    Change, Changed, DATABASE_FILE, DocumentChange, DocumentChanged, SqliteStore, Store, Write,
};
use rusqlite::Connection;

use super::harness::{append, assert_sound, event, log, open, soon, sql};

fn count(folder: &Path, table: &str) -> u32 {
    let db = Connection::open(folder.join(DATABASE_FILE)).unwrap();
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn in_a_week() -> Time {
    Time::now().plus(Duration::from_secs(7 * 24 * 60 * 60 + 60))
}

/// Deletes all that had its time; how many slices it took.
async fn forget_all(store: &SqliteStore, now: Time) -> usize {
    for slices in 1.. {
        match store.commit(Write::change(Change::Forget { now })).await.unwrap().changed {
            Some(Changed::Forgotten { more: true, .. }) => {}
            Some(Changed::Forgotten { more: false, .. }) => return slices,
            other => panic!("{other:?}"),
        }
    }
    unreachable!()
}

/// A commit of one operation for each name, with the event that tells of it.
async fn change(store: &SqliteStore, id: &str, base: u32, names: &[String]) -> Result<u32, Error> {
    let text =
        |text: &str| prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(text.into())) };
    let op = |name: &String| DocumentOp {
        id: name.clone(),
        path: Pointer::parse(&format!("/{name}")).unwrap(),
        action: Action::Set(text("x")),
    };
    let commit = DocumentCommit { id: id.into(), base, ops: names.iter().map(op).collect() };
    tell(store, DocumentChange::Commit(commit)).await
}

async fn tell(store: &SqliteStore, change: DocumentChange) -> Result<u32, Error> {
    let write = Write::telling(Change::Document(change), |changed| match changed {
        Changed::Document(
            DocumentChanged::Committed { topic, .. } | DocumentChanged::Deleted { topic, .. },
        ) => vec![event(*topic, 1)],
        _ => Vec::new(),
    });
    match store.commit(write).await?.changed {
        Some(Changed::Document(
            DocumentChanged::Committed { version, .. } | DocumentChanged::Deleted { version, .. },
        )) => Ok(version),
        other => panic!("{other:?}"),
    }
}

fn delete(id: &str) -> DocumentChange {
    DocumentChange::Delete { id: id.into(), version: None }
}

#[tokio::test]
async fn expired_keys_go_in_slices_and_may_be_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let keyed = |key: usize, byte: u8| {
        let (subject, key, digest) = ("1".to_owned(), key.to_string(), [byte; 32]);
        let idempotency = Some(Idempotency { subject, key, digest });
        store.commit(Write::events(vec![lastmile_server::model::NewEvent {
            idempotency,
            ..event(USERS_TOPIC, 1)
        }]))
    };
    futures_util::future::try_join_all((0..1200).map(|key| keyed(key, 1))).await.unwrap();
    sql(folder.path(), "UPDATE idempotency SET expires = 1");
    keyed(1, 2).await.unwrap();
    assert_eq!(count(folder.path(), "idempotency"), 1200, "a publisher does not pay for the others");
    assert!(matches!(keyed(1, 3).await, Err(Error::IdempotencyKeyReused(_))));
    assert_eq!(forget_all(&store, Time::now()).await, 3);
    assert_eq!(count(folder.path(), "idempotency"), 1);
}

/// Without a write of anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_had_its_time_goes_while_nobody_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    change(&store, "plan", 0, &["a".to_owned()]).await.unwrap();
    sql(folder.path(), "UPDATE document_op SET expires = 1");
    let retention = tokio::spawn(keep_retention(Arc::clone(&store) as _, Duration::from_millis(10)));
    soon(async {
        while count(folder.path(), "document_op") + count(folder.path(), "document_path") > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    retention.abort();
}

#[tokio::test]
async fn a_commit_from_before_what_is_known_is_in_conflict_with_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let names = |first: usize| -> Vec<String> { (first..first + 300).map(|n| n.to_string()).collect() };
    for base in 0..3 {
        change(&store, "plan", base, &names(base as usize * 300)).await.unwrap();
    }
    assert_eq!(forget_all(&store, in_a_week()).await, 2);
    assert_eq!((count(folder.path(), "document_op"), count(folder.path(), "document_path")), (0, 0));
    for base in [0, 1, 2] {
        let Err(Error::DocumentConflict(conflict)) = change(&store, "plan", base, &names(5000)).await else {
            panic!("the changes after {base} are passed over")
        };
        let paths: Vec<_> = conflict.paths.iter().map(|each| (each.path.as_str(), each.version)).collect();
        assert_eq!((paths, conflict.version), (vec![("", 3)], 3));
    }
    assert_eq!(change(&store, "plan", 3, &names(5000)).await.unwrap(), 4);
}

/// The one thing a caller keeps of a document is its version: no later document of its id may take that for its own.
#[tokio::test]
async fn a_document_deleted_long_ago_leaves_nothing_and_its_versions_never_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let names = |name: &str| vec![name.to_owned()];
    change(&store, "plan", 0, &names("a")).await.unwrap();
    for version in 1..9 {
        change(&store, "plan", version, &names(&version.to_string())).await.unwrap();
    }
    let old = store.document_log("plan").await.unwrap().unwrap().topic;
    let (_, seen) = store.document("plan").await.unwrap().unwrap();
    assert_eq!(tell(&store, delete("plan")).await.unwrap(), 10);
    let mut tail = Tail::open(log(&store), Arc::new([old]), Start::Position(seen + 1)).await.unwrap();
    tail.next().await.unwrap();

    forget_all(&store, Time::now()).await;
    assert!(store.document_log("plan").await.unwrap().unwrap().deleted, "its operations are still known");
    let (_, ended) = tokio::join!(forget_all(&store, in_a_week()), soon(tail.next()));
    assert!(matches!(ended, Err(Error::NotFound { .. })), "who follows it is told: {ended:?}");
    assert!(store.document_log("plan").await.unwrap().is_none());
    for table in ["document", "document_path", "document_op", "document_history"] {
        assert_eq!(count(folder.path(), table), 0, "{table}");
    }

    append(&store, USERS_TOPIC, 1).await.unwrap();
    assert_eq!(change(&store, "plan", 0, &names("b")).await.unwrap(), 11);
    for base in 1..10 {
        let stale = change(&store, "plan", base, &names("c")).await;
        assert!(matches!(stale, Err(Error::DocumentConflict(_))), "on {base}: {stale:?}");
    }
    let again = store.document_log("plan").await.unwrap().unwrap().topic;
    let stale = Tail::open(log(&store), Arc::new([again]), Start::Position(seen)).await;
    assert!(matches!(stale, Err(Error::CursorExpired)), "{stale:?}");
    assert_eq!(change(&store, "other", 0, &names("a")).await.unwrap(), 11, "any new one may be an old one");
    assert_sound(folder.path());
}
