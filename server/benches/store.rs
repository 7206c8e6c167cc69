//! What the embedded log costs: appends, reads, catching up, memory. Medians of three rounds, beside bare SQLite.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints figures"
)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use lastmile_server::log::{Delivery, Log, Start, Tail};
use lastmile_server::model::{NewEvent, NewTopic, Retention, Seq, TopicId, TopicRules};
use lastmile_server::store::{
    Change, Changed, LogReads, SliceLimit, SqliteStore, Store, TopicChange, TopicChanged, Write,
};
use rusqlite::Connection;

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
const BODY: usize = 200;
const TOPICS: usize = 10_000;
const EVENTS: usize = 1_000_000;

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test --all-targets` runs benches too, without this argument; a debug build measures nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
    let topic = create_topic(&store, "bench").await;
    appends(&store, topic, folder.path()).await;
    reads(&store, topic).await;
    catch_up(&store, topic).await;
    drop(store);
    memory().await;
    ExitCode::SUCCESS
}

/// Durable appends by some publishers at once, each waiting for its answer.
async fn appends(store: &Arc<SqliteStore>, topic: TopicId, folder: &Path) {
    let publishers = [1, 16, 64];
    let mut rounds: [Vec<Round>; 3] = Default::default();
    let mut bare: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (index, publishers) in publishers.into_iter().enumerate() {
            rounds[index].push(append_for_a_round(store, topic, publishers).await);
            bare[index].push(bare_sqlite(&folder.join("bare.db"), publishers));
        }
    }
    println!(
        "durable appends of {BODY} B, synchronous=FULL, against bare SQLite with as many rows in a transaction"
    );
    for ((publishers, rounds), bare) in publishers.into_iter().zip(rounds).zip(bare) {
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let (rate, bare) = (of(|round| round.rate), median(bare));
        println!(
            "{publishers:>4} publishers {rate:>9.0}/s  {:>4.2}× bare  commit p50 {:>6.2} ms, p99 {:>6.2} ms  {:>6.1} µs CPU each",
            rate / bare,
            of(|round| round.p50),
            of(|round| round.p99),
            of(|round| round.cpu),
        );
    }
}

struct Round {
    rate: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
    /// Microseconds for each event.
    cpu: f64,
}

async fn append_for_a_round(store: &Arc<SqliteStore>, topic: TopicId, publishers: usize) -> Round {
    let (begun, cpu) = (Instant::now(), cpu_time());
    let each = (0..publishers).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < ROUND {
                let sent = Instant::now();
                store.commit(Write::events(vec![event(topic)])).await.unwrap();
                latencies.push(sent.elapsed());
            }
            latencies
        })
    });
    let mut latencies: Vec<Duration> = try_join_all(each).await.unwrap().into_iter().flatten().collect();
    let elapsed = begun.elapsed();
    let cpu = (cpu_time() - cpu).as_secs_f64() * 1e6 / latencies.len() as f64;
    latencies.sort_unstable();
    let at = |share: usize| latencies[latencies.len() * share / 100].as_secs_f64() * 1e3;
    Round { rate: latencies.len() as f64 / elapsed.as_secs_f64(), p50: at(50), p99: at(99), cpu }
}

/// Rows a second into one table with one index, so many in a transaction: the floor.
fn bare_sqlite(path: &Path, rows: usize) -> f64 {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.pragma_update(None, "synchronous", "full").unwrap();
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS row (seq INTEGER PRIMARY KEY, topic INTEGER, body BLOB);
         CREATE INDEX IF NOT EXISTS row_by_topic ON row (topic, seq)",
    )
    .unwrap();
    let (begun, mut written) = (Instant::now(), 0);
    while begun.elapsed() < ROUND {
        let transaction = db.unchecked_transaction().unwrap();
        for _ in 0..rows {
            let mut insert =
                transaction.prepare_cached("INSERT INTO row (topic, body) VALUES (1, ?1)").unwrap();
            insert.execute([[7_u8; BODY].as_slice()]).unwrap();
        }
        transaction.commit().unwrap();
        written += rows;
    }
    written as f64 / begun.elapsed().as_secs_f64()
}

/// Pages of 100 events from all over the history, by 4 readers.
async fn reads(store: &Arc<SqliteStore>, topic: TopicId) {
    let last = store.bells().last();
    let limit = SliceLimit { events: 100, bytes: 1 << 20 };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let each = (0..4_u64).map(|reader| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let (mut pages, mut after) = (0_u64, reader);
                while begun.elapsed() < ROUND {
                    // A stride that is no divisor of anything: every page is elsewhere.
                    after = (after + 7_919) % last;
                    store.read_after(Arc::new([topic]), after, limit).await.unwrap();
                    pages += 1;
                }
                pages
            })
        });
        let pages: u64 = try_join_all(each).await.unwrap().into_iter().sum();
        rounds.push(pages as f64 / begun.elapsed().as_secs_f64());
    }
    println!("history: {:.0} pages of 100 events a second", median(rounds));
}

/// One subscriber reads everything from the beginning.
async fn catch_up(store: &Arc<SqliteStore>, topic: TopicId) {
    let last = store.bells().last();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let log = Log::new(Arc::clone(store) as _);
        let mut tail = Tail::open(log, Arc::new([topic]), Start::Position(0)).await.unwrap();
        let (begun, mut position, mut events): (_, Seq, u64) = (Instant::now(), 0, 0);
        while position < last {
            match tail.next().await.unwrap() {
                Delivery::Position(seq) => position = seq,
                Delivery::Event(event) => {
                    position = event.seq;
                    events += 1;
                }
            }
        }
        rounds.push(events as f64 / begun.elapsed().as_secs_f64());
    }
    println!("catching up: {:.0} events a second to one subscriber", median(rounds));
}

/// What a process holds that has many topics with many events, each topic with a subscriber.
async fn memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
    let before = resident();
    let mut topics = Vec::with_capacity(TOPICS);
    for names in (0..TOPICS).collect::<Vec<_>>().chunks(500) {
        let created = names.iter().map(|number| {
            let store = &store;
            async move { create_topic(store, &format!("topic-{number}")).await }
        });
        topics.extend(join_all(created).await);
    }
    for batch in 0..EVENTS / 500 {
        let writes = (0..500).map(|each| {
            let topic = topics[(batch * 500 + each) % TOPICS];
            store.commit(Write::events(vec![event(topic)]))
        });
        try_join_all(writes).await.unwrap();
    }
    let filled = resident();
    let mut tails = Vec::with_capacity(TOPICS);
    for topic in topics {
        let log = Log::new(Arc::clone(&store) as _);
        let mut tail = Tail::open(log, Arc::new([topic]), Start::Latest(0)).await.unwrap();
        tail.next().await.unwrap();
        tails.push(tail);
    }
    let subscribed = resident();
    println!(
        "memory: {:.1} MiB more with {TOPICS} topics and {EVENTS} events, {:.2} KiB for each of {TOPICS} subscribers",
        (filled - before) / 1024.0,
        (subscribed - filled) / TOPICS as f64,
    );
}

async fn create_topic(store: &SqliteStore, name: &str) -> TopicId {
    let topic = NewTopic {
        name: name.into(),
        description: String::new(),
        rules: TopicRules::default(),
        retention: Retention::default(),
        owner: String::new(),
    };
    let change = Change::Topic(TopicChange::Create(topic));
    match store.commit(Write::change(change)).await.unwrap().changed {
        Some(Changed::Topic(TopicChanged::Topic(topic))) => topic.id,
        other => panic!("{other:?}"),
    }
}

fn event(topic: TopicId) -> NewEvent {
    NewEvent {
        topic,
        kind: "bench:event".into(),
        publisher: "alice".into(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        body: vec![7; BODY],
        idempotency: None,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU time of this process, in steps of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Resident memory of this process, in KiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
