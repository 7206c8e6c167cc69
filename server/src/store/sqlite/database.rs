//! The store in one SQLite file.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use rusqlite::Connection;

use super::readers::Readers;
use super::writer::Writer;
use super::{documents, events, retention, revocations, schema, signing_keys, topics, users};
use crate::error::{Error, Result};
use crate::model::{
    ACCESS_TOPIC, Document, DocumentLog, Seq, StoredKey, Time, Topic, TopicId, USERS_TOPIC, User,
};
use crate::store::bells::Bells;
use crate::store::change::{Committed, Write};
use crate::store::traits::{
    Answer, DocumentPage, DocumentQuery, LogReads, RevocationList, Slice, SliceLimit, Store, UserPage,
    UserQuery,
};

/// Name of the database in the data folder.
pub const FILE: &str = "lastmile.db";

/// The embedded store. Dropping it waits for the writes it has taken.
#[derive(Debug)]
pub struct SqliteStore {
    epoch: u32,
    writer: Writer,
    readers: Readers,
    bells: Bells,
}

impl SqliteStore {
    /// Opens the database in a folder, or creates it; `dev` is whether it holds demo users.
    ///
    /// # Errors
    /// When the file cannot be opened, a newer server wrote it, or it was created for the other value of `dev`.
    pub fn open(folder: &Path, dev: bool) -> Result<Self> {
        let path = folder.join(FILE);
        let db = schema::open_writer(&path, dev)?;
        check_origin(&db, folder, dev)?;
        let (epoch, last) = events::state(&db)?;
        let readers = Readers::open(&path)?;
        let bells = Bells::new(last);
        Ok(Self { epoch, writer: Writer::start(db, bells.clone())?, readers, bells })
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        self.readers.clone().read(read).boxed()
    }
}

/// Demo users have a password that everyone knows: they never meet others' data.
fn check_origin(db: &Connection, folder: &Path, dev: bool) -> Result<()> {
    let folder = folder.display();
    match (schema::is_dev(db)?, dev) {
        (true, false) => Err(Error::internal(format!(
            "the data folder {folder} was filled by --dev, with users whose password everyone knows: choose another \
             --data, or start with --dev"
        ))),
        (false, true) => Err(Error::internal(format!(
            "the data folder {folder} was made without --dev, which would add users whose password everyone knows: \
             choose another --data, or start without --dev"
        ))),
        _ => Ok(()),
    }
}

impl LogReads for SqliteStore {
    fn epoch(&self) -> u32 {
        self.epoch
    }

    fn read_after(&self, topics: Arc<[TopicId]>, after: Seq, limit: SliceLimit) -> Answer<Slice> {
        self.read(move |db| events::read_after(db, &topics, after, limit))
    }

    fn rules(&self) -> Answer<u64> {
        self.read(events::rules)
    }

    fn before_latest(&self, topics: Arc<[TopicId]>, count: usize) -> Answer<Seq> {
        self.read(move |db| events::before_latest(db, &topics, count))
    }

    fn trimmed(&self, topics: Arc<[TopicId]>) -> Answer<Seq> {
        self.read(move |db| events::trimmed(db, &topics))
    }

    fn overdue(&self, now: Time) -> Answer<Vec<TopicId>> {
        self.read(move |db| retention::overdue(db, now))
    }

    fn bells(&self) -> &Bells {
        &self.bells
    }
}

impl Store for SqliteStore {
    fn commit(&self, write: Write) -> Answer<Committed> {
        self.writer.commit(write).boxed()
    }

    fn user(&self, id: i32) -> Answer<Option<User>> {
        self.read(move |db| users::find(db, id))
    }

    fn credentials(&self, username: &str) -> Answer<Option<(User, String)>> {
        let username = username.to_owned();
        self.read(move |db| users::find_credentials(db, &username))
    }

    fn users(&self, query: UserQuery) -> Answer<UserPage> {
        self.read(move |db| {
            let mut users = users::list(db, &query.filter, query.after, query.limit + 1)?;
            let more = users.len() > query.limit;
            users.truncate(query.limit);
            let position = events::before_latest(db, &[USERS_TOPIC], 0)?;
            Ok(UserPage { users, more, position })
        })
    }

    fn topic(&self, name: &str) -> Answer<Option<Topic>> {
        let name = name.to_owned();
        self.read(move |db| topics::find(db, &name))
    }

    fn topics_by_id(&self, ids: Arc<[TopicId]>) -> Answer<Vec<Topic>> {
        self.read(move |db| topics::list_by_id(db, &ids))
    }

    fn topics(&self, after: &str, limit: usize) -> Answer<Vec<Topic>> {
        let after = after.to_owned();
        self.read(move |db| topics::list(db, &after, limit))
    }

    fn document(&self, id: &str) -> Answer<Option<(Document, Seq)>> {
        let id = id.to_owned();
        self.read(move |db| documents::find(db, &id))
    }

    fn documents(&self, query: DocumentQuery) -> Answer<DocumentPage> {
        self.read(move |db| documents::list(db, &query))
    }

    fn document_log(&self, id: &str) -> Answer<Option<DocumentLog>> {
        let id = id.to_owned();
        self.read(move |db| documents::find_log(db, &id))
    }

    fn signing_keys(&self) -> Answer<Vec<StoredKey>> {
        self.read(signing_keys::list)
    }

    fn revocations(&self, now: Time) -> Answer<RevocationList> {
        self.read(move |db| {
            let position = events::before_latest(db, &[ACCESS_TOPIC], 0)?;
            Ok(RevocationList { revocations: revocations::list(db, now)?, position })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NewEvent, NewUser, Role};
    use crate::store::change::{Change, Changed, UserChange};

    fn user(username: &str) -> NewUser {
        NewUser {
            username: username.to_owned(),
            name: username.to_owned(),
            tags: Vec::new(),
            email: String::new(),
            role: Role::User,
            password: String::new(),
        }
    }

    fn creation(username: &str, topic: TopicId) -> Write {
        Write::telling(Change::User(UserChange::Create(user(username))), move |changed| {
            let body = format!("{changed:?}").into_bytes();
            let (kind, publisher, traceparent) = ("user:create".to_owned(), String::new(), String::new());
            vec![NewEvent { topic, kind, publisher, traceparent, body, idempotency: None }]
        })
    }

    #[tokio::test]
    async fn a_change_and_its_event_are_one_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), false).unwrap();
        store.commit(creation("bob", TopicId(99))).await.unwrap_err();
        assert!(store.credentials("bob").await.unwrap().is_none(), "the event failed, so must the change");
        let committed = store.commit(creation("bob", USERS_TOPIC)).await.unwrap();
        assert!(matches!(committed.changed, Some(Changed::User(_))));
        assert_eq!(committed.events[0].seq, 1);
    }

    #[tokio::test]
    async fn many_writers_get_one_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), false).unwrap();
        let writes = (0..300).map(|n| store.commit(creation(&format!("user{}", n / 2), USERS_TOPIC)));
        let results = futures_util::future::join_all(writes).await;
        let mut seqs: Vec<_> = results.iter().flatten().map(|made| made.events[0].seq).collect();
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=150).collect::<Vec<_>>());
        let taken = results.iter().filter(|each| matches!(each, Err(Error::UsernameTaken(_)))).count();
        assert_eq!(taken, 150);
        let limit = SliceLimit { events: 1000, bytes: usize::MAX };
        let slice = store.read_after(Arc::new([USERS_TOPIC]), 0, limit).await.unwrap();
        assert!(slice.events.iter().all(|event| event.previous + 1 == event.seq));
        assert_eq!(slice.events.len(), 150);
        assert_eq!(store.bells().last(), 150);
    }

    #[tokio::test]
    async fn slices_keep_their_limits() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), false).unwrap();
        for n in 0..4 {
            store.commit(creation(&format!("user{n}"), USERS_TOPIC)).await.unwrap();
        }
        for (events, bytes, expected, more) in
            [(2, usize::MAX, 2, true), (4, usize::MAX, 4, false), (4, 1, 1, true), (1000, 1 << 20, 4, false)]
        {
            let slice =
                store.read_after(Arc::new([USERS_TOPIC]), 0, SliceLimit { events, bytes }).await.unwrap();
            assert_eq!((slice.events.len(), slice.more), (expected, more), "{events} {bytes}");
        }
    }
}
