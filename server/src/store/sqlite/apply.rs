//! Makes one write inside a transaction: its change, then the events that tell of it.

use rusqlite::Connection;

use super::{
    documents, events, forgetting, retention, service_tokens, sessions, signing_keys, topics, users,
};
use crate::error::Result;
use crate::model::{NewEvent, Seq, TopicId};
use crate::store::change::{Change, Changed, Committed, Write};

/// Makes a write. `last` is the log's last position and moves on with every event; `touched` gets their topics.
pub(super) fn apply(
    db: &Connection,
    write: Write,
    last: &mut Seq,
    touched: &mut Vec<TopicId>,
) -> Result<Committed> {
    let mut committed = Committed::default();
    if let Some((change, tell)) = write.change {
        let changed = make(db, change, *last + 1)?;
        append(db, &tell(&changed), last, touched, &mut committed)?;
        if let Changed::Forgotten { topics, .. } = &changed {
            // Who follows them hears that they are gone.
            touched.extend(topics);
        }
        committed.changed = Some(changed);
    }
    append(db, &write.events, last, touched, &mut committed)?;
    Ok(committed)
}

fn append(
    db: &Connection,
    events: &[NewEvent],
    last: &mut Seq,
    touched: &mut Vec<TopicId>,
    committed: &mut Committed,
) -> Result<()> {
    for event in events {
        let appended = events::append(db, event, *last)?;
        // A repeated event keeps the position it has.
        *last = appended.seq.max(*last);
        touched.push(event.topic);
        committed.events.push(appended);
    }
    Ok(())
}

/// `next` is the position that the first event which tells of the change gets.
fn make(db: &Connection, change: Change, next: Seq) -> Result<Changed> {
    Ok(match change {
        Change::User(change) => Changed::User(users::apply(db, change)?),
        Change::Topic(change) => Changed::Topic(topics::apply(db, change, next)?),
        Change::Session(change) => Changed::Session(sessions::apply(db, &change)?),
        Change::Trim { topic, now } => Changed::Trimmed { more: retention::trim(db, topic, now)? },
        Change::Forget { now } => forgetting::forget(db, now)?,
        Change::Document(change) => Changed::Document(documents::apply(db, change, next)?),
        Change::Key(change) => Changed::Keys(signing_keys::apply(db, &change)?),
        Change::ServiceToken(change) => Changed::ServiceToken(service_tokens::apply(db, &change)?),
    })
}
