//! Service tokens in SQL.

use rusqlite::{Connection, OptionalExtension, params};

use super::revocations;
use crate::error::Result;
use crate::model::{LONGEST_SERVICE_TOKEN, Revocation, ServiceToken, Time};
use crate::store::change::{ServiceTokenChange, ServiceTokenChanged};

/// Makes a change of service tokens.
pub(super) fn apply(db: &Connection, change: &ServiceTokenChange) -> Result<ServiceTokenChanged> {
    match change {
        ServiceTokenChange::Create(token) => create(db, token).map(|()| ServiceTokenChanged::Created),
        ServiceTokenChange::Revoke { id, now } => revoke(db, id, *now).map(ServiceTokenChanged::Revoked),
    }
}

/// Adds a token, and deletes those that are over.
fn create(db: &Connection, token: &ServiceToken) -> Result<()> {
    let created = token.created.micros();
    db.prepare_cached("DELETE FROM service_token WHERE expires <= ?1")?.execute([created])?;
    db.prepare_cached(
        "INSERT INTO service_token (id, name, role, topics, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        token.id,
        token.name,
        token.role.as_str(),
        // Names of topics never contain a space.
        token.topics.join(" "),
        created,
        token.expires.micros(),
    ])?;
    Ok(())
}

fn revoke(db: &Connection, id: &str, now: Time) -> Result<Revocation> {
    let expires: Option<i64> = db
        .prepare_cached("DELETE FROM service_token WHERE id = ?1 RETURNING expires")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    // A token that is not known may be younger than the backup that was restored: it is revoked all the same.
    let expires = expires.map_or_else(|| now.plus(LONGEST_SERVICE_TOKEN), Time::from_micros);
    let revocation = Revocation::of_token(id.to_owned(), now, expires);
    revocations::insert(db, &revocation)?;
    Ok(revocation)
}
