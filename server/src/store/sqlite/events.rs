//! The event log in SQL.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::model::{Idempotency, NewEvent, Seq, StoredEvent, Time, TopicId};
use crate::store::change::Appended;
use crate::store::traits::{Slice, SliceLimit};

/// How long an idempotency key is kept.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

const COLUMNS: &str = "seq, previous, topic, id, kind, time, publisher, traceparent, body";

/// The log's epoch and last position.
pub(super) fn state(db: &Connection) -> Result<(u32, Seq)> {
    Ok(db
        .prepare_cached("SELECT epoch, last FROM log")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Revision of the rules of all topics.
pub(super) fn rules(db: &Connection) -> Result<u64> {
    Ok(db.prepare_cached("SELECT rules FROM log")?.query_row([], |row| row.get(0))?)
}

pub(super) fn store_last(db: &Connection, last: Seq) -> Result<()> {
    db.prepare_cached("UPDATE log SET last = ?1")?.execute([last])?;
    Ok(())
}

/// Appends an event after the position `last`, or finds where its idempotency key was appended before.
pub(super) fn append(db: &Connection, event: &NewEvent, last: Seq) -> Result<Appended> {
    let now = Time::now();
    if let Some(key) = &event.idempotency
        && let Some(appended) = find_key(db, key, event.topic, now)?
    {
        return Ok(appended);
    }
    let appended = Appended { seq: last + 1, id: Uuid::now_v7() };
    let previous: Seq = db
        .prepare_cached("SELECT last FROM topic WHERE id = ?1")?
        .query_row([event.topic.0], |row| row.get(0))
        .optional()?
        .ok_or_else(|| gone(event.topic))?;
    db.prepare_cached(
        "INSERT INTO event (seq, topic, previous, id, kind, time, publisher, traceparent, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        appended.seq,
        event.topic.0,
        previous,
        appended.id.as_bytes(),
        event.kind,
        now.micros(),
        event.publisher,
        event.traceparent,
        event.body,
    ])?;
    db.prepare_cached("UPDATE topic SET last = ?2, bytes = bytes + ?3 WHERE id = ?1")?.execute(params![
        event.topic.0,
        appended.seq,
        weight(event)
    ])?;
    if let Some(key) = &event.idempotency {
        store_key(db, key, event.topic, appended, now)?;
    }
    Ok(appended)
}

/// Bytes an event counts against the size of its topic, in SQL.
pub(super) const WEIGHT: &str =
    "octet_length(kind) + octet_length(publisher) + octet_length(traceparent) + octet_length(body) + 64";

/// The same as [`WEIGHT`], for an event that is not written yet.
fn weight(event: &NewEvent) -> usize {
    event.kind.len() + event.publisher.len() + event.traceparent.len() + event.body.len() + 64
}

fn find_key(db: &Connection, key: &Idempotency, topic: TopicId, now: Time) -> Result<Option<Appended>> {
    let found: Option<([u8; 32], Seq, [u8; 16])> = db
        .prepare_cached(
            "SELECT digest, seq, id FROM idempotency
             WHERE subject = ?1 AND topic = ?2 AND key = ?3 AND expires > ?4",
        )?
        .query_row(params![key.subject, topic.0, key.key, now.micros()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match found {
        Some((digest, ..)) if digest != key.digest => Err(Error::IdempotencyKeyReused(key.key.clone())),
        Some((_, seq, id)) => Ok(Some(Appended { seq, id: Uuid::from_bytes(id) })),
        None => Ok(None),
    }
}

fn store_key(
    db: &Connection,
    key: &Idempotency,
    topic: TopicId,
    appended: Appended,
    now: Time,
) -> Result<()> {
    // One that has expired may be there still.
    db.prepare_cached(
        "INSERT OR REPLACE INTO idempotency (subject, topic, key, digest, seq, id, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        key.subject,
        topic.0,
        key.key,
        key.digest,
        appended.seq,
        appended.id.as_bytes(),
        now.plus(KEY_LIFETIME).micros(),
    ])?;
    Ok(())
}

/// Deletes so many of the keys that have expired; how many there were.
pub(super) fn forget_keys(db: &Connection, now: Time, limit: usize) -> Result<usize> {
    Ok(db
        .prepare_cached(
            "DELETE FROM idempotency WHERE (subject, topic, key) IN
             (SELECT subject, topic, key FROM idempotency WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
        )?
        .execute(params![now.micros(), limit])?)
}

/// The events of the topics after a position. Call it in a transaction: it looks at several tables.
pub(super) fn read_after(
    db: &Connection,
    topics: &[TopicId],
    after: Seq,
    limit: SliceLimit,
) -> Result<Slice> {
    let (_, log_last) = state(db)?;
    let rules = rules(db)?;
    if after > log_last {
        return Err(Error::CursorEpochChanged);
    }
    let (_, trimmed) = ends(db, topics)?;
    if after < trimmed {
        return Err(Error::CursorExpired);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM event WHERE topic IN ({}) AND seq > ? ORDER BY seq LIMIT ?",
        placeholders(topics)
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values(topics, after, limit.events + 1)))?;
    let mut slice = Slice { start: last_until(db, topics, after)?, events: Vec::new(), more: false, rules };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let event = from_row(row)?;
        bytes += event.body.len();
        let full = slice.events.len() == limit.events || bytes > limit.bytes;
        if full && !slice.events.is_empty() {
            slice.more = true;
            break;
        }
        slice.events.push(event);
    }
    Ok(slice)
}

/// The position right before the latest events of the topics. Call it in a transaction: it looks at several tables.
pub(super) fn before_latest(db: &Connection, topics: &[TopicId], count: usize) -> Result<Seq> {
    let (last, trimmed) = ends(db, topics)?;
    if count == 0 {
        return Ok(last);
    }
    // The event before the first of them, if it is still there.
    let sql = format!(
        "SELECT seq FROM event WHERE topic IN ({}) AND seq > ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
        placeholders(topics)
    );
    let values = params_from_iter(values(topics, trimmed, count));
    let before: Option<Seq> = db.prepare_cached(&sql)?.query_row(values, |row| row.get(0)).optional()?;
    Ok(before.unwrap_or(trimmed))
}

/// The last position of any of the topics, kept or not, and the last one deleted. All of them must be there still:
/// what is left of a deleted topic may have holes.
/// The position after which all events of the topics are kept.
pub(super) fn trimmed(db: &Connection, topics: &[TopicId]) -> Result<Seq> {
    ends(db, topics).map(|(_, trimmed)| trimmed)
}

fn ends(db: &Connection, topics: &[TopicId]) -> Result<(Seq, Seq)> {
    let sql = format!(
        "SELECT coalesce(max(last), 0), coalesce(max(trimmed), 0), count(*) FROM topic WHERE id IN ({})",
        placeholders(topics)
    );
    let ids = params_from_iter(topics.iter().map(|topic| topic.0));
    let (last, trimmed, there): (Seq, Seq, usize) =
        db.prepare_cached(&sql)?.query_row(ids, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    match topics {
        [first, ..] if there < topics.len() => Err(gone(*first)),
        _ => Ok((last, trimmed)),
    }
}

/// Whoever asked knows the name.
fn gone(topic: TopicId) -> Error {
    Error::NotFound { kind: "topic", name: topic.0.to_string() }
}

/// Position of the last event of the topics up to `position`, kept or not; nothing after `position` may be deleted yet.
fn last_until(db: &Connection, topics: &[TopicId], position: Seq) -> Result<Seq> {
    // One look into the index for each topic, and none for one that has nothing newer.
    let sql = format!(
        "SELECT coalesce(max(CASE WHEN last <= ?1 THEN last ELSE coalesce(
             (SELECT max(seq) FROM event WHERE event.topic = topic.id AND seq <= ?1), trimmed) END), 0)
         FROM topic WHERE id IN ({})",
        placeholders(topics)
    );
    let number = i64::try_from(position).unwrap_or(i64::MAX);
    let values = params_from_iter(std::iter::once(number).chain(topics.iter().map(|topic| topic.0)));
    Ok(db.prepare_cached(&sql)?.query_row(values, |row| row.get(0))?)
}

fn placeholders(topics: &[TopicId]) -> String {
    vec!["?"; topics.len()].join(", ")
}

fn values(topics: &[TopicId], after: Seq, limit: usize) -> Vec<i64> {
    let number = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let mut values: Vec<i64> = topics.iter().map(|topic| topic.0).collect();
    values.extend([number(after), number(limit as u64)]);
    values
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        seq: row.get("seq")?,
        previous: row.get("previous")?,
        topic: TopicId(row.get("topic")?),
        id: Uuid::from_bytes(row.get("id")?),
        kind: row.get("kind")?,
        time: Time::from_micros(row.get("time")?),
        publisher: row.get("publisher")?,
        traceparent: row.get("traceparent")?,
        body: row.get("body")?,
    })
}
