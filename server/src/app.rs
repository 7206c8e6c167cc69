//! Wires the modules into the core: one service that answers every call.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures_util::FutureExt;
use http::{Request, Response};
use lastmile_proto::DESCRIPTORS;
use lastmile_proto::edge::v1::edge_identity_service_server::EdgeIdentityServiceServer;
use lastmile_proto::v1::auth_service_server::AuthServiceServer;
use lastmile_proto::v1::document_service_server::DocumentServiceServer;
use lastmile_proto::v1::log_service_server::LogServiceServer;
use lastmile_proto::v1::topic_service_server::TopicServiceServer;
use lastmile_proto::v1::user_service_server::UserServiceServer;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use crate::auth::{PASSWORD_RULE, Passwords, Revocations, Tokens, keeps_password_rule};
use crate::config::CoreConfig;
use crate::domain::{
    Documents, Logs, RevocationLog, ServiceTokens, Sessions, SetUp, SigningKeys, Standing, TopicAdmin,
    Topics, Users, administrator, keep_retention, publish_ticks, seed,
};
use crate::error::Error;
use crate::folder::DataFolder;
use crate::layer::{DeadlineLayer, IdentifyLayer, TraceLayer};
use crate::log::Log;
use crate::model::{EventLimit, UserFilter};
use crate::service::{AuthApi, DocumentApi, EdgeIdentityApi, LogApi, Streams, TopicApi, UserApi};
use crate::store::{SqliteStore, Store, UserQuery};

/// The core as a tower service: gRPC requests in, gRPC responses out, layers included.
pub type CoreService = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// A cheap handle to the running core.
#[derive(Debug, Clone)]
pub struct Core {
    service: CoreService,
    drain: CancellationToken,
    tasks: TaskTracker,
    /// Held while the core lives.
    _folder: Arc<DataFolder>,
}

impl Core {
    /// Opens the data folder and starts the core.
    ///
    /// # Errors
    /// When the folder cannot be used, another process uses it, a newer server wrote it, or only one of it and the
    /// settings is for development.
    pub async fn open(config: &CoreConfig) -> anyhow::Result<Self> {
        let folder = DataFolder::take(&config.data)?;
        let store = SqliteStore::open(&config.data, config.dev).map_err(cause);
        let store =
            store.with_context(|| format!("the database in {} cannot be used", config.data.display()))?;
        let store: Arc<dyn Store> = Arc::new(store);
        let keys = SigningKeys::open(Arc::clone(&store), &config.data, config.signing_key_lifetime);
        let keys = keys.await.map_err(cause)?;
        let tokens = Tokens::new(keys.ring(), config.access_token_lifetime);
        let passwords = Passwords::new().map_err(cause)?;
        let revoked = Revocations::default();
        let standing = Standing::new(revoked.clone());

        let log = Log::new(Arc::clone(&store) as _);
        let revocations = RevocationLog::new(Arc::clone(&store), log.clone(), standing.clone());
        let revocation_tail = revocations.load().await.map_err(cause)?;
        let users = Users::new(Arc::clone(&store), log.clone(), passwords.clone(), standing.clone());
        let topics = Topics::new(Arc::clone(&store), log.clone());
        let documents = Documents::new(Arc::clone(&store), log.clone());
        let sessions = Sessions::new(Arc::clone(&store), tokens.clone(), passwords, standing.clone());
        let service_tokens = ServiceTokens::new(Arc::clone(&store), tokens.clone(), standing.clone());
        let setup = first_start(config, &*store, &users, &topics, &documents).await.map_err(cause)?;

        let drain = CancellationToken::new();
        let topic_admin = TopicAdmin::new(Arc::clone(&store), standing.clone());
        let logs = Logs::new(Arc::clone(&store), log.clone());
        let streams = Streams::new(drain.clone(), standing);
        let tasks = TaskTracker::new();
        tasks.spawn(drain.clone().run_until_cancelled_owned(keys.rotate()));
        let follow = revocations.clone().follow(revocation_tail);
        tasks.spawn(drain.clone().run_until_cancelled_owned(follow));
        if config.dev {
            tasks.spawn(drain.clone().run_until_cancelled_owned(publish_ticks(topics.clone())));
        }
        let retention = keep_retention(Arc::clone(&store), config.retention_interval);
        tasks.spawn(drain.clone().run_until_cancelled_owned(retention));
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status("", ServingStatus::Serving).await;
        tasks.spawn(drain.clone().cancelled_owned().then(|()| async move {
            health.set_service_status("", ServingStatus::NotServing).await;
        }));

        let edge_identity = EdgeIdentityApi::new(tokens.clone(), revocations, streams.clone());
        let limit = EventLimit(config.event_bytes);
        let topic_api = TopicApi::new(topics, topic_admin, log.clone(), streams.clone(), limit);
        let document_api = DocumentApi::new(documents, log.clone(), streams.clone(), limit);
        let routes = Routes::new(health_service)
            .add_service(AuthServiceServer::new(AuthApi::new(sessions, users.clone(), setup, service_tokens)))
            .add_service(UserServiceServer::new(UserApi::new(users, log.clone(), streams.clone())))
            .add_service(TopicServiceServer::new(topic_api))
            .add_service(DocumentServiceServer::new(document_api))
            .add_service(LogServiceServer::new(LogApi::new(logs, log, streams, limit)))
            .add_service(EdgeIdentityServiceServer::new(edge_identity))
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .prepare();
        // The span comes first, so that the log lines of all others carry its ids.
        let service = ServiceBuilder::new()
            .layer(TraceLayer)
            .layer(DeadlineLayer)
            .layer(IdentifyLayer::new(tokens, revoked))
            .service(routes);
        let service = BoxCloneSyncService::new(service);
        Ok(Self { service, drain, tasks, _folder: Arc::new(folder) })
    }

    /// The service that answers every call, for a socket or for the same process.
    pub fn service(&self) -> CoreService {
        self.service.clone()
    }

    /// Whether the core takes new calls: not while it drains.
    pub fn is_ready(&self) -> bool {
        !self.drain.is_cancelled()
    }

    /// Ends all streams with UNAVAILABLE, reason SHUTTING_DOWN; from now on the core is not ready.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Drains, and waits for the core's own tasks. What was answered is on disk already.
    pub async fn close(&self) {
        self.drain();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Fills an empty database: with demo data, with the administrator, or with a way to make one.
async fn first_start(
    config: &CoreConfig,
    store: &dyn Store,
    users: &Users,
    topics: &Topics,
    documents: &Documents,
) -> Result<SetUp, Error> {
    let closed = SetUp::closed(users.clone());
    if config.dev {
        tracing::warn!(
            "DEVELOPMENT MODE: users alice, bob and admin have the password `lastmile-dev`, and `ticks` is \
             published to; never let strangers reach this server"
        );
        seed(users, topics, documents).await?;
        return Ok(closed);
    }
    let anyone = UserQuery { filter: UserFilter::default(), after: 0, limit: 1 };
    if !store.users(anyone).await?.users.is_empty() {
        return Ok(closed);
    }
    if let Some(password) = config.admin_password.as_ref().map(ExposeSecret::expose_secret) {
        if !keeps_password_rule(password) {
            return Err(Error::invalid("LASTMILE_ADMIN_PASSWORD", PASSWORD_RULE));
        }
        let admin = administrator("admin".to_owned(), password.to_owned());
        users.add("lastmile".to_owned(), admin).await?;
        return Ok(closed);
    }
    let (setup, setup_token) = SetUp::open(users.clone());
    tracing::warn!(
        setup_token,
        "there is no user yet: create the first administrator with AuthService.SetUp and this one-time token, or \
         start with LASTMILE_ADMIN_PASSWORD"
    );
    Ok(setup)
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// At the start nobody is on the wire: the operator sees the cause.
fn cause(error: Error) -> anyhow::Error {
    match error {
        Error::Internal(cause) => anyhow!(cause),
        other => other.into(),
    }
}
