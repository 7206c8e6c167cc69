//! The edge as a process of its own, in front of any gRPC backend.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser, Subcommand};
use lastmile_edge::allocator::MiMalloc;
use lastmile_edge::app::Edge;
use lastmile_edge::config::{self, EdgeConfig, UpstreamConfig};
use lastmile_edge::learn::LoadError;
use lastmile_edge::schema::method::Tier;
use lastmile_edge::schema::{Binding, Schema, Source, Weight, advice};
use lastmile_edge::serve::Listeners;
use lastmile_edge::upstream::Upstream;
use lastmile_edge::workers::Workers;
use lastmile_edge::{serve, telemetry};
use serde::Serialize;

/// Puts a gRPC backend in front of browsers: REST JSON, resumable SSE, NDJSON, Connect, gRPC-Web.
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
    /// Where /livez, /readyz and /reload are [default: localhost:9090].
    #[arg(long, env = "LASTMILE_ADMIN", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
    /// A backend, such as http://localhost:50051; several equal ones share the load.
    #[arg(long, env = "LASTMILE_UPSTREAM", value_delimiter = ',', global = true)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstream: Vec<String>,
    /// The edge's own token for its backend, with which it opens streams that callers share.
    #[arg(long, env = "LASTMILE_CREDENTIAL", hide_env_values = true, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    /// Encoded FileDescriptorSet, for a backend without reflection.
    #[arg(long, env = "LASTMILE_DESCRIPTORS", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    descriptors: Option<PathBuf>,
    /// Rules in YAML, for a backend without annotations.
    #[arg(long, env = "LASTMILE_RULES", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<PathBuf>,
    /// For developers: loopback origins may call; descriptors, reflection and health are there for anyone.
    #[arg(long, env = "LASTMILE_DEV", global = true)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dev: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints every route: HTTP method, path, gRPC method, how far its stream resumes, and whether it is public.
    Routes,
    /// Prints the OpenAPI document that is served at /openapi.json.
    Openapi,
    /// Checks the backend's rules and says what may not be meant. Ends with 1 when there is a mistake, with 3 when the
    /// descriptors cannot be had.
    Check {
        /// Ends with 1 for a warning too.
        #[arg(long)]
        strict: bool,
    },
    /// Prints the settings in force, as TOML keys; edge/SETTINGS.md explains each.
    Config,
    /// Writes the .proto files to import for annotations below this folder.
    Proto {
        dir: PathBuf,
        /// Also EdgeIdentityService, for a backend that issues tokens.
        #[arg(long)]
        identity: bool,
    },
}

/// What `check` ends with when there was nothing to check.
const NOTHING_TO_CHECK: u8 = 3;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lastmile-edge: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    if let Some(Command::Proto { dir, identity }) = &cli.command {
        return done(write_protos(dir, *identity));
    }
    let mut config: EdgeConfig =
        config::load(cli.config.as_deref(), &cli.flags).map_err(|error| anyhow!(error))?;
    if let Some(Command::Config) = cli.command {
        return done(print(&toml(&serde_json::to_value(&config)?)));
    }
    config.hand_on_credential().map_err(|error| anyhow!(error))?;
    let source = config.descriptors.clone().map_or(Source::Reflection, Source::File);
    let needs_backend = cli.command.is_none() || config.descriptors.is_none();
    let upstream = if needs_backend || !config.upstream.0.is_empty() {
        Upstream::connect(&config.upstream.0).map_err(|error| anyhow!(error))?
    } else {
        Upstream::nowhere()
    };
    let edge = Edge::new(config, upstream, source, None).map_err(|error| anyhow!(error))?;
    match cli.command {
        Some(Command::Routes) => done(print(&routes(&load(&edge).await?))),
        Some(Command::Openapi) => {
            let document = edge.openapi(&load(&edge).await?);
            done(print(&(serde_json::to_string_pretty(&document)? + "\n")))
        }
        Some(Command::Check { strict }) => check(&edge, strict).await,
        _ => done(serve_edge(edge).await),
    }
}

fn done(result: Result<()>) -> Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}

async fn serve_edge(edge: Edge) -> Result<()> {
    let telemetry = telemetry::init("lastmile-edge").map_err(|error| anyhow!(error))?;
    let http = listen(&edge.config().http, "--http").await?;
    let admin = listen(&edge.config().admin, "--admin").await?;
    let stop = serve::shutdown_signal()?;
    edge.begin().await?;
    tracing::info!(http = %http.address()?, admin = %admin.address()?, "listening");
    if edge.config().dev {
        tracing::warn!(
            "--dev: every loopback origin may call and descriptors are served; not for production"
        );
    }
    let ended = serve::run_on(Workers::start()?, &edge, http, admin, stop).await;
    tokio::task::spawn_blocking(move || telemetry.flush()).await?;
    ended.context("the edge does not start")
}

async fn listen(address: &str, flag: &str) -> Result<Listeners> {
    serve::bind(address).await.map_err(|error| anyhow!("{error}; `{flag}` takes another address"))
}

async fn load(edge: &Edge) -> Result<Schema> {
    match edge.load().await {
        Ok(schema) => Ok(schema),
        Err(LoadError::Unreachable(error)) => {
            let names: Vec<&str> = edge.config().upstream.0.iter().map(UpstreamConfig::name).collect();
            // Whoever asks here may see the cause.
            Err(LoadError::Unreachable(error.reveal())).context(format!("upstream {}", names.join(", ")))
        }
        // It says itself which file it is of.
        Err(error) => Err(error.into()),
    }
}

/// Tells every mistake and remark, a line each; the last line is the verdict.
async fn check(edge: &Edge, strict: bool) -> Result<ExitCode> {
    let schema = match load(edge).await {
        Ok(schema) => schema,
        Err(error) => {
            let Some(LoadError::Mistakes(mistakes)) = error.downcast_ref::<LoadError>() else {
                writeln!(std::io::stderr(), "lastmile-edge: {error:#}")?;
                return Ok(ExitCode::from(NOTHING_TO_CHECK));
            };
            let lines = mistakes.0.iter().map(|mistake| format!("mistake: {mistake}\n"));
            print(&lines.collect::<String>())?;
            print(&format!("failed: {}\n", count(mistakes.0.len(), "mistake")))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let remarks = advice(&schema, edge.config().rest.query_maps);
    let warnings = remarks.iter().filter(|remark| remark.weight == Weight::Warning).count();
    let is_good = !strict || warnings == 0;
    print(&remarks.iter().map(|remark| format!("{remark}\n")).collect::<String>())?;
    print(&format!(
        "{}: {}, {}, {}\n",
        if is_good { "ok" } else { "failed" },
        count(schema.methods.len(), "method"),
        count(schema.declared().count(), "binding"),
        count(warnings, "warning")
    ))?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Columns as wide as their widest cell, rows by path.
fn routes(schema: &Schema) -> String {
    // What every method has without declaring it is told only where there is nothing else.
    let is_declared = |name: &str| schema.declared().any(|other| other.method.name() == name);
    let shown =
        schema.bindings.iter().filter(|binding| !binding.implicit || !is_declared(binding.method.name()));
    let mut rows: Vec<[&str; 5]> = shown.map(|binding| row(binding)).collect();
    rows.sort_by_key(|[verb, template, ..]| (*template, *verb));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[&str; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(binding: &Binding) -> [&str; 5] {
    let method = &binding.method;
    let tier = match &method.stream {
        _ if method.descriptor.is_client_streaming() => Tier::None.name(),
        Some(stream) => stream.tier().name(),
        None => "unary",
    };
    let access = if method.auth.public { "public" } else { "" };
    [&binding.http_method, &binding.template, method.name(), tier, access]
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
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
