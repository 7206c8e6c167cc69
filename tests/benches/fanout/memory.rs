//! What open streams that are idle hold in memory, and what opening one costs.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use lastmile_tests::App;
use tokio::time::sleep;

use crate::cost::memory;
use crate::crowd::Crowd;
use crate::rival::Rival;
use crate::table::{alone, compare};
use crate::topics::Topics;
use crate::{Wanted, sharing_edge};

const SUBSCRIBERS: usize = 10_000;
/// How many come and go before, so that what is made once is not counted.
const FIRST: usize = 100;
/// After it nothing is being opened or closed any more.
const SETTLED: Duration = Duration::from_secs(2);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Bytes before, with all subscribers, and when all have gone; CPU microseconds to open one.
pub(crate) struct Idle {
    before: f64,
    open: f64,
    closed: f64,
    opening: f64,
}

pub(crate) async fn run(app: &mut App, topics: &Topics, wanted: &Wanted) {
    if wanted.any(&["memory"]) {
        one_topic(app, topics).await;
    }
    if wanted.any(&["feeds"]) {
        many_topics(app, topics).await;
    }
}

async fn one_topic(app: &mut App, topics: &Topics) {
    let (http, process) = sharing_edge(app.grpc()).await;
    let processes = vec![process.id()];
    let mut edge = Rival::edge("edge", http, processes, topics, "idle", Some(process)).await;
    let edge = idle(&mut edge).await;
    let plain = idle(&mut Rival::baseline("plain axum", "plain", 200).await).await;
    let each = |idle: &Idle| [idle.each()];
    let left = |idle: &Idle| [idle.closed / MEBIBYTE];
    compare(
        "10,000 idle subscribers: edge, KiB each",
        &each(&edge),
        ("plain axum", &each(&plain)),
        "<= 12 KiB",
    );
    compare(
        "  all closed: edge, MiB",
        &left(&edge),
        ("before", &[edge.before / MEBIBYTE]),
        "<= 1.5x + 8 MiB",
    );
    compare("  all closed: edge, MiB", &left(&edge), ("plain axum", &left(&plain)), "");
    compare("  to open one: edge, µs CPU", &[edge.opening], ("plain axum", &[plain.opening]), "");
}

pub(crate) async fn idle(rival: &mut Rival) -> Idle {
    rival.grow(FIRST).await;
    rival.crowd.close().await;
    sleep(SETTLED).await;
    let before = memory(rival.process());
    let cpu = rival.cpu();
    rival.crowd.poll().await;
    rival.grow(SUBSCRIBERS).await;
    let opening = rival.cpu()[0].since(&cpu[0]) / SUBSCRIBERS as f64;
    rival.crowd.sleep().await;
    sleep(SETTLED).await;
    let open = memory(rival.process());
    rival.crowd.close().await;
    sleep(SETTLED).await;
    Idle { before, open, closed: memory(rival.process()), opening }
}

impl Idle {
    /// KiB of each that is open.
    pub(crate) fn each(&self) -> f64 {
        (self.open - self.before) / SUBSCRIBERS as f64 / 1024.0
    }
}

/// Every subscriber on a topic of its own, so that nothing is shared.
async fn many_topics(app: &mut App, topics: &Topics) {
    let (http, edge) = sharing_edge(app.grpc()).await;
    stream::iter(0..SUBSCRIBERS)
        .for_each_concurrent(64, async |number| topics.create(&format!("feed-{number}")).await)
        .await;
    sleep(SETTLED).await;
    let processes = [edge.id(), app.core().id()];
    let before = processes.map(memory);
    let mut crowd = Crowd::start().await;
    crowd.grow(SUBSCRIBERS, http, "/api/v1/topics/feed-{}/events").await;
    sleep(SETTLED).await;
    let after = processes.map(memory);
    crowd.close().await;
    for (name, index) in [("edge", 0), ("core", 1)] {
        let each = (after[index] - before[index]) / SUBSCRIBERS as f64 / 1024.0;
        alone(&format!("10,000 idle topics, one subscriber each: {name}, KiB"), each, "");
    }
}
