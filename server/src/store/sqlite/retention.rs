//! Deletes what topics do not keep, a slice at a time.

use rusqlite::{Connection, OptionalExtension, params};

use super::events::WEIGHT;
use crate::error::Result;
use crate::model::{Seq, Time, TopicId};

/// Events deleted at once: more would make the commits beside them wait.
const SLICE: usize = 500;

/// The topics that hold more than they may, and those that are gone but for their events.
pub(super) fn overdue(db: &Connection, now: Time) -> Result<Vec<TopicId>> {
    // One look into the index for each topic, rather than one for each event.
    let sql = "
        WITH RECURSIVE used (id) AS (
            SELECT min(topic) FROM event
            UNION ALL
            SELECT (SELECT min(topic) FROM event WHERE topic > used.id) FROM used WHERE used.id IS NOT NULL
        )
        SELECT used.id FROM used LEFT JOIN topic ON topic.id = used.id
        WHERE used.id IS NOT NULL AND (
            topic.id IS NULL
            OR topic.bytes > topic.max_bytes
            OR (SELECT time FROM event WHERE event.topic = used.id ORDER BY seq LIMIT 1)
                NOT BETWEEN ?1 - topic.max_age * 1000000 AND ?1)";
    let mut statement = db.prepare_cached(sql)?;
    let topics = statement.query_map([now.micros()], |row| Ok(TopicId(row.get(0)?)))?;
    Ok(topics.collect::<Result<_, _>>()?)
}

/// What a topic may hold, and what it holds.
struct Holding {
    oldest: Time,
    max_bytes: u64,
    bytes: u64,
}

/// Deletes the oldest events that a topic does not keep; true when it holds more of them.
///
/// An event from the future was written while the clock was ahead: it is as old as the one after it.
pub(super) fn trim(db: &Connection, topic: TopicId, now: Time) -> Result<bool> {
    let Some(mut holding) = holding(db, topic, now)? else {
        return delete_orphans(db, topic);
    };
    let sql = format!("SELECT seq, time, {WEIGHT} FROM event WHERE topic = ?1 ORDER BY seq LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![topic.0, SLICE])?;
    let (mut through, mut deleted, mut passed): (Option<Seq>, usize, usize) = (None, 0, 0);
    let mut bytes = holding.bytes;
    while let Some(row) = rows.next()? {
        let (seq, time, weight): (Seq, i64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let time = Time::from_micros(time);
        let (is_young, is_too_much) = (time >= holding.oldest, bytes > holding.max_bytes);
        if is_young && time <= now && !is_too_much {
            break;
        }
        bytes = bytes.saturating_sub(weight);
        passed += 1;
        if !is_young || is_too_much {
            (through, deleted) = (Some(seq), passed);
            holding.bytes = bytes;
        }
    }
    if let Some(through) = through {
        db.prepare_cached("DELETE FROM event WHERE topic = ?1 AND seq <= ?2")?
            .execute(params![topic.0, through])?;
        db.prepare_cached("UPDATE topic SET trimmed = ?2, bytes = ?3 WHERE id = ?1")?.execute(params![
            topic.0,
            through,
            holding.bytes
        ])?;
    }
    Ok(deleted == SLICE)
}

fn holding(db: &Connection, topic: TopicId, now: Time) -> Result<Option<Holding>> {
    let mut statement = db.prepare_cached("SELECT max_age, max_bytes, bytes FROM topic WHERE id = ?1")?;
    let holding = statement.query_row([topic.0], |row| {
        let max_age: i64 = row.get(0)?;
        Ok(Holding {
            oldest: Time::from_micros(now.micros().saturating_sub(max_age.saturating_mul(1_000_000))),
            max_bytes: row.get(1)?,
            bytes: row.get(2)?,
        })
    });
    Ok(holding.optional()?)
}

/// The topic is gone, and nobody can ask for its events.
fn delete_orphans(db: &Connection, topic: TopicId) -> Result<bool> {
    let deleted = db
        .prepare_cached(
            "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE topic = ?1 ORDER BY seq LIMIT ?2)",
        )?
        .execute(params![topic.0, SLICE])?;
    Ok(deleted == SLICE)
}
