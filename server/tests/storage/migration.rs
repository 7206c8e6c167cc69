//! A database of an earlier version goes on as if nothing had happened.

use std::sync::Arc;

use lastmile_server::model::USERS_TOPIC;
use lastmile_server::store::{DATABASE_FILE, LogReads, SqliteStore, Store, check};
use rusqlite::Connection;

use super::harness::{append, assert_sound, kept};

#[tokio::test]
async fn version_1_is_migrated_with_all_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    Connection::open(&path).unwrap().execute_batch(include_str!("version-1.sql")).unwrap();
    let why = check(&path).unwrap_err();
    let why = std::error::Error::source(&why).unwrap().to_string();
    assert!(why.contains("schema version 1") && why.contains("when it starts"), "{why}");

    let store = SqliteStore::open(folder.path(), true).unwrap();
    assert_eq!((store.epoch(), store.bells().last()), (305_622_606, 9), "cursors of before are still good");
    let (alice, hash) = store.credentials("alice").await.unwrap().unwrap();
    assert_eq!((alice.id, alice.name.as_str()), (1, "Alice"));
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    assert_eq!(kept(&store, USERS_TOPIC).await.len(), 3);
    let news = store.topic("news").await.unwrap().unwrap();
    let events: Vec<_> =
        kept(&store, news.id).await.iter().map(|event| (event.previous, event.seq)).collect();
    assert_eq!(events, [(0, 7), (7, 8), (8, 9)]);
    assert_eq!(append(&store, news.id, 3).await.unwrap(), 10);
    drop(store);
    assert_sound(folder.path());

    let again = SqliteStore::open(folder.path(), true).unwrap();
    assert_eq!(kept(&again, news.id).await.len(), 4);
}

#[tokio::test]
async fn many_versions_open_at_once_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    let db = Connection::open(&path).unwrap();
    db.execute_batch(include_str!("version-1.sql")).unwrap();
    // A later step meets something that it does not expect.
    db.execute_batch("CREATE TABLE document (wrong INTEGER)").unwrap();
    SqliteStore::open(folder.path(), true).unwrap_err();
    let version: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let tables: u32 = db
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'former_topic'", [], |row| row.get(0))
        .unwrap();
    assert_eq!((version, tables), (1, 0), "what a failed migration has begun is gone");
    db.execute_batch("DROP TABLE document").unwrap();
    drop(Arc::new(SqliteStore::open(folder.path(), true).unwrap()));
    assert_sound(folder.path());
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    db.execute_batch("CREATE TABLE theirs (x INTEGER)").unwrap();
    let why = SqliteStore::open(folder.path(), true).unwrap_err();
    let why = std::error::Error::source(&why).unwrap().to_string();
    assert!(why.contains("another program"), "{why}");
    let tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}
