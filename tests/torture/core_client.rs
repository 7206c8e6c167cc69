//! Calls the core by gRPC, as another backend or as an administrator.

use std::net::SocketAddr;
use std::time::Duration;

use lastmile_proto::v1;
use prost_types::FieldMask;
use prost_types::value::Kind;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use v1::auth_service_client::AuthServiceClient;
use v1::document_service_client::DocumentServiceClient;
use v1::topic_service_client::TopicServiceClient;
use v1::user_service_client::UserServiceClient;

use crate::history::topics::{self, BRIEF, CALLS, GUARDED, MEMBERS, STAFF};
use crate::truth::Document;

/// The password of all users, as `--dev` has it.
pub(crate) const PASSWORD: &str = "lastmile-dev";

/// Events of brief topics are kept up to this size, the smallest there is.
const BRIEF_BYTES: u64 = 64 * 1024;

/// A caller of the core.
#[derive(Debug, Clone)]
pub(crate) struct CoreClient(InterceptedService<Channel, Credential>);

/// Tokens that last for a whole run.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    /// Of another backend, which publishes and reads.
    pub(crate) service: String,
    /// Of the edges, which open streams that callers share.
    pub(crate) edge: String,
}

/// Adds a token to each call.
#[derive(Debug, Clone)]
struct Credential(String);

impl tonic::service::Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = format!("Bearer {}", self.0).parse().map_err(|_| Status::internal("not ASCII"))?;
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// A channel that notices within seconds that the other side is gone.
fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
    let (soon, late) = (Duration::from_secs(2), Duration::from_secs(4));
    endpoint
        .connect_timeout(soon)
        .timeout(late)
        .http2_keep_alive_interval(soon)
        .keep_alive_timeout(soon)
        .keep_alive_while_idle(true)
        .connect_lazy()
}

impl CoreClient {
    /// Signs in as an administrator, whose token lasts for a few calls only.
    pub(crate) async fn admin(core: SocketAddr) -> Result<Self, Status> {
        let request = v1::LoginRequest { username: "admin".into(), password: PASSWORD.into() };
        let answer = AuthServiceClient::new(channel(core)).login(request).await?.into_inner();
        Ok(Self(InterceptedService::new(channel(core), Credential(answer.access_token))))
    }

    /// Calls with a token of another backend.
    pub(crate) fn service(core: SocketAddr, token: &str) -> Self {
        Self(InterceptedService::new(channel(core), Credential(token.to_owned())))
    }

    /// Makes the topics and users of a run, and tokens for those who are no people.
    pub(crate) async fn furnish(&self) -> Result<Tokens, Status> {
        for topic in topics::all() {
            let brief = v1::Retention { max_bytes: BRIEF_BYTES, ..v1::Retention::default() };
            let topic = v1::Topic {
                name: topic.into(),
                rules: Some(rules(topic, readers(topic))),
                retention: BRIEF.contains(&topic).then_some(brief),
                ..v1::Topic::default()
            };
            TopicServiceClient::new(self.0.clone())
                .create_topic(v1::CreateTopicRequest { topic: Some(topic) })
                .await?;
        }
        for number in 0..2 {
            self.create_user(format!("officer-{number}"), "admin").await?;
        }
        for name in CALLS {
            self.create_user(name.to_owned(), "user").await?;
            self.create_document(name).await?;
        }
        Ok(Tokens { service: self.create_token("service").await?, edge: self.create_token("edge").await? })
    }

    async fn create_user(&self, username: String, role: &str) -> Result<(), Status> {
        let user = v1::User { name: username.clone(), username, role: role.into(), ..v1::User::default() };
        let request = v1::CreateUserRequest { user: Some(user), password: PASSWORD.into() };
        UserServiceClient::new(self.0.clone()).create_user(request).await.map(drop)
    }

    /// A document of version 1, without a change.
    async fn create_document(&self, id: &str) -> Result<(), Status> {
        let first = prost_types::Value { kind: Some(Kind::BoolValue(true)) };
        let op = v1::DocumentOp {
            op_id: "first".into(),
            path: "/first".into(),
            action: Some(v1::document_op::Action::Set(first)),
        };
        let request = v1::CommitDocumentRequest { id: id.into(), base_version: 0, ops: vec![op] };
        DocumentServiceClient::new(self.0.clone()).commit_document(request).await.map(drop)
    }

    /// A document and the changes that are in it: the members `c1`, `c2` and so on.
    pub(crate) async fn document(&self, id: &str) -> Result<Document, Status> {
        let request = v1::GetDocumentRequest { id: id.into() };
        let answer = DocumentServiceClient::new(self.0.clone()).get_document(request).await?.into_inner();
        let document = answer.document.unwrap_or_default();
        let members = document.content.unwrap_or_default().fields;
        let changes = members.keys().filter_map(|name| name.strip_prefix('c')?.parse().ok());
        Ok(Document { version: document.version.into(), changes: changes.collect() })
    }

    async fn create_token(&self, role: &str) -> Result<String, Status> {
        let request = v1::CreateServiceTokenRequest {
            name: format!("torture {role}"),
            role: role.into(),
            ..v1::CreateServiceTokenRequest::default()
        };
        let answer = AuthServiceClient::new(self.0.clone()).create_service_token(request).await?;
        Ok(answer.into_inner().token)
    }

    /// Publishes an event; returns its cursor.
    pub(crate) async fn publish(&self, topic: &str, number: u64, padding: usize) -> Result<String, Status> {
        let text = format!("{number} {}", "x".repeat(padding));
        let request = v1::PublishEventRequest {
            topic: topic.into(),
            r#type: "torture".into(),
            body: Some(v1::publish_event_request::Body::Data(prost_types::Value {
                kind: Some(Kind::StringValue(text)),
            })),
            // The outcome of a call that broke is unknown: with a key it can be made again.
            idempotency_key: format!("{topic} {number}"),
        };
        Ok(TopicServiceClient::new(self.0.clone()).publish_event(request).await?.into_inner().cursor)
    }

    /// The events of a topic after a cursor, or from the oldest one kept.
    pub(crate) async fn events(
        &self,
        topic: &str,
        after: &str,
        count: i32,
    ) -> Result<Vec<v1::SubscribeResponse>, Status> {
        let request = v1::ListEventsRequest {
            topic: topic.into(),
            after: after.into(),
            page_size: count,
            ..v1::ListEventsRequest::default()
        };
        Ok(TopicServiceClient::new(self.0.clone()).list_events(request).await?.into_inner().events)
    }

    /// Leaves a guarded topic to administrators, or opens it to everyone signed in again.
    pub(crate) async fn guard(&self, topic: &str, closed: bool) -> Result<(), Status> {
        let readers = if closed { "role:admin" } else { readers(topic) };
        let rules = Some(rules(topic, readers));
        let topic = v1::Topic { name: topic.into(), rules, ..v1::Topic::default() };
        let mask = FieldMask { paths: vec!["rules".into()] };
        let request = v1::UpdateTopicRequest { topic: Some(topic), update_mask: Some(mask) };
        TopicServiceClient::new(self.0.clone()).update_topic(request).await.map(drop)
    }

    /// Gives a user another role.
    pub(crate) async fn change_role(&self, username: &str, role: &str) -> Result<(), Status> {
        let mut users = UserServiceClient::new(self.0.clone());
        let filter = format!("username=\"{username}\"");
        let found =
            users.list_users(v1::ListUsersRequest { filter, ..v1::ListUsersRequest::default() }).await?;
        let id = found.into_inner().users.first().map_or(0, |user| user.id);
        let user = v1::User { id, role: role.into(), ..v1::User::default() };
        let mask = FieldMask { paths: vec!["role".into()] };
        users.update_user(v1::UpdateUserRequest { user: Some(user), update_mask: Some(mask) }).await.map(drop)
    }
}

fn readers(topic: &str) -> &'static str {
    match topic {
        topic if STAFF.contains(&topic) => "role:admin",
        topic if [&MEMBERS[..], &GUARDED, &CALLS].concat().contains(&topic) => "signed-in",
        _ => "anyone",
    }
}

/// The other backend may always read, because it keeps the record.
fn rules(topic: &str, readers: &str) -> v1::TopicRules {
    let members = |name: &str| vec!["role:service".to_owned(), name.to_owned()];
    let publish = if CALLS.contains(&topic) { members("signed-in") } else { vec!["role:service".to_owned()] };
    v1::TopicRules { publish, subscribe: members(readers) }
}
