//! The store in one SQLite file.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::readers::Readers;
use super::writer::Writer;
use super::{events, schema, topics, users};
use crate::error::{Error, Result};
use crate::model::{Seq, Topic, TopicId, USERS_TOPIC, User};
use crate::store::change::{Committed, Write};
use crate::store::traits::{Answer, LogReads, Slice, SliceLimit, Store, UserPage, UserQuery};

/// Name of the database in the data folder.
const FILE: &str = "lastmile.db";

/// The embedded store. Dropping it waits for the writes it has taken.
#[derive(Debug)]
pub struct SqliteStore {
    epoch: u32,
    writer: Writer,
    readers: Readers,
    changed: watch::Receiver<Seq>,
}

impl SqliteStore {
    /// Opens the database in a folder, or creates it.
    ///
    /// # Errors
    /// When the file cannot be opened, or a newer server wrote it.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let db = schema::open_writer(&path)?;
        let (epoch, last) = events::state(&db)?;
        let readers = Readers::open(&path)?;
        let (sender, changed) = watch::channel(last);
        Ok(Self { epoch, writer: Writer::start(db, sender)?, readers, changed })
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        self.readers.clone().read(read).boxed()
    }
}

impl LogReads for SqliteStore {
    fn epoch(&self) -> u32 {
        self.epoch
    }

    fn read_after(&self, topics: Arc<[TopicId]>, after: Seq, limit: SliceLimit) -> Answer<Slice> {
        self.read(move |db| events::read_after(db, &topics, after, limit))
    }

    fn before_latest(&self, topics: Arc<[TopicId]>, count: usize) -> Answer<Seq> {
        self.read(move |db| events::before_latest(db, &topics, count))
    }

    fn changed(&self) -> watch::Receiver<Seq> {
        self.changed.clone()
    }
}

impl Store for SqliteStore {
    fn commit(&self, write: Write) -> Answer<Committed> {
        let answer = self.writer.send(write);
        async { answer.await.map_err(|_| Error::internal("the thread that writes is gone"))? }.boxed()
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

    fn topics(&self) -> Answer<Vec<Topic>> {
        self.read(topics::list)
    }
}
