//! TopicService.

use std::sync::Arc;

use futures_util::FutureExt;
use lastmile_proto::v1;
use tonic::{Request, Response, Status, async_trait};
use v1::topic_service_server::TopicService;

use super::call::{admitted, caller};
use super::stream::{Messages, Streams, Watch};
use super::{page, parse};
use crate::auth::Caller;
use crate::domain::{Feed, TopicAdmin, Topics, event_message, topic_message};
use crate::error::{Error, Result};
use crate::log::{Delivery, Log};
use crate::model::{EventLimit, StoredEvent, Topic};

/// Administers topics, publishes to them and follows them.
#[derive(Debug, Clone)]
pub struct TopicApi {
    topics: Topics,
    admin: TopicAdmin,
    log: Log,
    streams: Streams,
    limit: EventLimit,
}

impl TopicApi {
    /// The service over its domain; `limit` is for what is published.
    pub fn new(topics: Topics, admin: TopicAdmin, log: Log, streams: Streams, limit: EventLimit) -> Self {
        Self { topics, admin, log, streams, limit }
    }
}

#[async_trait]
impl TopicService for TopicApi {
    async fn create_topic(
        &self,
        request: Request<v1::CreateTopicRequest>,
    ) -> Result<Response<v1::Topic>, Status> {
        let (caller, request) = admitted(request, |caller| caller.admin("create topics"))?;
        let topic = parse::create_topic(request)?;
        let topic = self.admin.create(&caller, topic).await?;
        Ok(Response::new(topic_message(&topic)))
    }

    async fn get_topic(&self, request: Request<v1::GetTopicRequest>) -> Result<Response<v1::Topic>, Status> {
        let caller = caller(&request);
        let name = parse::topic_name(request.into_inner().name, "name")?;
        let topic = self.topics.get(&caller, &name).await?;
        Ok(Response::new(topic_message(&topic)))
    }

    async fn list_topics(
        &self,
        request: Request<v1::ListTopicsRequest>,
    ) -> Result<Response<v1::ListTopicsResponse>, Status> {
        let caller = caller(&request);
        let (size, after) = parse::list_topics(request.get_ref())?;
        let topics = self.topics.list(&caller, after, size + 1).await?;
        let (topics, more) = page::fit(topics.iter().map(topic_message), size);
        let next = topics.last().filter(|_| more);
        let next_page_token = next.map(|topic| page::token("topics", "", &topic.name)).unwrap_or_default();
        Ok(Response::new(v1::ListTopicsResponse { topics, next_page_token }))
    }

    async fn update_topic(
        &self,
        request: Request<v1::UpdateTopicRequest>,
    ) -> Result<Response<v1::Topic>, Status> {
        let (caller, request) = admitted(request, |caller| caller.admin("change topics"))?;
        let (name, patch, etag) = parse::update_topic(request)?;
        let topic = self.admin.update(&caller, name, patch, etag).await?;
        Ok(Response::new(topic_message(&topic)))
    }

    async fn delete_topic(&self, request: Request<v1::DeleteTopicRequest>) -> Result<Response<()>, Status> {
        let (caller, request) = admitted(request, |caller| caller.admin("delete topics"))?;
        let (name, etag) = parse::delete_topic(request)?;
        self.admin.delete(&caller, name, etag).await?;
        Ok(Response::new(()))
    }

    async fn publish_event(
        &self,
        request: Request<v1::PublishEventRequest>,
    ) -> Result<Response<v1::PublishEventResponse>, Status> {
        let (caller, request) = admitted(request, Caller::identity)?;
        let (name, publication) = parse::publish_event(self.limit, request)?;
        let appended = self.topics.publish(&caller, &name, publication).await?;
        let (cursor, id) = (self.log.cursor(appended.seq), appended.id.to_string());
        Ok(Response::new(v1::PublishEventResponse { cursor, id }))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let caller = caller(&request);
        let (name, page, size) = parse::list_events(&self.log, request.into_inner())?;
        let slice = self.topics.history(&caller, &name, page, size).await?;
        let cursor = self.log.cursor(slice.end());
        let events =
            slice.events.iter().map(|event| render_event(&self.log, event, &name)).collect::<Result<_>>()?;
        let next_page_token = if slice.more { cursor.clone() } else { String::new() };
        Ok(Response::new(v1::ListEventsResponse { events, next_page_token, cursor }))
    }

    type SubscribeStream = Messages<v1::SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let caller = caller(&request);
        let (names, start) = parse::subscribe(&self.log, request.into_inner())?;
        let Feed { topics, tail } = self.topics.follow(&caller, &names, start?).await?;
        let (domain, watched, all) = (self.topics.clone(), Arc::clone(&topics), names.is_empty());
        let watch = Watch::new(caller.clone(), move || {
            let (domain, caller, topics) = (domain.clone(), caller.clone(), Arc::clone(&watched));
            async move {
                match domain.authorize_again(&caller, &topics).await {
                    // Who asked for all gets those that are left by asking again.
                    Err(Error::NotFound { .. } | Error::Forbidden(_) | Error::LoginRequired) if all => {
                        Err(Error::TopicsChanged)
                    }
                    outcome => outcome,
                }
            }
            .boxed()
        });
        let log = self.log.clone();
        let render = move |delivery| render(&log, &topics, delivery);
        Ok(Response::new(self.streams.deliver(tail, watch, render)))
    }

    async fn authorize_subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = caller(&request);
        let (names, _) = parse::subscribe(&self.log, request.into_inner())?;
        self.topics.authorize(&caller, &names).await?;
        Ok(Response::new(()))
    }
}

fn render(log: &Log, topics: &[Topic], delivery: Delivery) -> Result<v1::SubscribeResponse> {
    match delivery {
        Delivery::Position(seq) => Ok(v1::SubscribeResponse {
            cursor: log.cursor(seq),
            position: true,
            topic: if let [topic] = topics { topic.name.clone() } else { String::new() },
            ..Default::default()
        }),
        Delivery::Event(event) => {
            let topic = topics.iter().find(|topic| topic.id == event.topic);
            let topic = topic.ok_or_else(|| Error::internal("an event of a topic that was not asked for"))?;
            let mut message = render_event(log, &event, &topic.name)?;
            // `previous` counts within a topic; several have no common one.
            if topics.len() > 1 {
                message.previous.clear();
            }
            Ok(message)
        }
    }
}

fn render_event(log: &Log, event: &StoredEvent, topic: &str) -> Result<v1::SubscribeResponse> {
    Ok(v1::SubscribeResponse {
        cursor: log.cursor(event.seq),
        previous: log.cursor(event.previous),
        ..event_message(event, topic)?
    })
}
