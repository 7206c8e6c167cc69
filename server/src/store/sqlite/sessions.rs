//! Sessions in SQL, found by their refresh tokens.

use rusqlite::{Connection, OptionalExtension, params};

use super::users;
use crate::error::Result;
use crate::model::Time;
use crate::store::change::{Rotation, SessionChange, SessionChanged, TokenHash};

/// Makes a change of a session.
pub(super) fn apply(db: &Connection, change: &SessionChange) -> Result<SessionChanged> {
    match change {
        SessionChange::Start { user, token, now, expires } => start(db, *user, token, *now, *expires)?,
        SessionChange::Rotate { token, next, now, expires } => {
            return rotate(db, token, next, *now, *expires).map(SessionChanged::Rotated);
        }
        SessionChange::End { token } => end(db, token)?,
    }
    Ok(SessionChanged::Done)
}

fn start(db: &Connection, user: i32, token: &TokenHash, now: Time, expires: Time) -> Result<()> {
    forget_expired(db, now)?;
    db.prepare_cached("INSERT INTO session (user) VALUES (?1)")?.execute([user])?;
    insert_token(db, db.last_insert_rowid(), token, expires)
}

/// Uses a refresh token: it is replaced, or its session ends because it had been replaced before.
fn rotate(
    db: &Connection,
    token: &TokenHash,
    next: &TokenHash,
    now: Time,
    expires: Time,
) -> Result<Rotation> {
    let found: Option<(i64, i32, bool, bool, i64)> = db
        .prepare_cached(
            "SELECT session.id, session.user, session.ended, refresh_token.used, refresh_token.expires
             FROM refresh_token JOIN session ON session.id = refresh_token.session
             WHERE refresh_token.hash = ?1",
        )?
        .query_row([token], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((session, user, ended, used, token_expires)) = found else {
        return Ok(Rotation::Unknown);
    };
    if used && !ended {
        db.prepare_cached("UPDATE session SET ended = 1 WHERE id = ?1")?.execute([session])?;
        return Ok(Rotation::Reused);
    }
    if ended {
        return Ok(Rotation::Unknown);
    }
    if token_expires <= now.micros() {
        return Ok(Rotation::Expired);
    }
    db.prepare_cached("UPDATE refresh_token SET used = 1 WHERE hash = ?1")?.execute([token])?;
    insert_token(db, session, next, expires)?;
    forget_expired(db, now)?;
    Ok(users::find(db, user)?.map_or(Rotation::Unknown, Rotation::Next))
}

fn end(db: &Connection, token: &TokenHash) -> Result<()> {
    db.prepare_cached(
        "UPDATE session SET ended = 1 WHERE id = (SELECT session FROM refresh_token WHERE hash = ?1)",
    )?
    .execute([token])?;
    Ok(())
}

fn insert_token(db: &Connection, session: i64, token: &TokenHash, expires: Time) -> Result<()> {
    db.prepare_cached("INSERT INTO refresh_token (hash, session, expires) VALUES (?1, ?2, ?3)")?
        .execute(params![token, session, expires.micros()])?;
    Ok(())
}

/// Deletes the tokens that have expired, and the sessions that have no other.
fn forget_expired(db: &Connection, now: Time) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM session WHERE id IN (SELECT session FROM refresh_token WHERE expires < ?1)
         AND NOT EXISTS (SELECT 1 FROM refresh_token WHERE session = session.id AND expires >= ?1)",
    )?
    .execute([now.micros()])?;
    db.prepare_cached("DELETE FROM refresh_token WHERE expires < ?1")?.execute([now.micros()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NewUser, Role};
    use crate::store::sqlite::schema::open_writer;

    fn count(db: &Connection, table: &str) -> i64 {
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_sign_in_forgets_the_sessions_that_are_over() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("db"), false).unwrap();
        let (name, role) = ("bob".to_owned(), Role::User);
        let (tags, email, password) = (Vec::new(), String::new(), String::new());
        let user = NewUser { username: name.clone(), name, tags, email, role, password };
        let user = users::create(&db, &user).unwrap().id;
        let [first, second, third, next] = [1, 2, 3, 4].map(|byte| [byte; 32]);
        let at = Time::from_micros;
        start(&db, user, &first, at(0), at(10)).unwrap();
        start(&db, user, &second, at(0), at(10)).unwrap();
        let rotated = rotate(&db, &second, &next, at(5), at(20)).unwrap();
        assert!(matches!(rotated, Rotation::Next(_)), "{rotated:?}");
        assert_eq!((count(&db, "session"), count(&db, "refresh_token")), (2, 3));

        start(&db, user, &third, at(11), at(30)).unwrap();
        assert_eq!((count(&db, "session"), count(&db, "refresh_token")), (2, 2));
        let rotated = rotate(&db, &next, &first, at(12), at(20)).unwrap();
        assert!(matches!(rotated, Rotation::Next(_)), "a session lives by its last token: {rotated:?}");
    }
}
