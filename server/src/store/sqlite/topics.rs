//! Topics in SQL.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::error::{Error, Result};
use crate::model::{Member, NewTopic, Retention, Seq, Time, Topic, TopicId, TopicPatch, TopicRules};
use crate::store::change::{TopicChange, TopicChanged};

const COLUMNS: &str =
    "id, name, description, publish, subscribe, owner, max_age, max_bytes, created, updated, version";

pub(super) fn find(db: &Connection, name: &str) -> Result<Option<Topic>> {
    let sql = format!("SELECT {COLUMNS} FROM topic WHERE name = ?1 AND NOT internal");
    Ok(db.prepare_cached(&sql)?.query_row([name], from_row).optional()?)
}

/// Topics after a name, in the order of their names.
pub(super) fn list(db: &Connection, after: &str, limit: usize) -> Result<Vec<Topic>> {
    let sql = format!("SELECT {COLUMNS} FROM topic WHERE internal = 0 AND name > ?1 ORDER BY name LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let topics = statement.query_map(params![after, limit], from_row)?.collect::<Result<_, _>>()?;
    Ok(topics)
}

/// Those of the topics that are still there, in no order.
pub(super) fn list_by_id(db: &Connection, ids: &[TopicId]) -> Result<Vec<Topic>> {
    let places = vec!["?"; ids.len()].join(", ");
    let sql = format!("SELECT {COLUMNS} FROM topic WHERE id IN ({places})");
    let ids = params_from_iter(ids.iter().map(|id| id.0));
    let topics = db.prepare_cached(&sql)?.query_map(ids, from_row)?.collect::<Result<_, _>>()?;
    Ok(topics)
}

/// Makes a change of a topic; `next` is the position of the event that comes next.
pub(super) fn apply(db: &Connection, change: TopicChange, next: Seq) -> Result<TopicChanged> {
    Ok(match change {
        TopicChange::Create(topic) => TopicChanged::Topic(create(db, &topic, next - 1)?),
        TopicChange::Update { name, patch, etag } => {
            TopicChanged::Topic(update(db, &name, &patch, etag.as_deref())?)
        }
        TopicChange::Delete { name, etag } => {
            delete(db, &name, etag.as_deref())?;
            TopicChanged::Deleted(name)
        }
    })
}

/// A topic of a name that was used before begins at `last`: its history is not that of the old one.
fn create(db: &Connection, topic: &NewTopic, last: Seq) -> Result<Topic> {
    let created = db
        .prepare_cached(
            "INSERT INTO topic (name, internal, description, publish, subscribe, owner, max_age, max_bytes,
                                created, updated, version, last, trimmed)
             SELECT ?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1, begin, begin
             FROM (SELECT CASE WHEN ?1 IN (SELECT name FROM former_topic) THEN ?9 ELSE 0 END AS begin) WHERE true
             ON CONFLICT (name) DO NOTHING",
        )?
        .execute(params![
            topic.name,
            topic.description,
            join(&topic.rules.publish),
            join(&topic.rules.subscribe),
            topic.owner,
            topic.retention.max_age.as_secs(),
            topic.retention.max_bytes,
            Time::now().micros(),
            last,
        ])?;
    match find(db, &topic.name)? {
        Some(topic) if created == 1 => revise_rules(db).map(|()| topic),
        _ => Err(Error::TopicExists(topic.name.clone())),
    }
}

fn update(db: &Connection, name: &str, patch: &TopicPatch, etag: Option<&str>) -> Result<Topic> {
    check_etag(&known(db, name)?, etag)?;
    db.prepare_cached(
        "UPDATE topic SET description = coalesce(?2, description), publish = coalesce(?3, publish),
                subscribe = coalesce(?4, subscribe), max_age = coalesce(?5, max_age),
                max_bytes = coalesce(?6, max_bytes), owner = coalesce(?7, owner), updated = ?8, version = version + 1
         WHERE name = ?1",
    )?
    .execute(params![
        name,
        patch.description,
        patch.publish.as_deref().map(join),
        patch.subscribe.as_deref().map(join),
        patch.max_age.map(|age| age.as_secs()),
        patch.max_bytes,
        patch.owner,
        Time::now().micros(),
    ])?;
    if patch.changes_rules() {
        revise_rules(db)?;
    }
    known(db, name)
}

/// Whoever follows all topics asks again which they are.
fn revise_rules(db: &Connection) -> Result<()> {
    db.prepare_cached("UPDATE log SET rules = rules + 1")?.execute([])?;
    Ok(())
}

/// Leaves the events, and the idempotency keys that age anyway: to delete millions here would hold up every write.
fn delete(db: &Connection, name: &str, etag: Option<&str>) -> Result<()> {
    let topic = known(db, name)?;
    check_etag(&topic, etag)?;
    db.prepare_cached("INSERT INTO former_topic (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?
        .execute([name])?;
    db.prepare_cached("DELETE FROM topic WHERE id = ?1")?.execute([topic.id.0])?;
    revise_rules(db)
}

fn known(db: &Connection, name: &str) -> Result<Topic> {
    find(db, name)?.ok_or_else(|| Error::NotFound { kind: "topic", name: name.to_owned() })
}

fn check_etag(topic: &Topic, etag: Option<&str>) -> Result<()> {
    match etag {
        Some(etag) if etag != topic.etag() => {
            Err(Error::EtagMismatch { kind: "topic", name: topic.name.clone() })
        }
        _ => Ok(()),
    }
}

/// Members never contain a space.
fn join(members: &[Member]) -> String {
    members.iter().map(Member::to_string).collect::<Vec<_>>().join(" ")
}

fn split(text: &str) -> Result<Vec<Member>, crate::model::UnknownMember> {
    text.split_ascii_whitespace().map(str::parse).collect()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Topic> {
    let members = |column: &str| {
        let text: String = row.get(column)?;
        split(&text).map_err(|error| {
            let index = row.as_ref().column_index(column).unwrap_or_default();
            rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error))
        })
    };
    Ok(Topic {
        id: TopicId(row.get("id")?),
        name: row.get("name")?,
        description: row.get("description")?,
        rules: TopicRules { publish: members("publish")?, subscribe: members("subscribe")? },
        retention: Retention {
            max_age: Duration::from_secs(row.get("max_age")?),
            max_bytes: row.get("max_bytes")?,
        },
        owner: row.get("owner")?,
        created: Time::from_micros(row.get("created")?),
        updated: Time::from_micros(row.get("updated")?),
        version: row.get("version")?,
    })
}
