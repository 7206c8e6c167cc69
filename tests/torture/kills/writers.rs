//! Writers that remember what they were told, until the core is gone.

use std::time::Duration;

use lastmile_proto::v1;
use lastmile_tests::CoreProcess;
use prost_types::value::Kind;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use v1::auth_service_client::AuthServiceClient;
use v1::document_service_client::DocumentServiceClient;
use v1::topic_service_client::TopicServiceClient;
use v1::user_service_client::UserServiceClient;

/// A channel that carries a credential.
pub(crate) type Signed = InterceptedService<Channel, Credential>;

/// Adds a token to each call.
#[derive(Debug, Clone)]
pub(crate) struct Credential(String);

impl tonic::service::Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value =
            format!("Bearer {}", self.0).parse().map_err(|_| Status::internal("the token is not ASCII"))?;
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// A channel of an administrator; it outlives kills, as the signing key does.
pub(crate) async fn sign_in(core: &CoreProcess) -> Signed {
    let request = v1::LoginRequest { username: "admin".into(), password: "lastmile-dev".into() };
    let answer = AuthServiceClient::new(core.channel()).login(request).await.expect("a login");
    InterceptedService::new(core.channel(), Credential(answer.into_inner().access_token))
}

/// The document that writers change.
pub(crate) const DOCUMENT: &str = "torture";

/// What a writer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Events without a key: what was not answered is never sent again.
    Events,
    /// Events with idempotency keys: what was not answered is sent again until it is.
    KeyedEvents,
    /// Users, each with an event that tells of it.
    Users,
    /// Operations on one document: what was not answered is sent again, under the same op_id.
    Operations,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The core answered: it is on disk.
    Acknowledged,
    /// No answer came: it is on disk or it is not.
    Unknown,
}

/// One writer, and what it was told of each of its writes.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) work: Work,
    pub(crate) name: String,
    /// Number of the write: the index.
    pub(crate) fates: Vec<Fate>,
    signed: Signed,
}

impl Writer {
    /// Some of each kind; few that make users, whose passwords take the core's time.
    pub(crate) async fn all(core: &CoreProcess) -> Vec<Self> {
        let signed = sign_in(core).await;
        let mut writers = Vec::new();
        for (work, letter, count) in [
            (Work::Events, 'e', 8),
            (Work::KeyedEvents, 'k', 8),
            (Work::Users, 'u', 2),
            (Work::Operations, 'o', 4),
        ] {
            for number in 0..count {
                let name = format!("{letter}{number}");
                writers.push(Self { work, name, fates: Vec::new(), signed: signed.clone() });
            }
        }
        writers
    }

    /// Writes one after the other until one is not answered.
    pub(crate) async fn write_until_refused(mut self) -> Self {
        loop {
            let number = self.fates.len();
            // Known as unknown while it is under way.
            self.fates.push(Fate::Unknown);
            match self.write(number).await {
                Ok(()) => self.fates[number] = Fate::Acknowledged,
                Err(status) => {
                    // A refusal by the core has details; a connection that broke has none.
                    assert!(status.details().is_empty(), "{}-{number}: {status:?}", self.name);
                    return self;
                }
            }
        }
    }

    /// After a restart: sends again what may be sent again.
    pub(crate) async fn settle(&mut self, core: &CoreProcess) -> Result<(), String> {
        let Some(number) = self.fates.iter().rposition(|fate| *fate == Fate::Unknown) else {
            return Ok(());
        };
        let again = matches!(self.work, Work::KeyedEvents | Work::Operations);
        if !again || number + 1 != self.fates.len() {
            return Ok(());
        }
        let again = tokio::time::timeout(Duration::from_secs(20), self.write(number)).await;
        match again {
            Ok(Ok(())) => self.fates[number] = Fate::Acknowledged,
            other => {
                return Err(format!("{}-{number} could not be sent again to {core:?}: {other:?}", self.name));
            }
        }
        Ok(())
    }

    async fn write(&self, number: usize) -> Result<(), Status> {
        match self.work {
            Work::Events => self.publish(number, String::new()).await,
            Work::KeyedEvents => self.publish(number, format!("{}-{number}", self.name)).await,
            Work::Users => self.create_user(number).await,
            Work::Operations => self.commit(number).await,
        }
    }

    async fn publish(&self, number: usize, idempotency_key: String) -> Result<(), Status> {
        let text = Kind::StringValue(format!("{}-{number}", self.name));
        let request = v1::PublishEventRequest {
            topic: "news".into(),
            r#type: "torture".into(),
            body: Some(v1::publish_event_request::Body::Data(prost_types::Value { kind: Some(text) })),
            idempotency_key,
        };
        TopicServiceClient::new(self.signed.clone()).publish_event(request).await.map(drop)
    }

    async fn create_user(&self, number: usize) -> Result<(), Status> {
        let username = format!("{}-{number}", self.name);
        let user = v1::User { name: username.clone(), username, ..v1::User::default() };
        let request = v1::CreateUserRequest { user: Some(user), password: "a long password".into() };
        UserServiceClient::new(self.signed.clone()).create_user(request).await.map(drop)
    }

    /// Each writer has members of its own, so that no operation waits for another.
    async fn commit(&self, number: usize) -> Result<(), Status> {
        let op_id = format!("{}-{number}", self.name);
        let set = prost_types::Value { kind: Some(Kind::BoolValue(true)) };
        let op = v1::DocumentOp {
            path: format!("/{}/{op_id}", self.name),
            op_id,
            action: Some(v1::document_op::Action::Set(set)),
        };
        let request = v1::CommitDocumentRequest { id: DOCUMENT.into(), base_version: 1, ops: vec![op] };
        DocumentServiceClient::new(self.signed.clone()).commit_document(request).await.map(drop)
    }
}
