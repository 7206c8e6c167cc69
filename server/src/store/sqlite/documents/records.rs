//! The rows of documents, deleted ones included.

use prost::Message;
use prost_types::Struct;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::history;
use crate::error::Result;
use crate::model::{Document, DocumentLog, Retention, Seq, Time, TopicId};
use crate::store::sqlite::events;
use crate::store::traits::{DocumentPage, DocumentQuery};

/// A deleted document is forgotten up to this version, so that new ones always have versions left.
const LAST_FORGOTTEN: u32 = u32::MAX / 2;

/// What a commit needs to know of a document.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) number: i64,
    pub(super) topic: TopicId,
    pub(super) version: u32,
    /// The last version in which there was no such document.
    pub(super) absent: u32,
    /// `None` when the document was deleted.
    pub(super) content: Option<Struct>,
}

/// The document of an id, and where the log of its changes stands. Call it in a transaction.
pub(in crate::store::sqlite) fn find(db: &Connection, id: &str) -> Result<Option<(Document, Seq)>> {
    let found: Option<(Document, TopicId)> = db
        .prepare_cached(
            "SELECT id, version, content, created, updated, topic FROM document
             WHERE id = ?1 AND content IS NOT NULL",
        )?
        .query_row([id], |row| Ok((from_row(row)?, TopicId(row.get("topic")?))))
        .optional()?;
    let Some((document, topic)) = found else {
        return Ok(None);
    };
    Ok(Some((document, events::before_latest(db, &[topic], 0)?)))
}

/// The log of a document's changes.
pub(in crate::store::sqlite) fn find_log(db: &Connection, id: &str) -> Result<Option<DocumentLog>> {
    Ok(db
        .prepare_cached("SELECT topic, content IS NULL FROM document WHERE id = ?1")?
        .query_row([id], |row| Ok(DocumentLog { topic: TopicId(row.get(0)?), deleted: row.get(1)? }))
        .optional()?)
}

/// A page of documents.
pub(in crate::store::sqlite) fn list(db: &Connection, query: &DocumentQuery) -> Result<DocumentPage> {
    let mut statement = db.prepare_cached(
        "SELECT id, version, content, created, updated FROM document
         WHERE id > ?1 AND content IS NOT NULL ORDER BY id LIMIT ?2",
    )?;
    let mut rows = statement.query(params![query.after, query.limit + 1])?;
    let mut page = DocumentPage { documents: Vec::new(), more: false };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += row.get_ref("content")?.as_blob().map_or(0, <[u8]>::len);
        let full = page.documents.len() == query.limit || bytes > query.bytes;
        if full && !page.documents.is_empty() {
            page.more = true;
            break;
        }
        page.documents.push(from_row(row)?);
    }
    Ok(page)
}

/// The row of an id, if there ever was such a document.
pub(super) fn find_record(db: &Connection, id: &str) -> Result<Option<Record>> {
    let record = |row: &Row<'_>| {
        let content: Option<Vec<u8>> = row.get("content")?;
        Ok(Record {
            number: row.get("number")?,
            topic: TopicId(row.get("topic")?),
            version: row.get("version")?,
            absent: row.get("absent")?,
            content: content.map(|bytes| decode(row, &bytes)).transpose()?,
        })
    };
    Ok(db
        .prepare_cached("SELECT number, topic, version, absent, content FROM document WHERE id = ?1")?
        .query_row([id], record)
        .optional()?)
}

/// Makes the row of a new document, deleted as yet, and the topic that carries its changes.
///
/// There may have been one of its id that is forgotten. So its versions are beyond those of all that are forgotten, and
/// its topic begins at the log's end: what a caller still knows of the old one is never taken for a part of this one.
pub(super) fn create(db: &Connection, id: &str, last: Seq) -> Result<Record> {
    let (retention, now) = (Retention::default(), Time::now().micros());
    // No caller can name a topic with `:`.
    let topic: i64 = db
        .prepare_cached(
            "INSERT INTO topic (name, internal, description, publish, subscribe, owner, max_age, max_bytes,
                                created, updated, version, last, trimmed)
             VALUES ('document:' || ?1, 1, 'changes of a document', '', '', '', ?2, ?3, ?4, ?4, 1, ?5, ?5)
             RETURNING id",
        )?
        .query_row(params![id, retention.max_age.as_secs(), retention.max_bytes, now, last], |row| {
            row.get(0)
        })?;
    let (number, version) = db
        .prepare_cached(
            "INSERT INTO document (id, topic, version, absent, content, created, updated)
             SELECT ?1, ?2, version, version, NULL, ?3, ?3 FROM former_document
             RETURNING number, version",
        )?
        .query_row(params![id, topic, now], |row| Ok((row.get(0)?, row.get(1)?)))?;
    history::begin(db, number, version)?;
    Ok(Record { number, topic: TopicId(topic), version, absent: version, content: None })
}

/// So many of the documents deleted until a time none of whose operations are known any more, with their topics.
pub(super) fn list_deleted(db: &Connection, until: Time, limit: usize) -> Result<Vec<(i64, TopicId)>> {
    let mut statement = db.prepare_cached(
        "SELECT number, topic FROM document
         WHERE content IS NULL AND updated <= ?1 AND version <= ?2
         AND NOT EXISTS (SELECT 1 FROM document_op WHERE document = number) ORDER BY updated LIMIT ?3",
    )?;
    let documents = statement.query_map(params![until.micros(), LAST_FORGOTTEN, limit], |row| {
        Ok((row.get(0)?, TopicId(row.get(1)?)))
    })?;
    Ok(documents.collect::<Result<_, _>>()?)
}

/// Deletes the row of a document and its topic, and remembers that its versions are used.
pub(super) fn delete(db: &Connection, number: i64) -> Result<()> {
    for sql in [
        "UPDATE former_document SET version = max(version, (SELECT version FROM document WHERE number = ?1))",
        "DELETE FROM topic WHERE id = (SELECT topic FROM document WHERE number = ?1)",
        "DELETE FROM document WHERE number = ?1",
    ] {
        db.prepare_cached(sql)?.execute([number])?;
    }
    Ok(())
}

/// Stores the next version of a document; what was deleted before is created now.
pub(super) fn store(db: &Connection, number: i64, version: u32, content: &Struct) -> Result<()> {
    db.prepare_cached(
        "UPDATE document SET version = ?2, updated = ?4, created = CASE WHEN content IS NULL THEN ?4 ELSE created END,
                content = ?3
         WHERE number = ?1",
    )?
    .execute(params![number, version, content.encode_to_vec(), Time::now().micros()])?;
    Ok(())
}

/// Stores the next version of a document, in which there is none.
pub(super) fn store_deleted(db: &Connection, number: i64, version: u32) -> Result<()> {
    db.prepare_cached(
        "UPDATE document SET version = ?2, absent = ?2, updated = ?3, content = NULL WHERE number = ?1",
    )?
    .execute(params![number, version, Time::now().micros()])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        id: row.get("id")?,
        version: row.get("version")?,
        content: decode(row, row.get_ref("content")?.as_blob()?)?,
        created: Time::from_micros(row.get("created")?),
        updated: Time::from_micros(row.get("updated")?),
    })
}

fn decode(row: &Row<'_>, bytes: &[u8]) -> rusqlite::Result<Struct> {
    Struct::decode(bytes).map_err(|error| {
        let index = row.as_ref().column_index("content").unwrap_or_default();
        rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, Box::new(error))
    })
}
