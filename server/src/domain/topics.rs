//! Topics: publishing, history, following.

use std::sync::Arc;

use super::access::{check_publish, may_follow, may_see, may_subscribe, refuse_subscribe};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::log::{Log, Start, Tail};
use crate::model::{Idempotency, NewEvent, NewTopic, Seq, Topic, TopicId};
use crate::store::{Appended, Change, Slice, SliceLimit, Store, TopicChange, Write};
use crate::telemetry::current_traceparent;

/// Topics of one subscription.
const MAX_TOPICS: usize = 64;

/// Topics read at once while a caller's are looked for.
const BATCH: usize = 256;

/// Bytes of a page of history: below the message limit that clients have by default.
const PAGE_BYTES: usize = 1 << 20;

/// An event somebody wants to publish.
#[derive(Debug)]
pub struct Publication {
    /// Its type.
    pub kind: String,
    /// Encoded content.
    pub body: Vec<u8>,
    /// The key that makes a repeated call harmless, and the digest of what it stands for.
    pub key: Option<(String, [u8; 32])>,
}

/// Which page of a topic's history.
#[derive(Debug, Clone, Copy)]
pub enum History {
    /// From the oldest event kept.
    Oldest,
    /// After a position.
    After(Seq),
    /// The latest events.
    Latest(usize),
}

/// A stream of one or more topics.
#[derive(Debug)]
pub struct Feed {
    /// The topics.
    pub topics: Arc<[Topic]>,
    /// What happens in them.
    pub tail: Tail,
}

/// Publishes to topics and follows them.
#[derive(Debug, Clone)]
pub struct Topics {
    store: Arc<dyn Store>,
    log: Log,
}

impl Topics {
    /// Topics of a store.
    pub fn new(store: Arc<dyn Store>, log: Log) -> Self {
        Self { store, log }
    }

    /// Creates a topic in the name of the server itself, unless it exists.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn ensure(&self, topic: NewTopic) -> Result<()> {
        if self.store.topic(&topic.name).await?.is_none() {
            self.store.commit(Write::change(Change::Topic(TopicChange::Create(topic)))).await?;
        }
        Ok(())
    }

    /// One topic the caller may subscribe to, or administers.
    ///
    /// # Errors
    /// `NotFound`, `LoginRequired`, `Forbidden`.
    pub async fn get(&self, caller: &Caller, name: &str) -> Result<Topic> {
        let topic = self.known(name).await?;
        if may_see(caller, &topic) { Ok(topic) } else { Err(refuse_subscribe(caller, &topic)) }
    }

    /// So many topics after a name that the caller may subscribe to, or administers, in the order of their names.
    ///
    /// # Errors
    /// Only by a fault of the store.
    pub async fn list(&self, caller: &Caller, after: String, limit: usize) -> Result<Vec<Topic>> {
        self.admitting(after, limit, |topic| may_see(caller, topic)).await
    }

    /// Appends an event; when it answers, the event is on disk.
    ///
    /// # Errors
    /// `NotFound`, `LoginRequired`, `Forbidden`, `IdempotencyKeyReused`.
    pub async fn publish(&self, caller: &Caller, name: &str, publication: Publication) -> Result<Appended> {
        let topic = self.known(name).await?;
        let identity = check_publish(caller, &topic)?;
        let subject = identity.subject.clone();
        self.append(&topic, subject, identity.name.clone(), publication).await
    }

    /// Appends an event in the name of the server itself.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn announce(&self, name: &str, publication: Publication) -> Result<Appended> {
        let topic = self.known(name).await?;
        self.append(&topic, String::new(), "lastmile".to_owned(), publication).await
    }

    /// A page of a topic's events, oldest first.
    ///
    /// # Errors
    /// `NotFound`, `LoginRequired`, `Forbidden`, and the errors of a cursor that cannot go on.
    pub async fn history(&self, caller: &Caller, name: &str, page: History, size: usize) -> Result<Slice> {
        let topic = self.known(name).await?;
        if !may_subscribe(caller, &topic) {
            return Err(refuse_subscribe(caller, &topic));
        }
        let topics: Arc<[TopicId]> = Arc::new([topic.id]);
        let (after, events) = match page {
            History::Oldest => (self.log.trimmed(Arc::clone(&topics)).await?, size),
            History::After(seq) => (seq, size),
            History::Latest(count) => (self.log.before_latest(Arc::clone(&topics), count).await?, count),
        };
        let slice = self.log.read_after(topics, after, SliceLimit { events, bytes: PAGE_BYTES }).await;
        slice.map_err(|error| named(error, name))
    }

    /// The topics of these names, or all the caller may follow when there is none.
    ///
    /// # Errors
    /// `NotFound`, `LoginRequired`, `Forbidden`; `Invalid` when all are too many.
    pub async fn authorize(&self, caller: &Caller, names: &[String]) -> Result<Vec<Topic>> {
        if names.is_empty() {
            return self.all_readable(caller).await;
        }
        let mut topics: Vec<Topic> = Vec::with_capacity(names.len());
        for name in names {
            if topics.iter().any(|known| known.name == *name) {
                continue;
            }
            let topic = self.known(name).await?;
            if !may_follow(caller, &topic) {
                return Err(refuse_subscribe(caller, &topic));
            }
            topics.push(topic);
        }
        Ok(topics)
    }

    /// Follows the topics of these names, or all the caller may subscribe to when there is none.
    ///
    /// # Errors
    /// Those of [`Self::authorize`], and the errors of a cursor that cannot go on.
    pub async fn follow(&self, caller: &Caller, names: &[String], start: Start) -> Result<Feed> {
        if names.is_empty() {
            return self.follow_all(caller, start).await;
        }
        let topics: Arc<[Topic]> = self.authorize(caller, names).await?.into();
        let ids = topics.iter().map(|topic| topic.id).collect();
        let tail = Tail::open(self.log.clone(), ids, start).await;
        if let Err(Error::NotFound { .. }) = tail {
            // The log knows only the number of what is gone.
            self.authorize_again(caller, &topics).await?;
        }
        Ok(Feed { topics, tail: tail? })
    }

    /// The feed ends when there are other topics that the caller may follow: a cursor that has passed events of a topic
    /// which nobody has followed would lie.
    async fn follow_all(&self, caller: &Caller, start: Start) -> Result<Feed> {
        loop {
            let rules = self.log.rules().await?;
            let topics: Arc<[Topic]> = self.all_readable(caller).await?.into();
            let ids = topics.iter().map(|topic| topic.id).collect();
            match Tail::open_all(self.log.clone(), ids, start, rules).await {
                // Between the two reads.
                Err(Error::TopicsChanged | Error::NotFound { .. }) => {}
                tail => return Ok(Feed { topics, tail: tail? }),
            }
        }
    }

    /// Admits a caller who may still follow all topics of a feed. A topic created anew under its name is another one.
    ///
    /// # Errors
    /// `NotFound` when one of them was deleted, `LoginRequired`, `Forbidden`.
    pub async fn authorize_again(&self, caller: &Caller, topics: &[Topic]) -> Result<()> {
        let ids = topics.iter().map(|topic| topic.id).collect();
        let there = self.store.topics_by_id(ids).await?;
        for topic in topics {
            let topic = there.iter().find(|each| each.id == topic.id).ok_or_else(|| gone(&topic.name))?;
            if !may_follow(caller, topic) {
                return Err(refuse_subscribe(caller, topic));
            }
        }
        Ok(())
    }

    async fn all_readable(&self, caller: &Caller) -> Result<Vec<Topic>> {
        let admits = |topic: &Topic| may_follow(caller, topic);
        let topics = self.admitting(String::new(), MAX_TOPICS + 1, admits).await?;
        if topics.is_empty() {
            caller.identity()?;
            return Err(Error::Forbidden("there is no topic you may subscribe to".to_owned()));
        }
        if topics.len() > MAX_TOPICS {
            let why = format!("you may read more than {MAX_TOPICS} topics: name up to {MAX_TOPICS} of them");
            return Err(Error::invalid("topics", why));
        }
        Ok(topics)
    }

    /// So many topics after a name that admit the caller; they are read in batches until there are enough.
    async fn admitting(
        &self,
        mut after: String,
        limit: usize,
        admits: impl Fn(&Topic) -> bool,
    ) -> Result<Vec<Topic>> {
        let mut found = Vec::new();
        loop {
            let batch = self.store.topics(&after, BATCH).await?;
            let next = batch.last().filter(|_| batch.len() == BATCH).map(|topic| topic.name.clone());
            let room = limit - found.len();
            found.extend(batch.into_iter().filter(&admits).take(room));
            match next {
                Some(next) if found.len() < limit => after = next,
                _ => return Ok(found),
            }
        }
    }

    async fn known(&self, name: &str) -> Result<Topic> {
        let topic = self.store.topic(name).await?;
        topic.ok_or_else(|| gone(name))
    }

    async fn append(
        &self,
        topic: &Topic,
        subject: String,
        publisher: String,
        publication: Publication,
    ) -> Result<Appended> {
        let Publication { kind, body, key } = publication;
        let idempotency = key.map(|(key, digest)| Idempotency { subject, key, digest });
        let traceparent = current_traceparent();
        let event = NewEvent { topic: topic.id, kind, publisher, traceparent, body, idempotency };
        let committed = self.store.commit(Write::events(vec![event])).await;
        let committed = committed.map_err(|error| named(error, &topic.name))?;
        committed.events.into_iter().next().ok_or_else(|| Error::internal("the store appended no event"))
    }
}

/// The store knows only the number of a topic that went away in the meantime.
fn named(error: Error, topic: &str) -> Error {
    match error {
        Error::NotFound { .. } => gone(topic),
        other => other,
    }
}

fn gone(name: &str) -> Error {
    Error::NotFound { kind: "topic", name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Member, Retention, TopicPatch, TopicRules};
    use crate::store::SqliteStore;

    fn room() -> NewTopic {
        let rules = TopicRules { publish: Vec::new(), subscribe: vec![Member::Anyone] };
        let (description, owner) = (String::new(), String::new());
        NewTopic { name: "room".to_owned(), description, rules, retention: Retention::default(), owner }
    }

    #[tokio::test]
    async fn a_topic_created_anew_is_not_the_one_a_stream_began_with() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let topics = Topics::new(Arc::clone(&store), Log::new(Arc::clone(&store) as _));
        let change = async |change| store.commit(Write::change(Change::Topic(change))).await.unwrap();
        let name = || "room".to_owned();
        topics.ensure(room()).await.unwrap();
        let old = topics.authorize(&Caller::Anonymous, &[name()]).await.unwrap();
        let again = async || topics.authorize_again(&Caller::Anonymous, &old).await;
        assert!(again().await.is_ok());

        let patch = TopicPatch { subscribe: Some(vec![Member::SignedIn]), ..TopicPatch::default() };
        change(TopicChange::Update { name: name(), patch, etag: None }).await;
        assert!(matches!(again().await, Err(Error::LoginRequired)));
        change(TopicChange::Delete { name: name(), etag: None }).await;
        topics.ensure(room()).await.unwrap();
        assert!(topics.authorize(&Caller::Anonymous, &[name()]).await.is_ok());
        assert!(matches!(again().await, Err(Error::NotFound { name, .. }) if name == "room"));
    }
}
