//! The tables of the database.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::{Error, Result};
use crate::model::{Retention, Time, USERS_TOPIC};

/// The schema this server writes; a database with a newer one is refused.
const SCHEMA_VERSION: u32 = 1;

/// A write waits so long for another process's lock, such as a backup's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE origin (
    dev INTEGER NOT NULL
) STRICT;

CREATE TABLE log (
    epoch INTEGER NOT NULL,
    last  INTEGER NOT NULL
) STRICT;

CREATE TABLE topic (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    internal    INTEGER NOT NULL,
    description TEXT NOT NULL,
    publish     TEXT NOT NULL,
    subscribe   TEXT NOT NULL,
    owner       TEXT NOT NULL,
    max_age     INTEGER NOT NULL,
    max_bytes   INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    last        INTEGER NOT NULL DEFAULT 0,
    trimmed     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE event (
    seq         INTEGER PRIMARY KEY,
    topic       INTEGER NOT NULL,
    previous    INTEGER NOT NULL,
    id          BLOB NOT NULL,
    kind        TEXT NOT NULL,
    time        INTEGER NOT NULL,
    publisher   TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    body        BLOB NOT NULL
) STRICT;
CREATE INDEX event_by_topic ON event (topic, seq);

CREATE TABLE idempotency (
    subject TEXT NOT NULL,
    topic   INTEGER NOT NULL,
    key     TEXT NOT NULL,
    digest  BLOB NOT NULL,
    seq     INTEGER NOT NULL,
    id      BLOB NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (subject, topic, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (expires);

CREATE TABLE user (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    name     TEXT NOT NULL,
    tags     TEXT NOT NULL,
    email    TEXT NOT NULL,
    role     TEXT NOT NULL,
    password TEXT NOT NULL,
    created  INTEGER NOT NULL,
    updated  INTEGER NOT NULL,
    version  INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    user  INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    ended INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX session_by_user ON session (user);

CREATE TABLE refresh_token (
    hash    BLOB PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    used    INTEGER NOT NULL DEFAULT 0,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_token_by_session ON refresh_token (session);
CREATE INDEX refresh_token_by_age ON refresh_token (expires);
";

/// Opens the connection that writes; creates the tables in a new file, which remembers whether it is for development.
pub(super) fn open_writer(path: &Path, dev: bool) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => create(&mut connection, dev)?,
        SCHEMA_VERSION => {}
        newer => {
            return Err(Error::internal(format!(
                "{} has schema version {newer}, and this server knows versions up to {SCHEMA_VERSION}: it was \
                 written by a newer server. Start that one, or restore a backup made by this version.",
                path.display()
            )));
        }
    }
    Ok(connection)
}

/// Whether the file was created for development.
pub(super) fn is_dev(db: &Connection) -> Result<bool> {
    Ok(db.query_row("SELECT dev FROM origin", [], |row| row.get(0))?)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn create(connection: &mut Connection, dev: bool) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.execute("INSERT INTO origin (dev) VALUES (?1)", [dev])?;
    transaction.execute("INSERT INTO log (epoch, last) VALUES (?1, 0)", [rand::random::<u32>()])?;
    let retention = Retention::default();
    transaction.execute(
        "INSERT INTO topic (id, name, internal, description, publish, subscribe, owner, max_age, max_bytes,
                            created, updated, version)
         VALUES (?1, 'internal:users', 1, 'changes of users', '', '', '', ?2, ?3, ?4, ?4, 1)",
        (USERS_TOPIC.0, retention.max_age.as_secs(), retention.max_bytes, Time::now().micros()),
    )?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_database_is_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lastmile.db");
        open_writer(&path, false).unwrap().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        let error = open_writer(&path, false).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("written by a newer server"), "{cause}");
    }
}
