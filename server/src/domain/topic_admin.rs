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
        let owner = caller.admin("create topics")?.subject.clone();
        let create = TopicChange::Create(NewTopic { owner, ..topic });
        let committed = self.store.commit(Write::change(Change::Topic(create))).await?;
        changed_topic(committed.changed)
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
        changed_topic(self.change(publisher, TopicChange::Update { name, patch, etag }).await?)
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
        let traceparent = current_traceparent();
        let write = Write::telling(Change::Topic(change), |changed| {
            let Changed::Topic(changed) = changed else {
                return Vec::new();
            };
            let (kind, body) = topic_change_event(changed);
            let kind = kind.to_owned();
            vec![NewEvent { topic: ACCESS_TOPIC, kind, publisher, traceparent, body, idempotency: None }]
        });
        let task = async move {
            let committed = store.commit(write).await?;
            standing.change();
            Ok(committed.changed)
        };
        tokio::spawn(task.in_current_span()).await.map_err(Error::internal)?
    }
}

fn changed_topic(changed: Option<Changed>) -> Result<Topic> {
    match changed {
        Some(Changed::Topic(TopicChanged::Topic(topic))) => Ok(topic),
        other => Err(Error::internal(format!("the store answered {other:?} to a change of a topic"))),
    }
}
