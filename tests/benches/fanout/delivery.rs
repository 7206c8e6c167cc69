//! One topic, thousands of subscribers: CPU of each delivery and of each heartbeat, deliveries a second, and latency.

use std::time::Duration;

use lastmile_tests::App;
use tokio::time::sleep;

use crate::Wanted;
use crate::rival::Rival;
use crate::table::{alone, column, compare, median};
use crate::topics::Topics;
use crate::work::{Work, bursts, one_by_one, saturate};

const ROUNDS: usize = 3;
const MANY: usize = 5_000;
/// What one process can hold here.
const MOST: usize = 18_000;
/// Paced to this many deliveries a second, so that no server has two events to write at once.
const DELIVERIES: usize = 30_000;
const BURST: usize = 8;
/// A heartbeat comes 12-15 s after what was written last, and a position every 15 s.
const QUIET: Duration = Duration::from_secs(16);

/// The baselines and ours, in this order.
pub(crate) struct Rivals([Rival; 3]);

/// What the rounds of each rival gave, in the same order.
pub(crate) type Rounds = [Vec<Work>; 3];

pub(crate) async fn run(app: &mut App, topics: &Topics, wanted: &Wanted) {
    if !wanted.any(&["one-by-one", "saturated", "burst", "latency", "many"]) {
        return;
    }
    let mut rivals = Rivals::start(app, topics).await;
    if wanted.any(&["one-by-one", "burst"]) {
        let singles = rivals.polling(async |rival| one_by_one(rival, 12, pace(MANY)).await).await;
        print_cpu("one event to 5,000", &singles, "<= 1.25x");
        if wanted.any(&["burst"]) {
            let eights = rivals.polling(async |rival| bursts(rival, 3, BURST, pace(4 * MANY)).await).await;
            print_cpu("8 events back to back to 5,000", &eights, "");
            // A durable log makes two commits of eight events that come at once: what is joined is not the same.
            print_joined("8 events back to back to 5,000", &eights);
            print_cpu_of_write("8 events back to back to 5,000", &eights);
            let (eights, singles) =
                (column(&eights[2], |work| work.cpu[0]), column(&singles[2], |work| work.cpu[0]));
            compare("8 back to back beside one by one: edge", &eights, ("one by one", &singles), "<= 0.3x");
        }
    }
    if wanted.any(&["saturated"]) {
        let full = rivals.polling(async |rival| saturate(rival, Duration::from_millis(1500)).await).await;
        print_cpu("64 in flight to 5,000", &full, "");
        print_joined("64 in flight to 5,000", &full);
        print(
            "64 in flight to 5,000: deliveries/s",
            &full,
            |work| work.deliveries_per_second,
            ">= 1.2x axum",
        );
    }
    if wanted.any(&["latency"]) {
        let asleep = rivals.rounds(async |rival| one_by_one(rival, 12, pace(MANY)).await).await;
        print("publish to receive at 5,000: p50 ms", &asleep, |work| f64::from(work.tally.median) / 1e3, "");
        print("publish to receive at 5,000: p99 ms", &asleep, |work| f64::from(work.tally.p99) / 1e3, "");
    }
    if wanted.any(&["many"]) {
        rivals.grow(MOST).await;
        let singles = rivals.polling(async |rival| one_by_one(rival, 4, pace(MOST)).await).await;
        print_cpu("one event to 18,000", &singles, "<= 1.25x");
        heartbeats(&mut rivals.0[2], &column(&singles[0], Work::all)).await;
    }
}

impl Rivals {
    async fn start(app: &mut App, topics: &Topics) -> Self {
        let (http, processes) = (app.http(), vec![app.front().id(), app.core().id()]);
        let mut edge = Rival::edge("edge", http, processes, topics, "fanout", None).await;
        let bytes = edge.grow(MANY).await;
        alone("bytes of an event on the wire", bytes as f64, "");
        let bare = Rival::baseline("bare send()", "bare", bytes).await;
        let plain = Rival::baseline("plain axum", "plain", bytes).await;
        let mut rivals = Self([bare, plain, edge]);
        rivals.grow(MANY).await;
        rivals
    }

    /// The same with subscribers by WebSocket.
    pub(crate) async fn of_sockets(app: &mut App, topics: &Topics, size: usize) -> Self {
        let (http, processes) = (app.http(), vec![app.front().id(), app.core().id()]);
        let edge = Rival::edge("edge", http, processes, topics, "sockets", None).await;
        let mut edge = edge.by_sessions();
        let bytes = edge.grow(size).await;
        alone("bytes of an event on a WebSocket", bytes as f64, "");
        let bare = Rival::baseline("bare send()", "bare-socket", bytes).await;
        let plain = Rival::baseline("plain axum", "plain-socket", bytes).await;
        let mut rivals = Self([bare, plain, edge]);
        rivals.grow(size).await;
        rivals
    }

    pub(crate) async fn grow(&mut self, size: usize) {
        for rival in &mut self.0 {
            rival.grow(size).await;
        }
    }

    /// Rounds whose readers look for themselves: for CPU time.
    pub(crate) async fn polling(&mut self, work: impl AsyncFn(&mut Rival) -> Work) -> Rounds {
        self.rounds(async |rival| {
            rival.crowd.poll().await;
            let work = work(rival).await;
            rival.crowd.sleep().await;
            work
        })
        .await
    }

    async fn rounds(&mut self, work: impl AsyncFn(&mut Rival) -> Work) -> Rounds {
        let mut rounds = Rounds::default();
        for _ in 0..ROUNDS {
            for (rival, row) in self.0.iter_mut().zip(&mut rounds) {
                row.push(work(rival).await);
            }
        }
        rounds
    }
}

pub(crate) fn pace(deliveries: usize) -> Duration {
    Duration::from_secs(1) * deliveries as u32 / DELIVERIES as u32
}

pub(crate) fn print_cpu(title: &str, rounds: &Rounds, goal: &str) {
    let edge = column(&rounds[2], |work| work.cpu[0]);
    let both = column(&rounds[2], Work::all);
    let [bare, plain] = [0, 1].map(|index| column(&rounds[index], Work::all));
    compare(&format!("{title}: edge, µs CPU each"), &edge, ("bare send()", &bare), goal);
    compare(&format!("{title}: edge, µs CPU each"), &edge, ("plain axum", &plain), "");
    compare(&format!("{title}: edge + core"), &both, ("bare send()", &bare), "");
}

fn print_cpu_of_write(title: &str, rounds: &Rounds) {
    let [plain, edge] = [1, 2].map(|index| {
        column(&rounds[index], |work| work.cpu[0] * work.tally.events as f64 / work.tally.reads as f64)
    });
    compare(&format!("{title}: edge, µs CPU a read"), &edge, ("plain axum", &plain), "<= 1x");
}

/// How well events share a write: what readers got at once.
fn print_joined(title: &str, rounds: &Rounds) {
    print(
        &format!("{title}: events a read"),
        rounds,
        |work| work.tally.events as f64 / work.tally.reads as f64,
        "",
    );
}

fn print(title: &str, rounds: &Rounds, figure: impl Fn(&Work) -> f64, goal: &str) {
    let [bare, plain, edge] = [0, 1, 2].map(|index| column(&rounds[index], &figure));
    compare(title, &edge, ("bare send()", &bare), "");
    compare(title, &edge, ("plain axum", &plain), goal);
}

/// What open connections cost when nothing happens.
async fn heartbeats(edge: &mut Rival, bare: &[f64]) {
    edge.crowd.poll().await;
    // An event to all, from which all clocks count.
    edge.grow(edge.crowd.size()).await;
    let before = edge.cpu();
    sleep(QUIET).await;
    let after = edge.cpu();
    let reads = edge.crowd.tally().await.reads as f64;
    edge.crowd.sleep().await;
    let used = after[0].since(&before[0]);
    alone("18,000 idle: heartbeats and positions per second", reads / QUIET.as_secs_f64(), "");
    compare(
        "18,000 idle: edge, µs CPU for each of them",
        &[used / reads],
        ("bare send()", &[median(bare.to_vec())]),
        "",
    );
    alone("18,000 idle: edge, ms CPU per second", used / 1e3 / QUIET.as_secs_f64(), "");
}
