//! The tables of the database.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::{Error, Result};
use crate::model::{Retention, Time, USERS_TOPIC};

/// Steps from an empty file to the schema this server writes, one version each. A step that was released never changes.
const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001-log.sql"),
    include_str!("migrations/0002-retention.sql"),
    include_str!("migrations/0003-identities.sql"),
    include_str!("migrations/0004-documents.sql"),
];

/// Permissions of the file.
const PRIVATE: u32 = 0o600;

/// Bytes of the write-ahead log that are kept for reuse.
const WAL_BYTES: i64 = 64 << 20;

/// A write waits so long for another process's lock, such as a backup's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the connection that writes. A new file remembers whether it is for development; an older one is migrated.
pub(super) fn open_writer(path: &Path, dev: bool) -> Result<Connection> {
    make_private(path).map_err(|error| Error::internal(format!("{}: {error}", path.display())))?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A long backup lets the write-ahead log grow; afterwards it gives the space back.
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection, path, Some(dev))?;
    Ok(connection)
}

/// Makes the steps that a copy of a database lacks.
///
/// # Errors
/// When the file is no database of this server, or of a newer one.
pub(super) fn migrate_copy(path: &Path) -> Result<()> {
    migrate(&mut Connection::open(path)?, path, None)
}

/// Only the server's user may read the file: hashes of passwords and the keys that sign tokens are in it.
fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(PRIVATE).open(path)?;
    // SQLite gives the files beside it the same permissions when it makes them.
    for suffix in ["", "-wal", "-shm"] {
        let mut name = OsString::from(path);
        name.push(suffix);
        match fs::set_permissions(name, Permissions::from_mode(PRIVATE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
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

/// Makes the steps that the file lacks in one transaction: after a crash it is as it was, or as it should be.
///
/// An empty file is filled when it is said whether it is for development.
fn migrate(connection: &mut Connection, path: &Path, dev: Option<bool>) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = known_version(&transaction, path)?;
    let missing = MIGRATIONS.get(version..).unwrap_or_default();
    for (step, sql) in (version + 1..).zip(missing) {
        transaction.execute_batch(sql)?;
        if step == 1 {
            let name = path.display();
            let dev = dev.ok_or_else(|| Error::internal(format!("{name} holds nothing of this server")))?;
            fill(&transaction, dev)?;
        }
    }
    if version > 0 && !missing.is_empty() {
        tracing::info!(from = version, to = MIGRATIONS.len(), "the database has a new schema version");
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    transaction.commit()?;
    Ok(())
}

/// The schema version of a file; 0 for a new one.
fn known_version(db: &Connection, path: &Path) -> Result<usize> {
    let version: usize = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: usize = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if version == 0 && tables > 0 {
        let name = path.display();
        return Err(Error::internal(format!(
            "{name} is the database of another program: choose another --data"
        )));
    }
    if version <= MIGRATIONS.len() {
        return Ok(version);
    }
    Err(Error::internal(format!(
        "{} has schema version {version}, and this server knows versions up to {}: it was written by a newer server. \
         Start that one, or restore a backup made by this version.",
        path.display(),
        MIGRATIONS.len()
    )))
}

/// The schema version of a file that this server wrote, or has migrated.
///
/// # Errors
/// For other versions, and for files that are no database of this server.
pub(super) fn current_version(db: &Connection, path: &Path) -> Result<u32> {
    let version = known_version(db, path)?;
    if version != MIGRATIONS.len() {
        return Err(Error::internal(format!(
            "{} has schema version {version}, and this server works with version {}: a server of this version \
             migrates a data folder when it starts",
            path.display(),
            MIGRATIONS.len()
        )));
    }
    Ok(u32::try_from(version).unwrap_or(u32::MAX))
}

/// The first rows of a new file.
fn fill(db: &Connection, dev: bool) -> Result<()> {
    db.execute("INSERT INTO origin (dev) VALUES (?1)", [dev])?;
    db.execute("INSERT INTO log (epoch, last) VALUES (?1, 0)", [rand::random::<u32>()])?;
    let retention = Retention::default();
    db.execute(
        "INSERT INTO topic (id, name, internal, description, publish, subscribe, owner, max_age, max_bytes,
                            created, updated, version)
         VALUES (?1, 'internal:users', 1, 'changes of users', '', '', '', ?2, ?3, ?4, ?4, 1)",
        (USERS_TOPIC.0, retention.max_age.as_secs(), retention.max_bytes, Time::now().micros()),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_database_is_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lastmile.db");
        open_writer(&path, false).unwrap().pragma_update(None, "user_version", MIGRATIONS.len() + 1).unwrap();
        let error = open_writer(&path, false).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("written by a newer server"), "{cause}");
    }
}
