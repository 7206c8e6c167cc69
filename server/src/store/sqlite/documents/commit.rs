//! Decides what becomes of a commit.

use std::collections::BTreeSet;

use lastmile_proto::v1;
use prost::Message;
use prost_types::Struct;
use rusqlite::Connection;

use super::history;
use super::known::{self, Outcome};
use super::records::Record;
use crate::error::{Error, Result, Violation};
use crate::model::{DocumentCommit, DocumentOp, Pointer, apply_op, json_size, value_at};

/// Bytes of a document as JSON.
const MAX_JSON: usize = 1 << 20;

/// Bytes of a document as protobuf, where numbers weigh more: with it an answer is below the message limit that
/// clients have by default.
const MAX_ENCODED: usize = 2 << 20;

/// Bytes of the values that a refusal tells; those without room are read with the document.
const MAX_TOLD: usize = 64 * 1024;

/// The operations of a commit, each with its place in the request.
#[derive(Debug)]
pub(super) struct Operations {
    /// Not applied yet.
    pub(super) new: Vec<(usize, DocumentOp)>,
    /// What became of those that were applied before.
    pub(super) known: Vec<Outcome>,
}

/// Sorts out which operations were applied before.
pub(super) fn sort_out(db: &Connection, record: Option<&Record>, ops: Vec<DocumentOp>) -> Result<Operations> {
    let mut operations = Operations { new: Vec::new(), known: Vec::new() };
    for (index, op) in ops.into_iter().enumerate() {
        let outcome = record.map(|record| known::find(db, record.number, &op)).transpose();
        let outcome = outcome.map_err(|error| error.within(&format!("ops[{index}]")))?;
        match outcome.flatten() {
            Some(outcome) => operations.known.push(outcome),
            None => operations.new.push((index, op)),
        }
    }
    Ok(operations)
}

/// Admits a base version that the document had.
pub(super) fn check_base(record: Option<&Record>, commit: &DocumentCommit) -> Result<()> {
    let (version, exists) = record.map_or((0, false), |record| (record.version, record.content.is_some()));
    if commit.base > 0 && !exists {
        return Err(Error::NotFound { kind: "document", name: commit.id.clone() });
    }
    if commit.base > version {
        return Err(Error::invalid(
            "base_version",
            format!("must be a version of the document, up to {version}"),
        ));
    }
    Ok(())
}

/// Refuses operations on what changed after their base version, and on what may have changed and is forgotten.
pub(super) fn check_conflicts(
    db: &Connection,
    record: &Record,
    base: u32,
    operations: &Operations,
) -> Result<()> {
    let mut room = MAX_TOLD;
    let forgotten = history::forgotten(db, record.number)?;
    let paths = if base < forgotten {
        vec![conflict(record, &Pointer::default(), forgotten, &mut room)]
    } else {
        conflicts(db, record, base, operations, &mut room)?
    };
    if paths.is_empty() {
        return Ok(());
    }
    let version = record.version;
    Err(Error::DocumentConflict(v1::DocumentConflict { version, paths, omitted_paths: 0 }))
}

/// The paths of the new operations that changed after their base version.
fn conflicts(
    db: &Connection,
    record: &Record,
    base: u32,
    operations: &Operations,
    room: &mut usize,
) -> Result<Vec<v1::ConflictingPath>> {
    // The maker knows what the repeated operations did, unless they were made on something newer than this commit.
    let own: BTreeSet<u32> =
        operations.known.iter().filter(|known| known.base <= base).map(|known| known.version).collect();
    let unseen = |version: u32| version > base && !own.contains(&version);
    let (mut conflicts, mut checked) = (Vec::new(), BTreeSet::new());
    for path in operations.new.iter().map(|(_, op)| &op.path).filter(|path| checked.insert(*path)) {
        if let Some(version) = history::last_touching(db, record.number, path, unseen)? {
            conflicts.push(conflict(record, path, version, room));
        }
    }
    Ok(conflicts)
}

/// What to tell of a path that a version has changed; `room` is left for values.
fn conflict(record: &Record, path: &Pointer, version: u32, room: &mut usize) -> v1::ConflictingPath {
    let current = record.content.as_ref().and_then(|content| value_at(content, path));
    let size = current.as_ref().map_or(0, Message::encoded_len);
    let fits = size <= *room;
    *room -= if fits { size } else { 0 };
    let current = current.filter(|_| fits);
    v1::ConflictingPath { path: path.to_string(), version, current, current_omitted: !fits }
}

/// The content after the operations.
pub(super) fn edit(mut content: Struct, ops: &[(usize, DocumentOp)]) -> Result<Struct> {
    let mut violations = Vec::new();
    for (index, op) in ops {
        if let Err(why) = apply_op(&mut content, op) {
            violations.push(Violation::new(format!("ops[{index}].path"), why.to_string()));
        }
    }
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    if json_size(&content) > MAX_JSON || content.encoded_len() > MAX_ENCODED {
        let why =
            "would make the document larger than 1 MiB as JSON, or 2 MiB as protobuf: use several documents";
        return Err(Error::invalid("ops", why));
    }
    Ok(content)
}
