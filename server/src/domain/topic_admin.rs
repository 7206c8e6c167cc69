//! Creates, changes and deletes topics.

use std::sync::Arc;

use tracing::Instrument;

use super::message::topic_change_event;
use super::standing::Standing;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::model::{ACCESS_TOPIC, NewEvent, NewTopic, Topic, TopicPatch};
use crate::store::{Change, Changed, Store, TopicChange, TopicChanged, Write};
use crate::telemetry::current_traceparent;

/// Creates, changes and deletes topics in the name of administrators.
#[derive(Debug, Clone)]
pub struct TopicAdmin {
    store: Arc<dyn Store>,
    standing: Standing,
}

impl TopicAdmin {
    /// Topics of a store; open streams are asked again through `standing`.
    pub fn new(store: Arc<dyn Store>, standing: Standing) -> Self {
        Self { store, standing }
    }

    /// Creates a topic, which the caller then owns.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `TopicExists`.
    pub async fn create(&self, caller: &Caller, topic: NewTopic) -> Result<Topic> {
        let admin = caller.admin("create topics")?;
        let create = TopicChange::Create(NewTopic { owner: admin.subject.clone(), ..topic });
        changed_topic(self.store.commit(telling(admin.name.clone(), create)).await?.changed)
    }

    /// Changes fields of a topic; when it answers, open streams deliver nothing more to who may no longer read.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `NotFound`, `EtagMismatch`.
    pub async fn update(
        &self,
        caller: &Caller,
        name: String,
        patch: TopicPatch,
        etag: Option<String>,
    ) -> Result<Topic> {
        let publisher = caller.admin("change topics")?.name.clone();
        let changes_rules = patch.changes_rules();
        let update = TopicChange::Update { name, patch, etag };
        changed_topic(if changes_rules {
            self.change(publisher, update).await?
        } else {
            // Open streams are not concerned.
            self.store.commit(Write::change(Change::Topic(update))).await?.changed
        })
    }

    /// Deletes a topic; when it answers, open streams deliver nothing more of it.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`, `NotFound`, `EtagMismatch`.
    pub async fn delete(&self, caller: &Caller, name: String, etag: Option<String>) -> Result<()> {
        let publisher = caller.admin("delete topics")?.name.clone();
        self.change(publisher, TopicChange::Delete { name, etag }).await.map(drop)
    }

    /// A task of its own: a caller who leaves between the commit and its consequences must not prevent them.
    async fn change(&self, publisher: String, change: TopicChange) -> Result<Option<Changed>> {
        let (store, standing) = (Arc::clone(&self.store), self.standing.clone());
        let write = telling(publisher, change);
        let task = async move {
            let committed = store.commit(write).await?;
            standing.change();
            Ok(committed.changed)
        };
        tokio::spawn(task.in_current_span()).await.map_err(Error::internal)?
    }
}

/// A change of a topic, and the event of access that tells of it.
fn telling(publisher: String, change: TopicChange) -> Write {
    let traceparent = current_traceparent();
    Write::telling(Change::Topic(change), |changed| {
        let Changed::Topic(changed) = changed else {
            return Vec::new();
        };
        let (kind, body) = topic_change_event(changed);
        let kind = kind.to_owned();
        vec![NewEvent { topic: ACCESS_TOPIC, kind, publisher, traceparent, body, idempotency: None }]
    })
}

fn changed_topic(changed: Option<Changed>) -> Result<Topic> {
    match changed {
        Some(Changed::Topic(TopicChanged::Topic(topic))) => Ok(topic),
        other => Err(Error::internal(format!("the store answered {other:?} to a change of a topic"))),
    }
}
