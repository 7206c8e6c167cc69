//! `lastmile-server`: the gRPC core as a process of its own.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use lastmile_server::app::Core;
use lastmile_server::config::{self, ServerConfig};
use lastmile_server::flags::CoreFlags;
use lastmile_server::maintenance::Maintenance;
use lastmile_server::serve::{Listeners, serve, serve_probes};
use lastmile_server::telemetry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Streams end at once; a caller that does not read its end is cut after this time.
const DRAIN: Duration = Duration::from_secs(4);

/// The gRPC core of lastmile: identities, users, topics and their events.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    flags: CoreFlags,
    #[command(subcommand)]
    maintenance: Option<Maintenance>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { flags, maintenance } = Cli::parse();
    if let Some(maintenance) = maintenance {
        return maintenance.main("lastmile-server", data_folder(&flags));
    }
    let _telemetry = match telemetry::init("lastmile-server") {
        Ok(guard) => guard,
        Err(error) => {
            // There is no log yet.
            let _ = writeln!(io::stderr(), "lastmile-server: telemetry cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match run(&flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the server cannot go on");
            ExitCode::FAILURE
        }
    }
}

fn data_folder(flags: &CoreFlags) -> anyhow::Result<PathBuf> {
    let config: ServerConfig = config::load(ServerConfig::default(), flags.config.as_deref(), flags)?;
    Ok(config.data)
}

async fn run(flags: &CoreFlags) -> anyhow::Result<()> {
    let config: ServerConfig = config::load(ServerConfig::default(), flags.config.as_deref(), flags)?;
    let grpc = Listeners::bind(&config.grpc)
        .await
        .with_context(|| format!("cannot listen on {} (`--grpc` takes another address)", config.grpc))?;
    let admin = Listeners::bind(&config.admin)
        .await
        .with_context(|| format!("cannot listen on {} (`--admin` takes another address)", config.admin))?;
    let config = config.core();
    config.check()?;
    let core = Core::open(&config).await?;
    let stopped = stop_signal()?;
    tracing::info!(grpc = %grpc.address(), admin = %admin.address(), "listening");

    let stop = CancellationToken::new();
    let probes = tokio::spawn(serve_probes(core.clone(), admin));
    let mut server = tokio::spawn(serve(core.clone(), grpc, stop.clone()));
    tokio::select! {
        ended = &mut server => ended??,
        () = stopped => {
            tracing::info!("stopping");
            core.drain();
            stop.cancel();
            if timeout(DRAIN, server).await.is_err() {
                tracing::warn!("some callers did not take the end of their calls and are cut");
            }
        }
    }
    core.close().await;
    probes.abort();
    Ok(())
}

/// Listens from now on, not only from the first poll.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
