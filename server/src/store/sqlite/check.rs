//! Looks for faults in a database: those that SQLite knows, and those of records and log.

use std::fmt;
use std::path::Path;

use rusqlite::Connection;

use super::events::WEIGHT;
use super::schema::{self, open_reader};
use crate::error::{Error, Result};

/// Faults told at most; more say nothing new.
const FAULTS: usize = 100;

/// What a database holds, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Version of its schema.
    pub schema_version: u32,
    /// The log's incarnation.
    pub epoch: u32,
    /// The log's last position.
    pub last: u64,
    /// Events kept.
    pub events: u64,
    /// Users.
    pub users: u64,
    /// Documents, without those deleted.
    pub documents: u64,
    /// What is wrong, a sentence each.
    pub faults: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schema_version, epoch, last, events, users, documents, faults } = self;
        write!(
            f,
            "schema version {schema_version}, epoch {epoch:08x}, {events} events up to position {last}, \
             {users} users, {documents} documents"
        )?;
        faults.iter().try_for_each(|fault| write!(f, "\nfault: {fault}"))
    }
}

/// Queries that find nothing in a sound database; each row is a fault.
const INVARIANTS: [&str; 5] = [
    "SELECT format('topic %d: event %d names %d as the one before it, and %d is', topic, seq, previous, before)
     FROM (SELECT event.topic, seq, previous, lag(seq, 1, topic.trimmed)
                  OVER (PARTITION BY event.topic ORDER BY seq) AS before
           FROM event JOIN topic ON topic.id = event.topic)
     WHERE previous <> before",
    "SELECT format('topic %d ends at %d, and its last event is %d', topic.id, last, coalesce(newest, trimmed))
     FROM topic LEFT JOIN (SELECT topic, max(seq) AS newest FROM event GROUP BY topic) ON topic = topic.id
     WHERE last <> coalesce(newest, trimmed)",
    "SELECT format('topic %d has events up to %d, which were deleted', topic.id, trimmed)
     FROM topic JOIN (SELECT topic, min(seq) AS oldest FROM event GROUP BY topic) ON topic = topic.id
     WHERE oldest <= trimmed",
    "SELECT format('the log ends at %d, and has an event %d', last, newest)
     FROM log, (SELECT max(seq) AS newest FROM event) WHERE newest > last",
    "SELECT format('document %s has no topic', document.id)
     FROM document LEFT JOIN topic ON topic.id = document.topic WHERE topic.id IS NULL",
];

/// Looks for faults, in one snapshot; the server may be running.
///
/// # Errors
/// When the file cannot be read at all, or is of a newer server.
pub fn check(path: &Path) -> Result<Report> {
    if !path.is_file() {
        let what = if path.is_dir() {
            "is a folder: name a file, or give the folder to --data"
        } else {
            "there is no such file"
        };
        return Err(Error::internal(format!("{}: {what}", path.display())));
    }
    let db = open_reader(path)?;
    let schema_version = schema::current_version(&db, path)?;
    let snapshot = db.unchecked_transaction()?;
    let count = |sql| snapshot.query_row(sql, [], |row| row.get(0));
    Ok(Report {
        schema_version,
        epoch: snapshot.query_row("SELECT epoch FROM log", [], |row| row.get(0))?,
        last: count("SELECT last FROM log")?,
        events: count("SELECT count(*) FROM event")?,
        users: count("SELECT count(*) FROM user")?,
        documents: count("SELECT count(*) FROM document WHERE content IS NOT NULL")?,
        faults: faults(&snapshot)?,
    })
}

fn faults(db: &Connection) -> Result<Vec<String>> {
    let mut faults = sentences(db, "PRAGMA integrity_check")?;
    faults.retain(|fault| fault != "ok");
    faults.extend(sentences(
        db,
        "SELECT format('a row of %s names a row of %s that is not there', \"table\", parent)
         FROM pragma_foreign_key_check",
    )?);
    for invariant in INVARIANTS {
        faults.extend(sentences(db, invariant)?);
    }
    faults.extend(sentences(
        db,
        &format!(
            "SELECT format('topic %d counts %d bytes, and has %d', topic.id, bytes, coalesce(weight, 0))
             FROM topic LEFT JOIN (SELECT topic, sum({WEIGHT}) AS weight FROM event GROUP BY topic) AS held
                  ON held.topic = topic.id
             WHERE bytes <> coalesce(weight, 0)"
        ),
    )?);
    faults.truncate(FAULTS);
    Ok(faults)
}

fn sentences(db: &Connection, sql: &str) -> Result<Vec<String>> {
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.take(FAULTS).collect::<Result<_, _>>()?)
}
