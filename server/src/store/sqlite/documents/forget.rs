//! Forgets what had its time: operations with what they changed, deleted documents.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{history, known, records};
use crate::error::Result;
use crate::model::{Time, TopicId};

/// Forgets so many of the operations that have expired, and which paths they changed; how many there were.
pub(in crate::store::sqlite) fn forget_operations(db: &Connection, now: Time, limit: usize) -> Result<usize> {
    let versions = known::forget(db, now, limit)?;
    let mut last: BTreeMap<i64, u32> = BTreeMap::new();
    for (document, version) in &versions {
        let last = last.entry(*document).or_default();
        *last = (*last).max(*version);
    }
    for (document, version) in last {
        history::forget(db, document, version)?;
    }
    Ok(versions.len())
}

/// Forgets so many of the documents that were deleted before the operations known now were made; their topics go too.
pub(in crate::store::sqlite) fn forget_deleted(
    db: &Connection,
    now: Time,
    limit: usize,
) -> Result<Vec<TopicId>> {
    let deleted = records::list_deleted(db, now.minus(known::LIFETIME), limit)?;
    for (number, _) in &deleted {
        history::end(db, *number)?;
        records::delete(db, *number)?;
    }
    Ok(deleted.into_iter().map(|(_, topic)| topic).collect())
}
