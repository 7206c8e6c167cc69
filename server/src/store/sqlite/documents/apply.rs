//! Makes a change of a document.

use rusqlite::Connection;

use super::commit::{check_base, check_conflicts, edit, sort_out};
use super::history;
use super::known::{self, Outcome};
use super::records::{Record, create, find_record, store, store_deleted};
use crate::error::{Error, Result};
use crate::model::{DocumentCommit, DocumentOp, Pointer, Seq};
use crate::store::change::{DocumentChange, DocumentChanged};

/// Makes a change of a document; `next` is the position that the event which tells of it gets.
pub(in crate::store::sqlite) fn apply(
    db: &Connection,
    change: DocumentChange,
    next: Seq,
) -> Result<DocumentChanged> {
    match change {
        DocumentChange::Commit(commit) => apply_commit(db, commit, next),
        DocumentChange::Delete { id, version } => delete(db, id, version),
    }
}

fn apply_commit(db: &Connection, mut commit: DocumentCommit, next: Seq) -> Result<DocumentChanged> {
    let record = find_record(db, &commit.id)?;
    let operations = sort_out(db, record.as_ref(), std::mem::take(&mut commit.ops))?;
    if operations.new.is_empty()
        && let Some(Outcome { version, seq, .. }) = operations.known.iter().max_by_key(|known| known.version)
    {
        return Ok(DocumentChanged::Repeated { version: *version, seq: *seq });
    }
    check_base(record.as_ref(), &commit)?;
    let record = record.map_or_else(|| create(db, &commit.id, next - 1), Ok)?;
    // Who knows no version has last seen that there was none.
    let base = if commit.base == 0 { record.absent } else { commit.base };
    check_conflicts(db, &record, base, &operations)?;

    let Record { number, topic, .. } = record;
    let version = next_version(&record)?;
    let content = edit(record.content.unwrap_or_default(), &operations.new)?;
    let ops: Vec<DocumentOp> = operations.new.into_iter().map(|(_, op)| op).collect();
    store(db, number, version, &content)?;
    history::record(db, number, ops.iter().map(|op| &op.path), version)?;
    known::record(db, number, &ops, Outcome { base, version, seq: next })?;
    Ok(DocumentChanged::Committed { topic, version, ops })
}

fn delete(db: &Connection, id: String, known: Option<u32>) -> Result<DocumentChanged> {
    let found = find_record(db, &id)?.filter(|record| record.content.is_some());
    let Some(record) = found else {
        return Err(Error::NotFound { kind: "document", name: id });
    };
    if known.is_some_and(|known| known != record.version) {
        return Err(Error::EtagMismatch { kind: "document", name: id });
    }
    let version = next_version(&record)?;
    store_deleted(db, record.number, version)?;
    history::record(db, record.number, [&Pointer::default()], version)?;
    Ok(DocumentChanged::Deleted { topic: record.topic, version })
}

fn next_version(record: &Record) -> Result<u32> {
    record.version.checked_add(1).ok_or_else(|| Error::internal("a document has no versions left"))
}
