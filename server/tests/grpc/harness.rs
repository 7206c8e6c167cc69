//! Starts a core with demo data on a free port, and calls it.

use std::path::Path;

use lastmile_proto::edge::v1::GetJwksRequest;
use lastmile_proto::edge::v1::edge_identity_service_client::EdgeIdentityServiceClient;
use lastmile_proto::v1;
use lastmile_server::app::Core;
use lastmile_server::config::CoreConfig;
use lastmile_server::serve::{Listeners, serve};
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt;
use v1::auth_service_client::AuthServiceClient;
use v1::document_service_client::DocumentServiceClient;
use v1::topic_service_client::TopicServiceClient;
use v1::user_service_client::UserServiceClient;

pub(crate) const PASSWORD: &str = "lastmile-dev";

/// A running core; it stops when dropped.
pub(crate) struct Server {
    pub(crate) core: Core,
    pub(crate) url: String,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Server {
    /// A core with demo data in a new folder.
    pub(crate) async fn start() -> (Self, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Self::start_in(folder.path()).await, folder)
    }

    /// A core with demo data in a folder.
    pub(crate) async fn start_in(folder: &Path) -> Self {
        Self::start_with(CoreConfig { data: folder.to_owned(), dev: true, ..CoreConfig::default() }).await
    }

    pub(crate) async fn start_with(config: CoreConfig) -> Self {
        let core = Core::open(&config).await.unwrap();
        let listeners = Listeners::bind("localhost:0").await.unwrap();
        let url = format!("http://{}", listeners.address());
        let stop = CancellationToken::new();
        let serving = serve(core.clone(), listeners, stop.clone());
        let running = tokio::spawn(async { serving.await.unwrap() });
        Self { core, url, stop, running }
    }

    /// Stops the core and waits until its folder is free.
    pub(crate) async fn stop(self) {
        self.core.drain();
        self.stop.cancel();
        self.running.await.unwrap();
        self.core.close().await;
    }

    pub(crate) fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url.clone()).unwrap().connect_lazy()
    }

    pub(crate) fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.channel())
    }

    pub(crate) fn users(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.channel())
    }

    pub(crate) fn topics(&self) -> TopicServiceClient<Channel> {
        TopicServiceClient::new(self.channel())
    }

    pub(crate) fn documents(&self) -> DocumentServiceClient<Channel> {
        DocumentServiceClient::new(self.channel())
    }

    pub(crate) fn edge_identity(&self) -> EdgeIdentityServiceClient<Channel> {
        EdgeIdentityServiceClient::new(self.channel())
    }

    /// The public keys as JSON text.
    pub(crate) async fn jwks(&self) -> String {
        let answer = self.edge_identity().get_jwks(GetJwksRequest {}).await.unwrap().into_inner();
        assert_eq!((answer.issuer.as_str(), answer.audience.as_str()), ("lastmile", "lastmile"));
        answer.jwks
    }

    /// Who the holder of a token is.
    pub(crate) async fn identity(&self, token: &str) -> Result<v1::Identity, Status> {
        let request = with_token(v1::GetIdentityRequest {}, token);
        self.auth().get_identity(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn refresh(&self, token: &str) -> Result<v1::RefreshResponse, Status> {
        let request = v1::RefreshRequest { refresh_token: token.into() };
        self.auth().refresh(request).await.map(tonic::Response::into_inner)
    }

    /// A new service token of a role; an empty list of topics is for all.
    pub(crate) async fn service_token(&self, role: &str, topics: &[&str]) -> v1::CreateServiceTokenResponse {
        let topics = topics.iter().map(ToString::to_string).collect();
        let request =
            v1::CreateServiceTokenRequest { name: role.into(), role: role.into(), topics, ttl: None };
        let request = with_token(request, &self.token("admin").await);
        self.auth().create_service_token(request).await.unwrap().into_inner()
    }

    pub(crate) async fn login(&self, username: &str) -> v1::LoginResponse {
        let request = v1::LoginRequest { username: username.into(), password: PASSWORD.into() };
        self.auth().login(request).await.unwrap().into_inner()
    }

    pub(crate) async fn token(&self, username: &str) -> String {
        self.login(username).await.access_token
    }

    /// Publishes a text to `news` and returns the event's cursor.
    pub(crate) async fn publish(&self, token: &str, text: &str) -> String {
        let request = with_token(publication("news", "news:item", text), token);
        self.topics().publish_event(request).await.unwrap().into_inner().cursor
    }

    pub(crate) async fn subscribe(&self, cursor: &str) -> Streaming<v1::SubscribeResponse> {
        let request =
            v1::SubscribeRequest { topic: "news".into(), cursor: cursor.into(), ..Default::default() };
        self.topics().subscribe(request).await.unwrap().into_inner()
    }

    /// Everything in the history of `news`.
    pub(crate) async fn history(&self) -> Vec<String> {
        let request = v1::ListEventsRequest { topic: "news".into(), ..Default::default() };
        let page = self.topics().list_events(request).await.unwrap().into_inner();
        page.events.iter().map(text_of).collect()
    }
}

pub(crate) fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

pub(crate) fn publication(topic: &str, kind: &str, text: &str) -> v1::PublishEventRequest {
    let data = Value { kind: Some(Kind::StringValue(text.into())) };
    v1::PublishEventRequest {
        topic: topic.into(),
        r#type: kind.into(),
        body: Some(v1::publish_event_request::Body::Data(data)),
        ..Default::default()
    }
}

/// Operations on a document that set texts.
pub(crate) fn commit(id: &str, base_version: u32, ops: &[(&str, &str, &str)]) -> v1::CommitDocumentRequest {
    let ops = ops.iter().map(|(op_id, path, text)| set(op_id, path, Kind::StringValue((*text).into())));
    v1::CommitDocumentRequest { id: id.into(), base_version, ops: ops.collect() }
}

pub(crate) fn set(op_id: &str, path: &str, kind: Kind) -> v1::DocumentOp {
    let action = Some(v1::document_op::Action::Set(Value { kind: Some(kind) }));
    v1::DocumentOp { op_id: op_id.into(), path: path.into(), action }
}

/// Objects within each other, so many, and a text in the innermost.
pub(crate) fn nested(levels: usize) -> Value {
    let text = Value { kind: Some(Kind::StringValue("deep".into())) };
    (0..levels).fold(text, |value, _| {
        let fields = [("a".to_owned(), value)].into();
        Value { kind: Some(Kind::StructValue(Struct { fields })) }
    })
}

pub(crate) fn text_of(event: &v1::SubscribeResponse) -> String {
    match &event.body {
        Some(v1::subscribe_response::Body::Data(Value { kind: Some(Kind::StringValue(text)) })) => {
            text.clone()
        }
        other => panic!("{other:?}"),
    }
}

/// The next message, which must come.
pub(crate) async fn next<T>(stream: &mut Streaming<T>) -> T {
    stream.message().await.unwrap().expect("the stream has ended")
}

/// Code, reason and named fields of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String, Vec<String>) {
    let details = status.get_error_details();
    let info = details.error_info().expect("no ErrorInfo");
    assert_eq!(info.domain, "lastmile.v1");
    let fields = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    (status.code(), info.reason.clone(), fields.into_iter().map(|each| each.field).collect())
}

/// Asserts code, reason and named fields of a refusal.
#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(
    answer: Result<T, Status>,
    code: Code,
    reason: &str,
    fields: &[&str],
) {
    let status = answer.expect_err("was not refused");
    let (actual, actual_reason, actual_fields) = refusal(&status);
    assert_eq!((actual, actual_reason.as_str()), (code, reason), "{status:?}");
    assert_eq!(actual_fields, fields, "{status:?}");
}
