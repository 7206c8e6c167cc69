//! `lastmile`: core and edge in one process, with no sockets between them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Parser};
use http::Request;
use lastmile_edge::allocator::MiMalloc;
use lastmile_edge::app::Edge;
use lastmile_edge::config::{
    self, AuthConfig, CallsConfig, CorsConfig, DrainConfig, EdgeConfig, HmrConfig, LimitsConfig, PathsConfig,
    RestConfig, SessionsConfig, StreamsConfig, Upstreams,
};
use lastmile_edge::schema::Source;
use lastmile_edge::serve as edge_serve;
use lastmile_edge::upstream::{ByEdge, Upstream};
use lastmile_edge::workers::Workers;
use lastmile_server::app::Core;
use lastmile_server::config::CoreConfig;
use lastmile_server::flags::CoreFlags;
use lastmile_server::layer::OwnEdge;
use lastmile_server::maintenance::Maintenance;
use lastmile_server::serve::{Listeners, serve};
use lastmile_server::telemetry;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// gRPC callers that do not take the end of their calls are cut after this time.
const DRAIN: Duration = Duration::from_secs(4);

/// lastmile, core and edge in one process.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    maintenance: Option<Maintenance>,
}

#[derive(Debug, Args, Serialize)]
struct Flags {
    /// Where browsers connect [default: localhost:8080]
    #[arg(long, env = "LASTMILE_HTTP", value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    core: CoreFlags,
}

/// The settings of both halves, as one TOML file holds them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    http: String,
    grpc: String,
    admin: String,
    data: PathBuf,
    dev: bool,
    #[serde(serialize_with = "hide")]
    admin_password: Option<SecretString>,
    #[serde(with = "humantime_serde")]
    access_token_lifetime: Duration,
    #[serde(with = "humantime_serde")]
    retention_interval: Duration,
    #[serde(with = "humantime_serde")]
    signing_key_lifetime: Duration,
    event_bytes: usize,
    auth: AuthConfig,
    cors: CorsConfig,
    limits: LimitsConfig,
    calls: CallsConfig,
    streams: StreamsConfig,
    sessions: SessionsConfig,
    hmr: HmrConfig,
    paths: PathsConfig,
    rest: RestConfig,
    drain: DrainConfig,
}

impl Default for Settings {
    fn default() -> Self {
        let (edge, core) = (EdgeConfig::default(), CoreConfig::default());
        Self {
            http: edge.http,
            grpc: "localhost:50051".into(),
            admin: edge.admin,
            data: core.data,
            dev: core.dev,
            admin_password: core.admin_password,
            access_token_lifetime: core.access_token_lifetime,
            retention_interval: core.retention_interval,
            signing_key_lifetime: core.signing_key_lifetime,
            event_bytes: core.event_bytes,
            auth: edge.auth,
            cors: edge.cors,
            limits: edge.limits,
            calls: edge.calls,
            streams: edge.streams,
            sessions: edge.sessions,
            hmr: edge.hmr,
            paths: edge.paths,
            rest: edge.rest,
            drain: edge.drain,
        }
    }
}

fn hide<S: Serializer>(_: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_none()
}

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { flags, maintenance } = Cli::parse();
    if let Some(maintenance) = maintenance {
        return maintenance.main("lastmile", settings(&flags).map(|settings| settings.data));
    }
    let telemetry = match telemetry::init("lastmile") {
        Ok(telemetry) => telemetry,
        Err(error) => {
            // There is no log yet.
            let _ = writeln!(io::stderr(), "lastmile: telemetry cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = run(&flags).await;
    if let Err(error) = &outcome {
        tracing::error!(error = format!("{error:#}"), "lastmile cannot go on");
    }
    // Exporting the last spans blocks.
    let _ = tokio::task::spawn_blocking(move || drop(telemetry)).await;
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn settings(flags: &Flags) -> anyhow::Result<Settings> {
    config::load(flags.core.config.as_deref(), flags).map_err(|error| anyhow!(error))
}

async fn listen(address: &str, flag: &str) -> anyhow::Result<edge_serve::Listeners> {
    edge_serve::bind(address).await.map_err(|error| anyhow!("{error}; `{flag}` takes another address"))
}

async fn run(flags: &Flags) -> anyhow::Result<()> {
    let settings = settings(flags)?;
    let http = listen(&settings.http, "--http").await?;
    let admin = listen(&settings.admin, "--admin").await?;
    let grpc = Listeners::bind(&settings.grpc)
        .await
        .with_context(|| format!("cannot listen on {} (`--grpc` takes another address)", settings.grpc))?;
    let grpc_address = grpc.address();

    let config = CoreConfig {
        data: settings.data,
        dev: settings.dev,
        admin_password: settings.admin_password,
        access_token_lifetime: settings.access_token_lifetime,
        retention_interval: settings.retention_interval,
        signing_key_lifetime: settings.signing_key_lifetime,
        event_bytes: settings.event_bytes,
    };
    config.check()?;
    let core = Core::open(&config).await?;
    let edge = EdgeConfig {
        http: settings.http,
        admin: settings.admin,
        dev: settings.dev,
        auth: with_hint(settings.auth, settings.dev, http.address()?.port()),
        cors: settings.cors,
        limits: settings.limits,
        calls: settings.calls,
        streams: settings.streams,
        sessions: settings.sessions,
        hmr: settings.hmr,
        paths: settings.paths,
        rest: settings.rest,
        drain: settings.drain,
        // The backend is in this process.
        upstream: Upstreams::default(),
        credential: None,
        descriptors: None,
        rules: None,
    };
    let upstream = Upstream::from_service(core.service().map_request(known)).known_to_service();
    let descriptors = Source::Encoded(lastmile_proto::DESCRIPTORS);
    let edge = Edge::new(edge, upstream, descriptors, Some(format!("localhost:{}", grpc_address.port())))
        .map_err(|error| anyhow!(error))?;
    edge.begin().await?;
    let stopped = edge_serve::shutdown_signal()?;
    tracing::info!(http = %http.address()?, grpc = %grpc_address, admin = %admin.address()?, "listening");
    tracing::info!("open http://localhost:{}", http.address()?.port());

    let stop = CancellationToken::new();
    let mut grpc = tokio::spawn(serve(core.clone(), grpc, stop.clone()));
    let mut broken = None;
    let shutdown = async {
        tokio::select! {
            () = stopped => {}
            ended = &mut grpc => broken = Some(ended),
        }
    };
    edge_serve::run_on(Workers::start()?, &edge, http, admin, shutdown).await?;
    if let Some(ended) = broken {
        ended??;
        bail!("the gRPC listener has ended by itself");
    }
    // Browsers have been told to come back; now the gRPC callers.
    core.drain();
    stop.cancel();
    if timeout(DRAIN, grpc).await.is_err() {
        tracing::warn!("some gRPC callers did not take the end of their calls and are cut");
    }
    core.close().await;
    Ok(())
}

/// Has the core know the calls that the edge makes for itself.
fn known<B>(mut request: Request<B>) -> Request<B> {
    if request.extensions().get::<ByEdge>().is_some() {
        request.extensions_mut().insert(OwnEdge);
    }
    request
}

/// In development a 401 says how to log in.
fn with_hint(auth: AuthConfig, dev: bool, port: u16) -> AuthConfig {
    if !dev || auth.hint.is_some() {
        return auth;
    }
    let body = r#"{"username":"alice","password":"lastmile-dev"}"#;
    let hint = format!(
        "log in: curl -s http://localhost:{port}/api/v1/auth/login -H 'content-type: application/json' -d '{body}'"
    );
    AuthConfig { hint: Some(hint), ..auth }
}
