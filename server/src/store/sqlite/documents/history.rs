//! Which version last changed each path of a document.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;
use crate::model::Pointer;

/// Paths remembered of a document: more would make a commit on an old version, or of all there is, slow for everybody.
const MAX_PATHS: u32 = 10_000;

/// Begins the history of a new document; `version` is the last that one of its id may have had before.
pub(super) fn begin(db: &Connection, document: i64, version: u32) -> Result<()> {
    db.prepare_cached("INSERT INTO document_history (document, paths, forgotten) VALUES (?1, 0, ?2)")?
        .execute([document, i64::from(version)])?;
    Ok(())
}

/// Deletes the history of a document that was deleted, which is short.
pub(super) fn end(db: &Connection, document: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM document_path WHERE document = ?1")?.execute([document])?;
    db.prepare_cached("DELETE FROM document_history WHERE document = ?1")?.execute([document])?;
    Ok(())
}

/// The version up to which changes may have been forgotten.
pub(super) fn forgotten(db: &Connection, document: i64) -> Result<u32> {
    Ok(db
        .prepare_cached("SELECT forgotten FROM document_history WHERE document = ?1")?
        .query_row([document], |row| row.get(0))?)
}

/// The last version of those admitted that changed a path equal to, above or below this one.
pub(super) fn last_touching(
    db: &Connection,
    document: i64,
    path: &Pointer,
    admits: impl Fn(u32) -> bool,
) -> Result<Option<u32>> {
    let mut last = None;
    let mut at = db.prepare_cached("SELECT version FROM document_path WHERE document = ?1 AND path = ?2")?;
    for path in path.above().chain([path.as_str()]) {
        let version = at.query_row(params![document, path], |row| row.get(0)).optional()?;
        last = last.max(version.filter(|version| admits(*version)));
    }
    let below = path.below();
    let mut versions = db.prepare_cached(
        "SELECT version FROM document_path WHERE document = ?1 AND path >= ?2 AND path < ?3",
    )?;
    for version in versions.query_map(params![document, below.start, below.end], |row| row.get(0))? {
        last = last.max(Some(version?).filter(|version| admits(*version)));
    }
    Ok(last)
}

/// Notes that a version has changed paths, and with them everything below.
pub(super) fn record<'a>(
    db: &Connection,
    document: i64,
    paths: impl IntoIterator<Item = &'a Pointer>,
    version: u32,
) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM document_path WHERE document = ?1 AND path = ?2")?;
    let mut delete_below =
        db.prepare_cached("DELETE FROM document_path WHERE document = ?1 AND path >= ?2 AND path < ?3")?;
    let mut insert =
        db.prepare_cached("INSERT INTO document_path (document, path, version) VALUES (?1, ?2, ?3)")?;
    let (mut inserted, mut deleted) = (0, 0);
    for path in paths {
        let below = path.below();
        deleted += delete.execute(params![document, path.as_str()])?;
        deleted += delete_below.execute(params![document, below.start, below.end])?;
        inserted += insert.execute(params![document, path.as_str(), version])?;
    }
    let remembered: u32 = db
        .prepare_cached(
            "UPDATE document_history SET paths = paths + ?2 - ?3 WHERE document = ?1 RETURNING paths",
        )?
        .query_row(params![document, inserted, deleted], |row| row.get(0))?;
    match remembered.checked_sub(MAX_PATHS) {
        None | Some(0) => Ok(()),
        Some(excess) => forget_oldest(db, document, excess),
    }
}

/// Forgets the versions that changed the oldest paths, so many of them or a few more.
fn forget_oldest(db: &Connection, document: i64, excess: u32) -> Result<()> {
    let version = db
        .prepare_cached(
            "SELECT version FROM document_path WHERE document = ?1 ORDER BY version LIMIT 1 OFFSET ?2 - 1",
        )?
        .query_row(params![document, excess], |row| row.get(0))?;
    forget(db, document, version)
}

/// Forgets what the versions up to this one changed.
pub(super) fn forget(db: &Connection, document: i64, version: u32) -> Result<()> {
    let deleted = db
        .prepare_cached("DELETE FROM document_path WHERE document = ?1 AND version <= ?2")?
        .execute(params![document, version])?;
    db.prepare_cached(
        "UPDATE document_history SET paths = paths - ?2, forgotten = max(forgotten, ?3) WHERE document = ?1",
    )?
    .execute(params![document, deleted, version])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::documents::records;
    use crate::store::sqlite::schema::open_writer;

    fn pointer(path: &str) -> Pointer {
        Pointer::parse(path).unwrap()
    }

    fn open(folder: &tempfile::TempDir) -> (Connection, i64) {
        let db = open_writer(&folder.path().join("db"), false).unwrap();
        db.execute_batch("BEGIN").unwrap();
        let document = records::create(&db, "plan", 0).unwrap().number;
        (db, document)
    }

    #[test]
    fn equal_above_and_below_touch_and_siblings_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let (db, document) = open(&folder);
        for (version, path) in [(2, "/y"), (3, "/a/b"), (4, "/x"), (5, "/a/b/c"), (9, "/a0")] {
            record(&db, document, [&pointer(path)], version).unwrap();
        }
        let last = |path: &str, base, own: &[u32]| {
            last_touching(&db, document, &pointer(path), |version| version > base && !own.contains(&version))
        };
        for (path, base, own, expected) in [
            ("/a/b", 2, &[][..], Some(5)),
            ("/a/b", 3, &[], Some(5)),
            ("/a/b", 5, &[], None),
            ("/a/b", 4, &[5], None),
            ("/a/b", 2, &[5], Some(3)),
            ("/a", 2, &[], Some(5)),
            ("", 2, &[], Some(9)),
            ("", 9, &[], None),
            ("/a/b/d", 2, &[], Some(3)),
            ("/a/b/d", 3, &[], None),
            ("/a/b/c/d", 2, &[], Some(5)),
            ("/a/bc", 0, &[], None),
            ("/a/c", 0, &[], None),
            ("/y", 1, &[], Some(2)),
            ("/y", 2, &[], None),
            ("/z", 0, &[], None),
        ] {
            assert_eq!(last(path, base, own).unwrap(), expected, "{path} after {base} without {own:?}");
        }
        record(&db, document, [&Pointer::default()], 10).unwrap();
        assert_eq!(last("/a/b", 9, &[]).unwrap(), Some(10));
    }

    #[test]
    fn no_more_paths_are_remembered_than_a_commit_may_look_at() {
        let folder = tempfile::tempdir().unwrap();
        let (db, document) = open(&folder);
        let counts = || -> (u32, u32) {
            let sql = "SELECT paths, (SELECT count(*) FROM document_path) FROM document_history";
            db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        };
        let paths = |version: u32, count: u32| -> Vec<Pointer> {
            (0..count).map(|n| pointer(&format!("/{version}/{n}"))).collect()
        };
        let per_version = 100;
        for version in 1..=MAX_PATHS / per_version {
            record(&db, document, &paths(version, per_version), version).unwrap();
        }
        assert_eq!((counts(), forgotten(&db, document).unwrap()), ((MAX_PATHS, MAX_PATHS), 0));
        record(&db, document, &paths(1000, 150), 1000).unwrap();
        assert_eq!((counts(), forgotten(&db, document).unwrap()), ((9_950, 9_950), 2), "whole versions go");
        record(&db, document, &paths(1000, 150), 1001).unwrap();
        assert_eq!((counts(), forgotten(&db, document).unwrap()), ((9_950, 9_950), 2), "nothing is new");
        record(&db, document, [&pointer("/1000")], 1002).unwrap();
        assert_eq!(counts(), (9_801, 9_801));
    }
}
