//! Signing keys in SQL.

use rusqlite::{Connection, Row, params};
use secrecy::{ExposeSecret, SecretString};

use crate::error::Result;
use crate::model::{StoredKey, Time};
use crate::store::change::KeyChange;

/// All keys, in the order in which they sign.
pub(super) fn list(db: &Connection) -> Result<Vec<StoredKey>> {
    let mut statement =
        db.prepare_cached("SELECT id, pem, signs, created FROM signing_key ORDER BY signs, id")?;
    let keys = statement.query_map([], from_row)?.collect::<Result<_, _>>()?;
    Ok(keys)
}

/// Makes a change of the keys, and tells which there are now.
pub(super) fn apply(db: &Connection, change: &KeyChange) -> Result<Vec<StoredKey>> {
    match change {
        KeyChange::Add { key, after } => add(db, key, after.as_deref())?,
        KeyChange::Forget { ids } => {
            for id in ids {
                db.prepare_cached("DELETE FROM signing_key WHERE id = ?1")?.execute([id])?;
            }
        }
    }
    list(db)
}

fn add(db: &Connection, key: &StoredKey, after: Option<&str>) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO signing_key (id, pem, signs, created)
         SELECT ?1, ?2, ?3, ?4
         WHERE ?5 IS (SELECT id FROM signing_key ORDER BY signs DESC, id DESC LIMIT 1)",
    )?
    .execute(params![
        key.id,
        key.pem.expose_secret(),
        key.signs.micros(),
        key.created.micros(),
        after
    ])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    Ok(StoredKey {
        id: row.get("id")?,
        pem: SecretString::from(row.get::<_, String>("pem")?),
        signs: Time::from_micros(row.get("signs")?),
        created: Time::from_micros(row.get("created")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema::open_writer;

    #[test]
    fn of_two_that_add_the_next_key_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("db"), false).unwrap();
        let add = |id: &str, at: i64, after: Option<&str>| {
            let (signs, created) = (Time::from_micros(at), Time::from_micros(at));
            let key = StoredKey { id: id.to_owned(), pem: "".into(), signs, created };
            let change = KeyChange::Add { key, after: after.map(str::to_owned) };
            let keys = apply(&db, &change).unwrap();
            keys.into_iter().map(|key| key.id).collect::<Vec<_>>()
        };
        assert_eq!(add("a", 1, None), ["a"]);
        assert_eq!(add("x", 1, None), ["a"], "the first key was there before");
        assert_eq!(add("b", 2, Some("a")), ["a", "b"]);
        assert_eq!(add("x", 2, Some("a")), ["a", "b"], "the next key was there before");
        let forget = KeyChange::Forget { ids: vec!["a".to_owned()] };
        assert_eq!(apply(&db, &forget).unwrap()[0].id, "b");
    }
}
