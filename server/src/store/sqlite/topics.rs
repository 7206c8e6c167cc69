//! Topics in SQL.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::retention;
use crate::error::{Error, Result};
use crate::model::{Member, NewTopic, Retention, Seq, Time, Topic, TopicId, TopicRules};
use crate::store::change::{TopicChange, TopicChanged};

const COLUMNS: &str =
    "id, name, description, publish, subscribe, owner, max_age, max_bytes, created, updated, version";

pub(super) fn find(db: &Connection, name: &str) -> Result<Option<Topic>> {
    let sql = format!("SELECT {COLUMNS} FROM topic WHERE name = ?1 AND NOT internal");
    Ok(db.prepare_cached(&sql)?.query_row([name], from_row).optional()?)
}

pub(super) fn list(db: &Connection) -> Result<Vec<Topic>> {
    let sql = format!("SELECT {COLUMNS} FROM topic WHERE internal = 0 ORDER BY name");
    let topics = db.prepare_cached(&sql)?.query_map([], from_row)?.collect::<Result<_, _>>()?;
    Ok(topics)
}

/// Makes a change of a topic; `next` is the position of the event that comes next.
pub(super) fn apply(db: &Connection, change: TopicChange, next: Seq) -> Result<TopicChanged> {
    match change {
        TopicChange::Create(topic) => create(db, &topic, next - 1).map(TopicChanged::Topic),
        TopicChange::Trim { topic, now } => {
            retention::trim(db, topic, now).map(|more| TopicChanged::Trimmed { more })
        }
    }
}

/// A topic of a name that was used before begins at `last`: its history is not that of the old one.
fn create(db: &Connection, topic: &NewTopic, last: Seq) -> Result<Topic> {
    let retention = Retention::default();
    let created = db
        .prepare_cached(
            "INSERT INTO topic (name, internal, description, publish, subscribe, owner, max_age, max_bytes,
                                created, updated, version, last, trimmed)
             SELECT ?1, 0, ?2, ?3, ?4, '', ?5, ?6, ?7, ?7, 1, begin, begin
             FROM (SELECT CASE WHEN ?1 IN (SELECT name FROM former_topic) THEN ?8 ELSE 0 END AS begin) WHERE true
             ON CONFLICT (name) DO NOTHING",
        )?
        .execute(params![
            topic.name,
            topic.description,
            join(&topic.rules.publish),
            join(&topic.rules.subscribe),
            retention.max_age.as_secs(),
            retention.max_bytes,
            Time::now().micros(),
            last,
        ])?;
    match find(db, &topic.name)? {
        Some(topic) if created == 1 => Ok(topic),
        _ => Err(Error::TopicExists(topic.name.clone())),
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
