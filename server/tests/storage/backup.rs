//! Backups made while the server writes, and what a restore begins.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lastmile_server::error::Error;
use lastmile_server::store::{DATABASE_FILE, LogReads, SqliteStore, backup, check, restore};

use super::harness::{FOREVER, append, assert_sound, kept, log, open, soon, sql, topic};

fn why<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    let error = outcome.unwrap_err();
    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_under_load_is_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    append(&store, news, 500).await.unwrap();
                }
            })
        })
        .collect();
    let mut moments = Vec::new();
    for number in 0..5 {
        let (from, file) = (folder.path().to_owned(), folder.path().join(format!("{number}.backup")));
        let before = soon(async {
            // Writing goes on between any two backups.
            loop {
                let last = store.bells().last();
                if moments.last().is_none_or(|moment| last > *moment) {
                    break last;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        let report = tokio::task::spawn_blocking(move || backup(&from, &file)).await.unwrap().unwrap();
        assert_eq!(report.faults, [""; 0]);
        assert!(report.last >= before, "an answered write is missing");
        assert_eq!(report.events, report.last, "every event up to its end is in it");
        moments.push(report.last);
    }
    stop.store(true, Ordering::Relaxed);
    futures_util::future::try_join_all(writers).await.unwrap();
    let mode = fs::metadata(folder.path().join("0.backup")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");
}

#[tokio::test]
async fn a_restore_begins_a_new_epoch() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = old.path().join("backup");
    let store = open(old.path());
    let news = topic(&store, "news", FOREVER).await.id;
    append(&store, news, 1).await.unwrap();
    backup(old.path(), &file).unwrap();
    let cursor = log(&store).cursor(append(&store, news, 2).await.unwrap());

    let report = restore(&file, new.path()).unwrap();
    assert_eq!((report.last, report.faults.len()), (1, 0));
    let restored = open(new.path());
    assert_eq!(kept(&restored, news).await.len(), 1);
    append(&restored, news, 3).await.unwrap();
    // The same position, and another event: only the epoch tells them apart.
    let position = log(&restored).position(&cursor, "cursor");
    assert!(matches!(position, Err(Error::CursorEpochChanged)), "{position:?}");
    drop(restored);
    assert_sound(new.path());
}

#[tokio::test]
async fn a_backup_of_an_earlier_version_is_restored_and_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.backup");
    rusqlite::Connection::open(&file).unwrap().execute_batch(include_str!("version-1.sql")).unwrap();
    restore(&file, &folder.path().join(".")).unwrap();
    let store = SqliteStore::open(folder.path(), true).unwrap();
    assert_eq!(store.bells().last(), 9);
    assert_sound(folder.path());
}

#[tokio::test]
async fn nothing_is_replaced_and_nothing_damaged_is_restored() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    for _ in 0..100 {
        append(&store, news, 1000).await.unwrap();
    }
    let good = path("good");
    backup(folder.path(), &good).unwrap();
    assert!(why(backup(folder.path(), &good)).contains("never replaces a file"));
    assert!(why(backup(empty.path(), &path("new"))).contains("nothing to back up"));
    assert!(why(check(&path("new"))).contains("there is no such file"));
    assert!(why(restore(&good, folder.path())).contains("never replaces a database"));

    let bytes = fs::read(&good).unwrap();
    fs::write(path("cut"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(path("text"), "not a database").unwrap();
    fs::write(path("nothing"), "").unwrap();
    let mut hole = bytes.clone();
    hole[4096 * 3..4096 * 4].fill(0);
    fs::write(path("hole"), hole).unwrap();
    rusqlite::Connection::open(path("foreign")).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    for (name, says) in [
        ("cut", "malformed"),
        ("text", "not a database"),
        ("nothing", "nothing of this server"),
        ("hole", ""),
        ("foreign", "another program"),
        ("missing", "No such file"),
    ] {
        let why = why(restore(&path(name), empty.path()));
        assert!(why.contains(says) && why.contains(name), "{name}: {why}");
        let left: Vec<_> = fs::read_dir(empty.path()).unwrap().collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
    fs::write(empty.path().join(format!("{DATABASE_FILE}-wal")), "").unwrap();
    assert!(
        why(restore(&good, empty.path())).contains("move it away first"),
        "its log would be played into the backup"
    );
}

#[tokio::test]
async fn check_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    for _ in 0..5 {
        append(&store, news, 1).await.unwrap();
    }
    drop(store);
    for (damage, says) in [
        ("DELETE FROM event WHERE seq = 3", "event 4 names 3 as the one before it, and 2 is"),
        ("DELETE FROM event WHERE seq = 5", "ends at 5, and its last event is 4"),
        ("UPDATE topic SET bytes = 1 WHERE name = 'news'", "counts 1 bytes, and has"),
        ("UPDATE log SET last = 3", "the log ends at 3, and has an event 5"),
        ("UPDATE topic SET trimmed = 2 WHERE name = 'news'", "has events up to 2, which were deleted"),
        (
            "PRAGMA foreign_keys = 0; INSERT INTO session (user) VALUES (77)",
            "a row of session names a row of user",
        ),
    ] {
        let copy = tempfile::tempdir().unwrap();
        fs::copy(folder.path().join(DATABASE_FILE), copy.path().join(DATABASE_FILE)).unwrap();
        sql(copy.path(), damage);
        let report = check(&copy.path().join(DATABASE_FILE)).unwrap();
        assert!(report.faults.iter().any(|fault| fault.contains(says)), "{damage}: {report}");
    }
    assert_sound(folder.path());
}

#[tokio::test]
async fn a_stopped_server_leaves_one_whole_file_and_a_live_one_is_not_restored() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join(DATABASE_FILE);
    let store = open(folder.path());
    let news = topic(&store, "news", FOREVER).await.id;
    append(&store, news, 1).await.unwrap();
    assert!(why(restore(&file, empty.path())).contains("it is the database of a server"));
    drop(store);
    let copy = folder.path().join("copy");
    fs::copy(&file, &copy).unwrap();
    assert_eq!(check(&copy).unwrap().events, 1, "what was answered is not only in the write-ahead log");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    restore(&copy, empty.path()).unwrap();
    let mode = fs::metadata(empty.path().join(DATABASE_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds secrets, however they came");
}

#[tokio::test]
async fn a_backup_that_was_killed_is_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let file = folder.path().join("backup");
    fs::write(folder.path().join("backup.partial"), "half").unwrap();
    assert_eq!(backup(folder.path(), &file).unwrap().last, store.bells().last());
}
