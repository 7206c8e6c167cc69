//! What calls over a session cost in the edge, beside the same calls by HTTP: unary ones, and messages of one conversation.

mod backend;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lastmile_tests::{Browser, Carrier, Process, Session, binary};
use serde_json::json;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const CLIENTS: usize = 16;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["backend"] => backend::serve().await,
        // `cargo test --all-targets` runs benches too, without this argument; a debug build measures nothing.
        _ if arguments.iter().any(|argument| argument == "--bench") => measure().await,
        _ => {}
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "the figures are the output")]
async fn measure() {
    let itself = std::env::current_exe().expect("a bench knows its own path");
    let mut backend = Process::start(itself, ["backend"], &[]);
    let upstream = address(&mut backend).await;
    let mut edge = edge(upstream);
    let http = address(&mut edge).await;
    let mut rows: [Vec<(f64, f64)>; 3] = Default::default();
    for round in 0..=ROUNDS {
        for (row, way) in rows.iter_mut().zip([Way::Http, Way::Session, Way::Conversation]) {
            let (before, begun) = (edge.cpu_time(), Instant::now());
            let count = run(http, way).await as f64;
            let rate = count / begun.elapsed().as_secs_f64();
            let cpu = (edge.cpu_time() - before).as_secs_f64() * 1e6 / count;
            // The first round only warms up.
            if round > 0 {
                row.push((cpu, rate));
            }
        }
    }
    let median = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let ratio = rows[1].iter().zip(&rows[0]).map(|(session, http)| session.0 / http.0).collect();
    for (name, row) in ["unary by HTTP", "unary in a session", "message there and back"].iter().zip(&rows) {
        let cpu = median(row.iter().map(|row| row.0).collect());
        let rate = median(row.iter().map(|row| row.1).collect());
        println!("{name:<24} {CLIENTS} clients: edge {cpu:>7.1} µs CPU each, {rate:>7.0}/s");
    }
    println!("unary in a session beside HTTP: {:.2}x", median(ratio));
    let begun = Instant::now();
    let messages = converse(http, begun + ROUND).await as f64;
    println!(
        "one conversation alone: {:.0} messages/s there and back",
        messages / begun.elapsed().as_secs_f64()
    );
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Http,
    Session,
    Conversation,
}

/// A closed loop of clients; how many answers came.
async fn run(http: SocketAddr, way: Way) -> usize {
    let until = Instant::now() + ROUND;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            tokio::spawn(async move {
                match way {
                    Way::Http => ask(http, until).await,
                    Way::Session => call(http, until).await,
                    Way::Conversation => converse(http, until).await,
                }
            })
        })
        .collect();
    let mut answers = 0;
    for client in clients {
        answers += client.await.expect("no panic");
    }
    answers
}

async fn ask(http: SocketAddr, until: Instant) -> usize {
    let browser = Browser::new(http);
    let mut answers = 0;
    while Instant::now() < until {
        assert_eq!(browser.get("/api/v1/users/1").await.status, 200);
        answers += 1;
    }
    answers
}

async fn call(http: SocketAddr, until: Instant) -> usize {
    let mut session = Session::begin(http, Carrier::WebSocket, None).await;
    let mut answers = 0;
    while Instant::now() < until {
        let user = session.call("lastmile.v1.UserService/GetUser", json!({ "id": 1 })).await;
        assert!(user.is_ok(), "{user:?}");
        answers += 1;
    }
    answers
}

/// As many messages are on their way as the edge lets its client send.
async fn converse(http: SocketAddr, until: Instant) -> usize {
    let mut session = Session::begin(http, Carrier::WebSocket, None).await;
    let open = json!({ "json": { "watch": { "id": "a" } }, "credit": u32::MAX });
    let call = session.open("lastmile.v1.DocumentService/SyncDocument", open).await;
    let send = json!({ "send": { "call": call, "json": { "commit": { "baseVersion": 1 } } } });
    let (mut credit, mut answers) = (0, 0);
    while Instant::now() < until {
        while credit > 0 {
            credit -= 1;
            session.say(send.clone()).await;
        }
        let frame = session.hear().await;
        credit += frame["credit"]["messages"].as_u64().unwrap_or_default();
        answers += usize::from(frame.get("message").is_some());
        if frame.get("message").is_some() && answers.is_multiple_of(32) {
            session.acknowledge().await;
        }
    }
    answers
}

fn edge(upstream: SocketAddr) -> Process {
    let descriptors = std::env::temp_dir().join(format!("lastmile-sessions-{}.binpb", std::process::id()));
    std::fs::write(&descriptors, lastmile_proto::DESCRIPTORS).expect("a temporary file");
    let (upstream, descriptors) = (format!("http://{upstream}"), descriptors.display().to_string());
    let listens = ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let arguments = [&listens[..], &["--upstream", &upstream, "--descriptors", &descriptors]].concat();
    let unlimited = [
        ("LASTMILE_AUTH__KEYS", "none"),
        ("LASTMILE_LIMITS__REQUESTS_PER_SECOND", "1000000"),
        ("LASTMILE_LIMITS__REQUEST_BURST", "1000000"),
        ("RUST_LOG", "warn,lastmile_edge=info,lastmile_edge::layer=warn"),
    ];
    Process::start(binary("lastmile-edge"), arguments, &unlimited)
}

/// Where a process says that it listens: in a line of its own, or in the edge's log.
async fn address(process: &mut Process) -> SocketAddr {
    let line = |line: &lastmile_tests::LogLine| {
        let logged = line["http"].as_str().or_else(|| line["fields"]["http"].as_str());
        logged.or_else(|| line.as_str()?.strip_prefix("listening ")).and_then(|address| address.parse().ok())
    };
    process.line("its address", line).await
}
