//! Deletes what is known for a time only, a slice at a time.

use rusqlite::Connection;

use super::{documents, events, sessions};
use crate::error::Result;
use crate::model::Time;
use crate::store::change::Changed;

/// Rows of each kind deleted at once: more would make the commits beside them wait.
const SLICE: usize = 500;

/// Deletes a slice of what had its time.
pub(super) fn forget(db: &Connection, now: Time) -> Result<Changed> {
    let keys = events::forget_keys(db, now, SLICE)?;
    let tokens = sessions::forget_tokens(db, now, SLICE)?;
    let operations = documents::forget_operations(db, now, SLICE)?;
    let topics = documents::forget_deleted(db, now, SLICE)?;
    let more = [keys, tokens, operations, topics.len()].contains(&SLICE);
    Ok(Changed::Forgotten { more, topics })
}
