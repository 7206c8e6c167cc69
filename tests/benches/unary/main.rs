//! What a unary call costs in the edge, beside hand-written edges for the same calls.
//!
//! Each edge is a process of its own in front of one backend; only its CPU time counts, or with the backend in the same
//! process, that of both. Rounds are interleaved, so that a slow phase of the machine meets all of them.

mod backend;
mod load;
mod naive;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use lastmile_edge::app::Edge;
use lastmile_edge::config::EdgeConfig;
use lastmile_edge::schema::Source;
use lastmile_edge::serve;
use lastmile_edge::upstream::Upstream;
use lastmile_tests::{Process, binary, enter_session, run_apart, structured_proxy};

use load::Load;

const ROUNDS: usize = 5;
/// What is asked, and how many users the answer holds.
const CALLS: [(&str, &str); 2] = [("1 user", "/api/v1/users/1"), ("100 users", "/api/users")];

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["backend"] => backend::serve().await,
        ["naive", upstream] => naive::serve(upstream).await,
        ["naive-in-process"] => naive::listen(naive::router(backend::service())).await,
        ["edge-in-process"] => edge_in_process().await,
        ["in-session", ..] => {
            enter_session();
            compare().await;
        }
        // `cargo test --all-targets` runs benches too, without this argument; a debug build measures nothing.
        _ if arguments.iter().any(|argument| argument == "--bench") => return run_apart(&arguments),
        _ => {}
    }
    ExitCode::SUCCESS
}

/// An edge that is measured.
struct Rival {
    name: &'static str,
    process: Process,
    http: SocketAddr,
}

#[expect(clippy::print_stdout, reason = "the figures are the output")]
async fn compare() {
    let itself = std::env::current_exe().expect("a bench knows its own path");
    let mut backend = Process::start(&itself, ["backend"], &[]);
    let upstream = address(&mut backend).await.to_string();
    let mimalloc = example("naive_mimalloc");
    let mut over_tcp = vec![
        Rival::start("naive edge", Process::start(&itself, ["naive", &upstream], &[])).await,
        Rival::start("naive edge, mimalloc", Process::start(mimalloc, [&upstream], &[])).await,
        Rival::start("lastmile-edge", edge(&upstream)).await,
    ];
    if let Some((process, http)) = structured_proxy(&upstream).await {
        over_tcp.push(Rival { name: "structured-proxy", process, http });
    }
    let mut in_process = vec![
        Rival::start("naive edge", Process::start(&itself, ["naive-in-process"], &[])).await,
        Rival::start("edge", Process::start(&itself, ["edge-in-process"], &[])).await,
    ];
    for (title, rivals) in [("backend over TCP", &mut over_tcp), ("backend in process", &mut in_process)] {
        for (name, path) in CALLS {
            println!("{title}, {name}, {} connections, {ROUNDS} rounds", load::CONNECTIONS);
            measure(rivals, path).print(rivals);
        }
    }
}

/// CPU microseconds a request and requests a second, by rival and round.
struct Table(Vec<Vec<(f64, f64)>>);

fn measure(rivals: &mut [Rival], path: &str) -> Table {
    let mut table = Table(rivals.iter().map(|_| Vec::new()).collect());
    for round in 0..=ROUNDS {
        for (rival, rows) in rivals.iter().zip(&mut table.0) {
            let before = rival.process.cpu_time();
            let Load { requests, elapsed } = load::run(rival.http, path);
            let cpu = (rival.process.cpu_time() - before).as_secs_f64() * 1e6 / requests as f64;
            // The first round only warms up.
            if round > 0 {
                rows.push((cpu, requests as f64 / elapsed.as_secs_f64()));
            }
        }
    }
    table
}

impl Table {
    #[expect(clippy::print_stdout, reason = "the figures are the output")]
    fn print(&self, rivals: &[Rival]) {
        for (rival, rows) in rivals.iter().zip(&self.0) {
            let ratio =
                |base: &Vec<(f64, f64)>| median(rows.iter().zip(base).map(|(row, base)| row.0 / base.0));
            let (cpu, rate) = (median(rows.iter().map(|row| row.0)), median(rows.iter().map(|row| row.1)));
            let ratios: Vec<_> = self
                .0
                .iter()
                .zip(rivals)
                .map(|(base, other)| format!("{:.2}x {}", ratio(base), other.name))
                .collect();
            println!("  {:<22} {cpu:>7.1} µs CPU each, {rate:>7.0}/s: {}", rival.name, ratios.join(", "));
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Rival {
    async fn start(name: &'static str, mut process: Process) -> Self {
        let http = address(&mut process).await;
        Self { name, process, http }
    }
}

/// Where a process says that it listens: in a line of its own, or in the edge's log.
async fn address(process: &mut Process) -> SocketAddr {
    let line = |line: &lastmile_tests::LogLine| {
        let logged = line["http"].as_str().or_else(|| line["fields"]["http"].as_str());
        logged.or_else(|| line.as_str()?.strip_prefix("listening ")).and_then(|address| address.parse().ok())
    };
    process.line("its address", line).await
}

fn edge(upstream: &str) -> Process {
    let descriptors = std::env::temp_dir().join(format!("lastmile-bench-{}.binpb", std::process::id()));
    std::fs::write(&descriptors, lastmile_proto::DESCRIPTORS).expect("a temporary file");
    let descriptors = descriptors.to_string_lossy().into_owned();
    let arguments = [
        "--http",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--upstream",
        upstream,
        "--descriptors",
        &descriptors,
    ];
    let unlimited = [
        ("LASTMILE_AUTH__KEYS", "none"),
        ("LASTMILE_LIMITS__REQUESTS_PER_SECOND", "1000000"),
        ("LASTMILE_LIMITS__REQUEST_BURST", "1000000"),
        ("RUST_LOG", "warn,lastmile_edge=info,lastmile_edge::layer=warn"),
    ];
    Process::start(binary("lastmile-edge"), arguments, &unlimited)
}

/// An example program, built beside the bench.
fn example(name: &str) -> PathBuf {
    let path = std::env::current_exe().expect("a bench knows its own path");
    let path =
        path.ancestors().nth(2).expect("benches lie in target/PROFILE/deps").join("examples").join(name);
    assert!(
        path.is_file(),
        "{name} is not built: `cargo build --release -p lastmile-tests --examples` comes first"
    );
    path
}

/// The edge as a library, with the backend in the same process.
async fn edge_in_process() {
    let mut config =
        EdgeConfig { http: "127.0.0.1:0".into(), admin: "127.0.0.1:0".into(), ..EdgeConfig::default() };
    config.auth.keys = "none".into();
    config.limits.requests_per_second = 1_000_000;
    config.limits.request_burst = 1_000_000;
    let upstream = Upstream::from_service(backend::service());
    let edge = Edge::new(config, upstream, Source::Encoded(lastmile_proto::DESCRIPTORS), None)
        .expect("it can be built");
    let http = serve::bind(&edge.config().http).await.expect("a free port");
    let admin = serve::bind(&edge.config().admin).await.expect("a free port");
    edge.begin().await.expect("the rules are right");
    naive::announce(http.address().expect("it is bound"));
    serve::run(&edge, http, admin, std::future::pending()).await.expect("it runs until it is killed");
}
