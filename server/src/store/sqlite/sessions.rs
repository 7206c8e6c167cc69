//! Sessions in SQL, found by their refresh tokens.

use rusqlite::{Connection, OptionalExtension, params};

use super::{access_tokens, users};
use crate::error::Result;
use crate::model::{Revocation, Time, User};
use crate::store::change::{Rotation, SessionChange, SessionChanged, TokenHash, TokenPair};

/// Makes a change of a session.
pub(super) fn apply(db: &Connection, change: &SessionChange) -> Result<SessionChanged> {
    match change {
        SessionChange::Start { user, password, tokens } => {
            start(db, *user, password, tokens).map(SessionChanged::Started)
        }
        SessionChange::Rotate { token, next } => rotate(db, token, next).map(SessionChanged::Rotated),
        SessionChange::End { token, now } => end(db, token, *now).map(SessionChanged::Ended),
    }
}

/// Begins a session, unless the password was changed since it was verified.
fn start(db: &Connection, user: i32, password: &str, tokens: &TokenPair) -> Result<Option<User>> {
    let begun = db
        .prepare_cached("INSERT INTO session (user) SELECT id FROM user WHERE id = ?1 AND password = ?2")?
        .execute(params![user, password])?;
    if begun == 0 {
        return Ok(None);
    }
    insert_tokens(db, db.last_insert_rowid(), tokens)?;
    users::find(db, user)
}

/// Uses a refresh token: it is replaced, or its session ends because it had been replaced before.
fn rotate(db: &Connection, token: &TokenHash, next: &TokenPair) -> Result<Rotation> {
    let found: Option<(i64, i32, bool, bool, i64)> = db
        .prepare_cached(
            "SELECT session.id, session.user, session.ended, refresh_token.used, refresh_token.expires
             FROM refresh_token JOIN session ON session.id = refresh_token.session
             WHERE refresh_token.hash = ?1",
        )?
        .query_row([token], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((session, user, ended, used, expires)) = found else {
        return Ok(Rotation::Unknown);
    };
    if used && !ended {
        return access_tokens::end_session(db, session, next.issued).map(Rotation::Reused);
    }
    if ended {
        return Ok(Rotation::Unknown);
    }
    if expires <= next.issued.micros() {
        return Ok(Rotation::Expired);
    }
    db.prepare_cached("UPDATE refresh_token SET used = 1 WHERE hash = ?1")?.execute([token])?;
    insert_tokens(db, session, next)?;
    Ok(users::find(db, user)?.map_or(Rotation::Unknown, Rotation::Next))
}

fn end(db: &Connection, token: &TokenHash, now: Time) -> Result<Vec<Revocation>> {
    let session: Option<i64> = db
        .prepare_cached("SELECT session FROM refresh_token WHERE hash = ?1")?
        .query_row([token], |row| row.get(0))
        .optional()?;
    session.map_or(Ok(Vec::new()), |session| access_tokens::end_session(db, session, now))
}

fn insert_tokens(db: &Connection, session: i64, tokens: &TokenPair) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO refresh_token (hash, session, expires, access_token, access_expires)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        tokens.refresh,
        session,
        tokens.refresh_expires.micros(),
        tokens.access,
        tokens.access_expires.micros(),
    ])?;
    Ok(())
}

/// Deletes so many of the tokens that have expired, and the sessions that have no other; how many tokens there were.
pub(super) fn forget_tokens(db: &Connection, now: Time, limit: usize) -> Result<usize> {
    let sessions: Vec<i64> = db
        .prepare_cached(
            "DELETE FROM refresh_token WHERE hash IN
             (SELECT hash FROM refresh_token WHERE expires < ?1 ORDER BY expires LIMIT ?2) RETURNING session",
        )?
        .query_map(params![now.micros(), limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut delete = db.prepare_cached(
        "DELETE FROM session WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM refresh_token WHERE session = ?1)",
    )?;
    for session in &sessions {
        delete.execute([session])?;
    }
    Ok(sessions.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NewUser, Role};
    use crate::store::sqlite::schema::open_writer;

    fn count(db: &Connection, table: &str) -> i64 {
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    fn create(db: &Connection) -> i32 {
        let (name, role) = ("bob".to_owned(), Role::User);
        let (tags, email, password) = (Vec::new(), String::new(), "hash".to_owned());
        let user = NewUser { username: name.clone(), name, tags, email, role, password };
        users::create(db, &user).unwrap().id
    }

    #[test]
    fn sessions_go_with_their_last_token() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("db"), false).unwrap();
        let user = create(&db);
        let at = Time::from_micros;
        let tokens = |byte: u8, issued: i64, expires: i64| TokenPair {
            refresh: [byte; 32],
            refresh_expires: at(expires),
            access: byte.to_string(),
            access_expires: at(expires),
            issued: at(issued),
        };
        let start = |tokens: TokenPair| start(&db, user, "hash", &tokens).unwrap().unwrap();
        start(tokens(1, 0, 10));
        start(tokens(2, 0, 10));
        let rotated = rotate(&db, &[2; 32], &tokens(4, 5, 20)).unwrap();
        assert!(matches!(rotated, Rotation::Next(_)), "{rotated:?}");
        assert_eq!((count(&db, "session"), count(&db, "refresh_token")), (2, 3));

        start(tokens(3, 11, 30));
        assert_eq!(forget_tokens(&db, at(11), 1).unwrap(), 1);
        assert_eq!(count(&db, "refresh_token"), 3, "no more than a slice");
        assert_eq!(forget_tokens(&db, at(11), 10).unwrap(), 1);
        assert_eq!((count(&db, "session"), count(&db, "refresh_token")), (2, 2));
        let rotated = rotate(&db, &[4; 32], &tokens(5, 12, 20)).unwrap();
        assert!(matches!(rotated, Rotation::Next(_)), "a session lives by its last token: {rotated:?}");
    }

    #[test]
    fn a_password_that_was_changed_meanwhile_begins_no_session() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("db"), false).unwrap();
        let user = create(&db);
        let time = Time::from_micros(1);
        let tokens = TokenPair {
            refresh: [1; 32],
            refresh_expires: time,
            access: "a".to_owned(),
            access_expires: time,
            issued: time,
        };
        assert!(start(&db, user, "other hash", &tokens).unwrap().is_none());
        assert!(start(&db, user + 1, "hash", &tokens).unwrap().is_none());
        assert_eq!(count(&db, "session"), 0);
    }
}
