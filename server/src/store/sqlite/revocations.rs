//! Revocations in SQL.

use rusqlite::{Connection, Row, params};

use crate::error::Result;
use crate::model::{Revocation, RevocationTarget, Time};

/// Those in force at a time, oldest first.
pub(super) fn list(db: &Connection, now: Time) -> Result<Vec<Revocation>> {
    let mut statement = db.prepare_cached(
        "SELECT token, subject, time, expires FROM revocation WHERE expires > ?1 ORDER BY id",
    )?;
    let revocations = statement.query_map([now.micros()], from_row)?.collect::<Result<_, _>>()?;
    Ok(revocations)
}

/// Adds one, and deletes those that are over.
pub(super) fn insert(db: &Connection, revocation: &Revocation) -> Result<()> {
    let (token, subject) = match &revocation.target {
        RevocationTarget::Token(id) => (id.as_str(), ""),
        RevocationTarget::Subject(subject) => ("", subject.as_str()),
    };
    let (time, expires) = (revocation.time.micros(), revocation.expires.micros());
    db.prepare_cached("DELETE FROM revocation WHERE expires <= ?1")?.execute([time])?;
    db.prepare_cached("INSERT INTO revocation (token, subject, time, expires) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![token, subject, time, expires])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Revocation> {
    let token: String = row.get("token")?;
    let target = if token.is_empty() {
        RevocationTarget::Subject(row.get("subject")?)
    } else {
        RevocationTarget::Token(token)
    };
    let time = Time::from_micros(row.get("time")?);
    Ok(Revocation { target, time, expires: Time::from_micros(row.get("expires")?) })
}
