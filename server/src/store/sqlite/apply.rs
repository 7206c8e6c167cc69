//! Makes one write inside a transaction: its changes, then the events that tell of them.

use rusqlite::Connection;

use super::{events, sessions, topics, users};
use crate::error::Result;
use crate::model::Seq;
use crate::store::change::{Change, Changed, Committed, Write};

/// Makes a write; `last` is the log's last position and moves on with every event.
pub(super) fn apply(db: &Connection, write: Write, last: &mut Seq) -> Result<Committed> {
    let changed = write.changes.into_iter().map(|change| make(db, change)).collect::<Result<Vec<_>>>()?;
    let mut appended = Vec::new();
    for event in (write.events)(&changed) {
        let each = events::append(db, &event, *last)?;
        // A repeated event keeps the position it has.
        *last = each.seq.max(*last);
        appended.push(each);
    }
    Ok(Committed { changed, events: appended })
}

fn make(db: &Connection, change: Change) -> Result<Changed> {
    Ok(match change {
        Change::CreateUser(user) => Changed::User(users::create(db, &user)?),
        Change::UpdateUser { id, patch, etag } => {
            Changed::User(users::update(db, id, &patch, etag.as_deref())?)
        }
        Change::DeleteUser { id, etag } => {
            users::delete(db, id, etag.as_deref())?;
            Changed::UserDeleted(id)
        }
        Change::CreateTopic(topic) => Changed::Topic(topics::create(db, &topic)?),
        Change::StartSession { user, token, now, expires } => {
            sessions::start(db, user, &token, now, expires)?;
            Changed::Session
        }
        Change::RotateToken { token, next, now, expires } => {
            Changed::Rotated(sessions::rotate(db, &token, &next, now, expires)?)
        }
        Change::EndSession { token } => {
            sessions::end(db, &token)?;
            Changed::Session
        }
    })
}
