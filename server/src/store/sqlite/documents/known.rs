//! Operations that were applied before, so that one that is sent again is not applied twice.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Error, Result};
use crate::model::{DocumentOp, Seq, Time};

/// How long an operation is known.
pub(super) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The version it was made on.
    pub(super) base: u32,
    /// The version it made.
    pub(super) version: u32,
    /// The position of the event that told of it.
    pub(super) seq: Seq,
}

/// What became of an operation of this id, if there was one.
pub(super) fn find(db: &Connection, document: i64, op: &DocumentOp) -> Result<Option<Outcome>> {
    let found: Option<([u8; 32], Outcome)> = db
        .prepare_cached(
            "SELECT digest, base, version, seq FROM document_op WHERE document = ?1 AND op = ?2 AND expires > ?3",
        )?
        .query_row(params![document, op.id, Time::now().micros()], |row| {
            let outcome = Outcome { base: row.get(1)?, version: row.get(2)?, seq: row.get(3)? };
            Ok((row.get(0)?, outcome))
        })
        .optional()?;
    match found {
        Some((digest, _)) if digest != op.digest() => {
            Err(Error::OpIdReused { op_id: op.id.clone(), field: "op_id".to_owned() })
        }
        found => Ok(found.map(|(_, outcome)| outcome)),
    }
}

/// Notes what became of operations.
pub(super) fn record(db: &Connection, document: i64, ops: &[DocumentOp], outcome: Outcome) -> Result<()> {
    let now = Time::now();
    // One that has expired may be there still.
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO document_op (document, op, digest, base, version, seq, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let Outcome { base, version, seq } = outcome;
    let expires = now.plus(LIFETIME).micros();
    for op in ops {
        insert.execute(params![document, op.id, op.digest(), base, version, seq, expires])?;
    }
    Ok(())
}

/// Forgets so many of the operations that have expired; the versions they made, each with its document.
pub(super) fn forget(db: &Connection, now: Time, limit: usize) -> Result<Vec<(i64, u32)>> {
    let expired: Vec<(i64, String, u32)> = db
        .prepare_cached(
            "SELECT document, op, version FROM document_op WHERE expires <= ?1 ORDER BY expires LIMIT ?2",
        )?
        .query_map(params![now.micros(), limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    // One by one: for `DELETE … IN` SQLite looks at all operations of these documents.
    let mut delete = db.prepare_cached("DELETE FROM document_op WHERE document = ?1 AND op = ?2")?;
    for (document, op, _) in &expired {
        delete.execute(params![document, op])?;
    }
    Ok(expired.into_iter().map(|(document, _, version)| (document, version)).collect())
}
