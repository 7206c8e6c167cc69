//! What a delivered event and an open stream cost, beside a bare `send()` loop and servers as people write them.
//!
//! Everything goes over real sockets between processes of their own: this program again in another role, or the
//! binaries. Rounds are interleaved. `LASTMILE_BENCH=burst,memory` chooses among [`MEASURES`].

mod control;
mod cost;
mod readers;
mod bare;
mod plain;
mod naive;
mod crowd;
mod topics;
mod rival;
mod work;
mod table;
mod delivery;
mod memory;
mod clients;
mod sockets;

use std::net::SocketAddr;
use std::process::ExitCode;

use lastmile_tests::{App, Process, Topology, edge_token, enter_session, run_apart};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use topics::Topics;

/// The limits of one address out of the way, and no line in the log for each call.
pub(crate) const UNLIMITED: [(&str, &str); 11] = [
    ("LASTMILE_LIMITS__REQUESTS_PER_SECOND", "1000000"),
    ("LASTMILE_LIMITS__REQUEST_BURST", "1000000"),
    ("LASTMILE_LIMITS__CONNECTIONS", "100000"),
    ("LASTMILE_LIMITS__CONNECTIONS_PER_ADDRESS", "100000"),
    ("LASTMILE_LIMITS__STREAMS_PER_ADDRESS", "100000"),
    ("LASTMILE_LIMITS__STREAMS_PER_CALLER", "100000"),
    ("LASTMILE_STREAMS__OPENS_PER_SECOND", "100000"),
    ("LASTMILE_STREAMS__OPENS_BURST", "100000"),
    ("LASTMILE_SESSIONS__PER_ADDRESS", "100000"),
    // Readers do not answer pings.
    ("LASTMILE_SESSIONS__HEARTBEAT", "1h"),
    ("RUST_LOG", "warn,lastmile_edge::serve=info,lastmile_server::serve=info,lastmile=info"),
];

/// An edge of its own in front of the core, which shares streams among its callers.
pub(crate) async fn sharing_edge(grpc: SocketAddr) -> (SocketAddr, Process) {
    let credential = edge_token(grpc).await;
    let variables = [&UNLIMITED[..], &[("LASTMILE_CREDENTIAL", &credential)]].concat();
    App::edge(grpc, &variables).await
}

const MEASURES: [&str; 11] = [
    "one-by-one",
    "burst",
    "saturated",
    "latency",
    "many",
    "memory",
    "feeds",
    "clients",
    "sockets",
    "many-sockets",
    "socket-memory",
];

/// What is to be measured.
pub(crate) struct Wanted(Vec<String>);

impl Wanted {
    fn from_environment() -> Self {
        let wanted = std::env::var("LASTMILE_BENCH").unwrap_or_else(|_| MEASURES.join(","));
        let wanted: Vec<String> = wanted.split(',').map(String::from).collect();
        for name in &wanted {
            assert!(MEASURES.contains(&&**name), "LASTMILE_BENCH={name} is none of {}", MEASURES.join(", "));
        }
        Self(wanted)
    }

    pub(crate) fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.0.iter().any(|wanted| wanted == name))
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["readers"] => readers::run(),
        ["bare"] => bare::run(bare::Form::Events),
        ["bare-socket"] => bare::run(bare::Form::Socket),
        ["plain" | "plain-socket"] => runtime().block_on(plain::run()),
        ["naive", upstream] => runtime().block_on(naive::run(upstream)),
        ["in-session", ..] => {
            enter_session();
            runtime().block_on(measure());
        }
        // `cargo test --all-targets` runs benches too, without this argument; a debug build measures nothing.
        _ if arguments.iter().any(|argument| argument == "--bench") => return run_apart(&arguments),
        _ => {}
    }
    ExitCode::SUCCESS
}

fn runtime() -> Runtime {
    Runtime::new().expect("threads")
}

/// Ends early on SIGTERM, so that no process is left behind.
async fn measure() {
    let mut terminate = signal(SignalKind::terminate()).expect("a signal");
    tokio::select! {
        () = everything() => {}
        _ = terminate.recv() => {}
    }
}

async fn everything() {
    let wanted = Wanted::from_environment();
    let mut app = App::start_with(Topology::Two, &UNLIMITED).await;
    let topics = Topics::login(app.grpc()).await;
    table::head();
    delivery::run(&mut app, &topics, &wanted).await;
    memory::run(&mut app, &topics, &wanted).await;
    clients::run(&mut app, &topics, &wanted).await;
    sockets::run(&mut app, &topics, &wanted).await;
}
