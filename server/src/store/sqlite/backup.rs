//! Copies of the database, and the way back.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::check::{Report, check};
use super::database::FILE;
use super::schema::{migrate_copy, open_reader};
use crate::error::{Error, Result};

/// Copies the database of a data folder into a new file, as it is at one moment; the server may be running.
///
/// The file holds password hashes and signing keys, and only its owner may read it.
///
/// # Errors
/// When there is no database, the file exists, or it cannot be written.
pub fn backup(folder: &Path, file: &Path) -> Result<Report> {
    let database = folder.join(FILE);
    refuse_existing(file, "choose another name: a backup never replaces a file")?;
    if !database.exists() {
        return Err(fault(&database, "is missing: there is nothing to back up"));
    }
    let partial = beside(file, ".partial");
    drop(create_private(&partial)?);
    let copied = copy(&database, &partial, file);
    if copied.is_err() {
        // The cause is on its way already.
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn copy(database: &Path, partial: &Path, file: &Path) -> Result<Report> {
    let name = partial.to_str().ok_or_else(|| fault(partial, "must have a name in UTF-8"))?;
    open_reader(database)?.execute("VACUUM INTO ?1", params![name])?;
    let report = check(partial)?;
    publish(partial, file)?;
    Ok(report)
}

/// Makes a backup the database of a data folder that has none. The log begins a new epoch, so that every subscriber
/// who knows more than the backup is told of the gap.
///
/// # Errors
/// When the folder has a database, the backup has faults, or the disk cannot take it.
pub fn restore(file: &Path, folder: &Path) -> Result<Report> {
    let database = folder.join(FILE);
    for suffix in ["", "-wal", "-shm"] {
        refuse_existing(
            &beside(&database, suffix),
            "move it away first: a restore never replaces a database",
        )?;
    }
    if fs::metadata(beside(file, "-wal")).is_ok_and(|log| log.len() > 0) {
        let why = "has a write-ahead log beside it: it is the database of a server, not a backup. Make one with `backup`";
        return Err(fault(file, why));
    }
    let partial = beside(&database, ".partial");
    let restored = create_private(&partial)
        .and_then(|into| fill(&partial, into, file))
        .and_then(|report| publish(&partial, &database).map(|()| report));
    if restored.is_err() {
        // The cause is on its way already.
        let _ = fs::remove_file(&partial);
    }
    restored
}

fn fill(partial: &Path, mut into: File, backup: &Path) -> Result<Report> {
    // Not a copy of the file: that would have its permissions.
    let copied = File::open(backup).and_then(|mut from| io::copy(&mut from, &mut into));
    copied.map_err(|error| fault(backup, &error.to_string()))?;
    drop(into);
    let usable = || -> Result<Report> {
        migrate_copy(partial)?;
        begin_epoch(partial)?;
        check(partial)
    };
    let report = usable().map_err(|error| fault(backup, &format!("cannot be restored: {}", root(&error))))?;
    if report.faults.is_empty() {
        return Ok(report);
    }
    Err(fault(backup, &format!("is damaged and was not restored: {report}")))
}

fn root(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn begin_epoch(database: &Path) -> Result<()> {
    let db = Connection::open(database)?;
    // Any number but the one it had.
    db.execute("UPDATE log SET epoch = (epoch + ?1) % 4294967296", [rand::random_range(1..u32::MAX)])?;
    db.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn refuse_existing(path: &Path, remedy: &str) -> Result<()> {
    if path.exists() { Err(fault(path, &format!("exists; {remedy}"))) } else { Ok(()) }
}

fn create_private(path: &Path) -> Result<File> {
    // What an attempt that was killed has left.
    let _ = fs::remove_file(path);
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    created.map_err(|error| fault(path, &error.to_string()))
}

/// Gives a finished file its name, on disk.
fn publish(partial: &Path, file: &Path) -> Result<()> {
    let sync = || -> io::Result<()> {
        File::open(partial)?.sync_all()?;
        fs::rename(partial, file)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    sync().map_err(|error| fault(file, &error.to_string()))
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn fault(path: &Path, what: &str) -> Error {
    Error::internal(format!("{}: {what}", path.display()))
}
