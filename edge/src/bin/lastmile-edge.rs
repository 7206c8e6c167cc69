//! The edge as a process of its own, in front of any gRPC backend.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser, Subcommand};
use lastmile_edge::app::Edge;
use lastmile_edge::config::{self, EdgeConfig, UpstreamConfig};
use lastmile_edge::schema::method::Tier;
use lastmile_edge::schema::{Schema, Source};
use lastmile_edge::upstream::Upstream;
use lastmile_edge::{serve, telemetry};
use serde::Serialize;

/// Puts a gRPC backend in front of browsers: REST JSON, resumable SSE, NDJSON.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
    /// TOML file with any of the settings.
    #[arg(long, env = "LASTMILE_CONFIG", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Args, Serialize)]
struct Flags {
    /// Where browsers connect [default: localhost:8080].
    #[arg(long, env = "LASTMILE_HTTP", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    /// Where /livez and /readyz are [default: localhost:9090].
    #[arg(long, env = "LASTMILE_ADMIN", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
    /// A backend, such as http://localhost:50051; several equal ones share the load.
    #[arg(long, env = "LASTMILE_UPSTREAM", value_delimiter = ',', global = true)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstream: Vec<String>,
    /// Encoded FileDescriptorSet, for a backend without reflection.
    #[arg(long, env = "LASTMILE_DESCRIPTORS", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    descriptors: Option<PathBuf>,
    /// Rules in YAML, for a backend without annotations.
    #[arg(long, env = "LASTMILE_RULES", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<PathBuf>,
    /// For developers: loopback origins may call, descriptors are served.
    #[arg(long, env = "LASTMILE_DEV", global = true)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dev: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints every route: HTTP method, path, gRPC method, how far its stream resumes.
    Routes,
    /// Checks the backend's rules; fails when there is a mistake.
    Check,
    /// Prints the settings in force, as TOML keys.
    Config,
    /// Writes the .proto files to import for annotations below this folder.
    Proto {
        dir: PathBuf,
        /// Also EdgeIdentityService, for a backend that issues tokens.
        #[arg(long)]
        identity: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lastmile-edge: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    if let Some(Command::Proto { dir, identity }) = &cli.command {
        return write_protos(dir, *identity);
    }
    let config: EdgeConfig =
        config::load(cli.config.as_deref(), &cli.flags).map_err(|error| anyhow!(error))?;
    if let Some(Command::Config) = cli.command {
        return print(&toml(&serde_json::to_value(&config)?));
    }
    let upstream = Upstream::connect(&config.upstream.0).map_err(|error| anyhow!(error))?;
    let source = config.descriptors.clone().map_or(Source::Reflection, Source::File);
    let edge = Edge::new(config, upstream, source, None).map_err(|error| anyhow!(error))?;
    match cli.command {
        Some(Command::Routes) => print(&routes(&edge).await?),
        Some(Command::Check) => {
            let schema = load(&edge).await?;
            print(&format!("ok: {} methods, {} bindings\n", schema.methods.len(), schema.bindings.len()))
        }
        _ => serve_edge(edge).await,
    }
}

async fn serve_edge(edge: Edge) -> Result<()> {
    let telemetry = telemetry::init("lastmile-edge").map_err(|error| anyhow!(error))?;
    let http = serve::bind(&edge.config().http).await.map_err(|error| anyhow!(error))?;
    let admin = serve::bind(&edge.config().admin).await.map_err(|error| anyhow!(error))?;
    let stop = serve::shutdown_signal()?;
    edge.begin().await?;
    tracing::info!(http = %http.address()?, admin = %admin.address()?, "listening");
    if edge.config().dev {
        tracing::warn!(
            "--dev: every loopback origin may call and descriptors are served; not for production"
        );
    }
    let ended = serve::run(&edge, http, admin, stop).await;
    tokio::task::spawn_blocking(move || telemetry.flush()).await?;
    ended.context("the edge does not start")
}

async fn load(edge: &Edge) -> Result<Schema> {
    let names: Vec<&str> = edge.config().upstream.0.iter().map(UpstreamConfig::name).collect();
    edge.load().await.with_context(|| format!("upstream {}", names.join(", ")))
}

async fn routes(edge: &Edge) -> Result<String> {
    let schema = load(edge).await?;
    let mut rows: Vec<String> = Vec::new();
    for binding in &schema.bindings {
        let method = &binding.method;
        let tier = match &method.stream {
            Some(_) if method.descriptor.is_client_streaming() => Tier::None.name(),
            Some(stream) => stream.tier().name(),
            None if method.descriptor.is_client_streaming() => Tier::None.name(),
            None => "unary",
        };
        rows.push(format!(
            "{:<7} {:<44} {:<52} {tier}\n",
            binding.http_method,
            binding.template,
            method.name()
        ));
    }
    rows.sort();
    Ok(rows.concat())
}

fn write_protos(dir: &std::path::Path, identity: bool) -> Result<()> {
    let identity = identity.then_some(&lastmile_proto::IDENTITY_SOURCE);
    for (path, text) in lastmile_proto::ANNOTATION_SOURCES.iter().chain(identity) {
        let file = dir.join(path);
        let folder = file.parent().context("a path without a folder")?;
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        std::fs::write(&file, text).with_context(|| file.display().to_string())?;
        print(&format!("{}\n", file.display()))?;
    }
    Ok(())
}

/// Settings as TOML: plain keys, then the tables.
fn toml(settings: &serde_json::Value) -> String {
    let upstreams = settings["upstream"].as_array().into_iter().flatten();
    let tables = upstreams.map(|upstream| format!("\n[[upstream]]\n{}", toml_keys("", upstream)));
    let mut plain = settings.clone();
    plain["upstream"].take();
    [toml_keys("", &plain), tables.collect()].concat()
}

fn toml_keys(prefix: &str, value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(key, value)| toml_keys(&format!("{prefix}{key}."), value)).collect()
        }
        serde_json::Value::Null => String::new(),
        value => format!("{} = {value}\n", prefix.trim_end_matches('.')),
    }
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
