//! Users in SQL.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::{access_tokens, revocations};
use crate::error::{Error, Result};
use crate::model::{
    FilterField, LONGEST_SESSION_TOKEN, NewUser, Revocation, Role, Term, Time, User, UserFilter, UserPatch,
};
use crate::store::change::{UserChange, UserChanged};

const COLUMNS: &str = "id, name, tags, username, email, role, created, updated, version";

pub(super) fn find(db: &Connection, id: i32) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM user WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id], from_row).optional()?)
}

pub(super) fn find_credentials(db: &Connection, username: &str) -> Result<Option<(User, String)>> {
    let sql = format!("SELECT {COLUMNS}, password FROM user WHERE username = ?1");
    let with_password = |row: &Row<'_>| Ok((from_row(row)?, row.get("password")?));
    Ok(db.prepare_cached(&sql)?.query_row([username], with_password).optional()?)
}

/// Users after an id, one more than asked for when more follow.
pub(super) fn list(db: &Connection, filter: &UserFilter, after: i32, limit: usize) -> Result<Vec<User>> {
    let mut sql = format!("SELECT {COLUMNS} FROM user WHERE id > ?");
    let mut values = vec![Value::from(after)];
    for term in &filter.terms {
        let (condition, value) = condition(term);
        sql.push_str(" AND ");
        sql.push_str(&condition);
        values.push(Value::from(value));
    }
    sql.push_str(" ORDER BY id LIMIT ?");
    values.push(Value::from(i64::try_from(limit).unwrap_or(i64::MAX)));
    let mut statement = db.prepare_cached(&sql)?;
    let users = statement.query_map(params_from_iter(values), from_row)?.collect::<Result<_, _>>()?;
    Ok(users)
}

fn condition(term: &Term) -> (String, String) {
    let (field, operator, value) = match term {
        Term::Contains(field, value) => (field, "LIKE ? ESCAPE '\\'", format!("%{}%", escape_like(value))),
        Term::Equals(field, value) => (field, "= ?", value.clone()),
    };
    let condition = match field {
        FilterField::Name => format!("name {operator}"),
        FilterField::Username => format!("username {operator}"),
        FilterField::Email => format!("email {operator}"),
        FilterField::Role => format!("role {operator}"),
        FilterField::Tag => format!("EXISTS (SELECT 1 FROM json_each(user.tags) WHERE value {operator})"),
    };
    (condition, value)
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Makes a change of a user.
pub(super) fn apply(db: &Connection, change: UserChange) -> Result<UserChanged> {
    Ok(match change {
        UserChange::Create(user) => UserChanged::User { user: create(db, &user)?, revoked: Vec::new() },
        UserChange::Update { id, patch, etag } => {
            let (user, revoked) = update(db, id, &patch, etag.as_deref())?;
            UserChanged::User { user, revoked }
        }
        UserChange::Delete { id, etag } => {
            UserChanged::Deleted { id, revoked: vec![delete(db, id, etag.as_deref())?] }
        }
        UserChange::SetPassword { id, current, next, caller } => {
            UserChanged::PasswordSet { revoked: set_password(db, id, &current, &next, &caller)? }
        }
    })
}

pub(super) fn create(db: &Connection, user: &NewUser) -> Result<User> {
    let now = Time::now().micros();
    let mut insert = db.prepare_cached(
        "INSERT INTO user (username, name, tags, email, role, password, created, updated, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 1)
         ON CONFLICT (username) DO NOTHING RETURNING id",
    )?;
    let tags = serde_json::json!(user.tags).to_string();
    let id: Option<i32> = insert
        .query_row(
            params![user.username, user.name, tags, user.email, user.role.as_str(), user.password, now],
            |row| row.get(0),
        )
        .optional()?;
    match id {
        Some(id) => known(db, id),
        None => Err(Error::UsernameTaken(user.username.clone())),
    }
}

/// A user whose role changes goes on with tokens of the new role; those of the old one are revoked.
fn update(
    db: &Connection,
    id: i32,
    patch: &UserPatch,
    etag: Option<&str>,
) -> Result<(User, Vec<Revocation>)> {
    let before = known(db, id)?;
    check_etag(&before, etag)?;
    let now = Time::now();
    let mut revoked = Vec::new();
    if patch.role.is_some_and(|role| role != before.role) {
        check_not_last_admin(db, &before)?;
        revoked = access_tokens::revoke_of_user(db, id, now)?;
    }
    let tags = patch.tags.as_ref().map(|tags| serde_json::json!(tags).to_string());
    db.prepare_cached(
        "UPDATE user SET name = coalesce(?2, name), tags = coalesce(?3, tags), email = coalesce(?4, email),
                role = coalesce(?5, role), updated = ?6, version = version + 1
         WHERE id = ?1",
    )?
    .execute(params![id, patch.name, tags, patch.email, patch.role.map(Role::as_str), now.micros()])?;
    Ok((known(db, id)?, revoked))
}

fn delete(db: &Connection, id: i32, etag: Option<&str>) -> Result<Revocation> {
    let user = known(db, id)?;
    check_etag(&user, etag)?;
    check_not_last_admin(db, &user)?;
    db.prepare_cached("DELETE FROM user WHERE id = ?1")?.execute([id])?;
    let now = Time::now();
    let revocation = Revocation::of_subject(id.to_string(), now, now.plus(LONGEST_SESSION_TOKEN));
    revocations::insert(db, &revocation)?;
    Ok(revocation)
}

fn set_password(
    db: &Connection,
    id: i32,
    current: &str,
    next: &str,
    caller: &str,
) -> Result<Vec<Revocation>> {
    let set = db
        .prepare_cached("UPDATE user SET password = ?3 WHERE id = ?1 AND password = ?2")?
        .execute(params![id, current, next])?;
    if set == 0 {
        return Err(Error::EtagMismatch { kind: "user", name: id.to_string() });
    }
    access_tokens::end_other_sessions(db, id, caller, Time::now())
}

fn check_not_last_admin(db: &Connection, user: &User) -> Result<()> {
    let admins: i64 = db
        .prepare_cached("SELECT count(*) FROM user WHERE role = ?1")?
        .query_row([Role::Admin.as_str()], |row| row.get(0))?;
    if user.role == Role::Admin && admins == 1 { Err(Error::LastAdmin) } else { Ok(()) }
}

fn known(db: &Connection, id: i32) -> Result<User> {
    find(db, id)?.ok_or_else(|| Error::NotFound { kind: "user", name: id.to_string() })
}

fn check_etag(user: &User, etag: Option<&str>) -> Result<()> {
    match etag {
        Some(etag) if etag != user.etag() => {
            Err(Error::EtagMismatch { kind: "user", name: user.id.to_string() })
        }
        _ => Ok(()),
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<User> {
    let tags: String = row.get("tags")?;
    let role: String = row.get("role")?;
    Ok(User {
        id: row.get("id")?,
        name: row.get("name")?,
        tags: serde_json::from_str(&tags).map_err(|error| malformed(row, "tags", error))?,
        username: row.get("username")?,
        email: row.get("email")?,
        role: role.parse().map_err(|error| malformed(row, "role", error))?,
        created: Time::from_micros(row.get("created")?),
        updated: Time::from_micros(row.get("updated")?),
        version: row.get("version")?,
    })
}

fn malformed(
    row: &Row<'_>,
    column: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error))
}
