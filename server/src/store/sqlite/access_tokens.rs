//! The access tokens of sessions in SQL, and how they are revoked.

use rusqlite::{Connection, params};

use super::revocations;
use crate::error::Result;
use crate::model::{Revocation, Time};

/// Ends a session and revokes its access tokens that may still be honoured.
pub(super) fn end_session(db: &Connection, session: i64, now: Time) -> Result<Vec<Revocation>> {
    db.prepare_cached("UPDATE session SET ended = 1 WHERE id = ?1")?.execute([session])?;
    let sql =
        "SELECT access_token, access_expires FROM refresh_token WHERE session = ?1 AND access_expires > ?2";
    revoke(db, sql, session, now)
}

/// Ends the sessions of a user but the one that an access token belongs to.
pub(super) fn end_other_sessions(
    db: &Connection,
    user: i32,
    access_token: &str,
    now: Time,
) -> Result<Vec<Revocation>> {
    let mut others = db.prepare_cached(
        "SELECT id FROM session WHERE user = ?1 AND NOT ended
         AND id NOT IN (SELECT session FROM refresh_token WHERE access_token = ?2)",
    )?;
    let others: Vec<i64> =
        others.query_map(params![user, access_token], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut revoked = Vec::new();
    for session in others {
        revoked.extend(end_session(db, session, now)?);
    }
    Ok(revoked)
}

/// Revokes the access tokens of a user that may still be honoured; the sessions go on.
pub(super) fn revoke_of_user(db: &Connection, user: i32, now: Time) -> Result<Vec<Revocation>> {
    let sql = "SELECT access_token, access_expires FROM refresh_token
               WHERE session IN (SELECT id FROM session WHERE user = ?1) AND access_expires > ?2";
    revoke(db, sql, i64::from(user), now)
}

fn revoke(db: &Connection, sql: &str, id: i64, now: Time) -> Result<Vec<Revocation>> {
    let since = Revocation::needed_since(now).micros();
    let tokens: Vec<(String, i64)> = db
        .prepare_cached(sql)?
        .query_map([id, since], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut revoked = Vec::with_capacity(tokens.len());
    for (token, expires) in tokens {
        // Once is enough.
        db.prepare_cached("UPDATE refresh_token SET access_expires = 0 WHERE access_token = ?1")?
            .execute([&token])?;
        let revocation = Revocation::of_token(token, now, Time::from_micros(expires));
        revocations::insert(db, &revocation)?;
        revoked.push(revocation);
    }
    Ok(revoked)
}
