//! What a unary call, a published event and a delivered event cost: CPU of edge and core apart, medians of three rounds.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lastmile_tests::{App, Browser, Publisher, Topology};

const ROUNDS: usize = 3;
const CONNECTIONS: usize = 16;
const ROUND: Duration = Duration::from_secs(3);
const SUBSCRIBERS: usize = 100;
const EVENTS: u32 = 200;

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test --all-targets` runs benches too, without this argument; a debug build measures nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let unlimited = [
        ("LASTMILE_LIMITS__REQUESTS_PER_SECOND", "1000000"),
        ("LASTMILE_LIMITS__REQUEST_BURST", "1000000"),
        ("RUST_LOG", "warn,lastmile_edge::serve=info,lastmile_server::serve=info,lastmile=info"),
    ];
    let mut app = App::start_with(Topology::Two, &unlimited).await;
    for (name, path) in [("GET one user", "/api/v1/users/1"), ("GET list of users", "/api/users")] {
        let rounds = Rounds::collect(&mut app, async |app| unary(app, path).await).await;
        rounds.print(name, "requests/s");
    }
    for publishers in [1, 16, 64] {
        let rounds = Rounds::collect(&mut app, async |app| publish(app, publishers).await).await;
        rounds.print(&format!("publish by gRPC × {publishers}"), "events/s");
    }
    let rounds = Rounds::collect(&mut app, async |app| deliver(app).await).await;
    rounds.print(&format!("SSE to {SUBSCRIBERS}"), "deliveries/s");
    ExitCode::SUCCESS
}

/// One row for each round: how many a second, CPU microseconds of the edge and of the core for each.
struct Rounds(Vec<[f64; 3]>);

impl Rounds {
    async fn collect(app: &mut App, work: impl AsyncFn(&App) -> usize) -> Self {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let before = [app.front().cpu_time(), app.core().cpu_time()];
            let begun = Instant::now();
            let count = work(app).await as f64;
            let elapsed = begun.elapsed();
            let after = [app.front().cpu_time(), app.core().cpu_time()];
            let cpu = |index: usize| (after[index] - before[index]).as_secs_f64() * 1e6 / count;
            rounds.push([count / elapsed.as_secs_f64(), cpu(0), cpu(1)]);
        }
        Self(rounds)
    }

    #[expect(clippy::print_stdout, reason = "the figures are the output")]
    fn print(mut self, name: &str, unit: &str) {
        let median = |column: usize, rounds: &mut Vec<[f64; 3]>| {
            rounds.sort_by(|a, b| a[column].total_cmp(&b[column]));
            rounds[rounds.len() / 2][column]
        };
        let [rate, edge, core] = [0, 1, 2].map(|column| median(column, &mut self.0));
        println!("{name:<22} {rate:>9.0} {unit:<13} edge {edge:>7.1} µs CPU each, core {core:>7.1} µs");
    }
}

/// Closed loop on keep-alive connections; how many answers came.
async fn unary(app: &App, path: &str) -> usize {
    let browser = app.login("alice").await;
    let deadline = Instant::now() + ROUND;
    let workers = (0..CONNECTIONS).map(|_| tokio::spawn(ask(browser.clone(), path.to_owned(), deadline)));
    let mut answers = 0;
    for worker in workers.collect::<Vec<_>>() {
        answers += worker.await.expect("no panic");
    }
    answers
}

async fn ask(browser: Browser, path: String, deadline: Instant) -> usize {
    let mut answers = 0;
    while Instant::now() < deadline {
        assert_eq!(browser.get(&path).await.status, 200);
        answers += 1;
    }
    answers
}

/// Closed loop of publishers over one gRPC connection; how many events were answered as durable.
async fn publish(app: &App, publishers: usize) -> usize {
    let publisher = Publisher::login(app.grpc(), "bob").await;
    let deadline = Instant::now() + ROUND;
    let workers = (0..publishers).map(|_| {
        let publisher = publisher.clone();
        tokio::spawn(async move {
            let mut answers = 0;
            while Instant::now() < deadline {
                publisher.publish("news", answers).await.expect("published");
                answers += 1;
            }
            answers as usize
        })
    });
    let mut answers = 0;
    for worker in workers.collect::<Vec<_>>() {
        answers += worker.await.expect("no panic");
    }
    answers
}

/// One publisher, many subscribers; how many events were delivered.
async fn deliver(app: &App) -> usize {
    let publisher = Publisher::login(app.grpc(), "bob").await;
    let mut subscribers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        // Every subscriber is a client with a connection of its own.
        let mut stream = app.browser().subscribe("/api/v1/topics/news/events", None).await;
        stream.id().await;
        subscribers.push(tokio::spawn(async move {
            for _ in 0..EVENTS {
                stream.event().await;
            }
        }));
    }
    for number in 0..EVENTS {
        publisher.publish("news", number).await.expect("published");
    }
    for subscriber in subscribers {
        subscriber.await.expect("no panic");
    }
    SUBSCRIBERS * EVENTS as usize
}
