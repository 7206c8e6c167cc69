//! Which version last changed each path of a document.

use rusqlite::{Connection, params};

use crate::error::Result;
use crate::model::Pointer;

/// The paths that changed after a version, each with the version that last changed it.
pub(super) fn changed_after(db: &Connection, document: i64, version: u32) -> Result<Vec<(String, u32)>> {
    let mut statement =
        db.prepare_cached("SELECT path, version FROM document_path WHERE document = ?1 AND version > ?2")?;
    let rows = statement.query_map(params![document, version], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes that a version has changed a path, and with it everything below.
pub(super) fn record(db: &Connection, document: i64, path: &Pointer, version: u32) -> Result<()> {
    let below = path.below();
    db.prepare_cached("DELETE FROM document_path WHERE document = ?1 AND path >= ?2 AND path < ?3")?
        .execute(params![document, below.start, below.end])?;
    db.prepare_cached(
        "INSERT INTO document_path (document, path, version) VALUES (?1, ?2, ?3)
         ON CONFLICT (document, path) DO UPDATE SET version = excluded.version",
    )?
    .execute(params![document, path.as_str(), version])?;
    Ok(())
}
