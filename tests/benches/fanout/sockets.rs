//! The same by WebSocket: sessions that read one topic, beside a bare `send()` loop and a plain axum WebSocket.

use std::time::Duration;

use lastmile_tests::App;
use tokio::time::sleep;

use crate::cost::memory;
use crate::crowd::Crowd;
use crate::delivery::{Rivals, pace, print_cpu};
use crate::memory::idle;
use crate::rival::Rival;
use crate::table::compare;
use crate::topics::Topics;
use crate::work::one_by_one;
use crate::{Wanted, sharing_edge};

const MANY: usize = 5_000;
const MOST: usize = 18_000;
const IDLE: usize = 10_000;
/// How many come and go before, so that what is made once is not counted.
const FIRST: usize = 100;
/// After it nothing is being opened or closed any more.
const SETTLED: Duration = Duration::from_secs(2);

pub(crate) async fn run(app: &mut App, topics: &Topics, wanted: &Wanted) {
    if wanted.any(&["sockets", "many-sockets"]) {
        let mut rivals = Rivals::of_sockets(app, topics, MANY).await;
        if wanted.any(&["sockets"]) {
            let singles = rivals.polling(async |rival| one_by_one(rival, 12, pace(MANY)).await).await;
            print_cpu("one event to 5,000 WebSockets", &singles, "");
        }
        if wanted.any(&["many-sockets"]) {
            rivals.grow(MOST).await;
            let singles = rivals.polling(async |rival| one_by_one(rival, 4, pace(MOST)).await).await;
            print_cpu("one event to 18,000 WebSockets", &singles, "");
        }
    }
    if wanted.any(&["socket-memory"]) {
        memory_of_idle_sockets(app, topics).await;
    }
}

async fn memory_of_idle_sockets(app: &mut App, topics: &Topics) {
    let (http, process) = sharing_edge(app.grpc()).await;
    let silent = without_calls(http, process.id()).await;
    drop(process);
    let (http, process) = sharing_edge(app.grpc()).await;
    let processes = vec![process.id()];
    let edge = Rival::edge("edge", http, processes, topics, "idle-sockets", Some(process)).await;
    let edge = idle(&mut edge.by_sessions()).await.each();
    let plain = idle(&mut Rival::baseline("plain axum", "plain-socket", 200).await).await.each();
    let baseline = ("plain axum", &[plain][..]);
    compare("10,000 idle WebSockets, no call: edge, KiB each", &[silent], baseline, "<= 8 KiB");
    compare("10,000 idle WebSockets, one stream: edge, KiB", &[edge], baseline, "<= 8 KiB");
}

/// KiB of a session that has said hello and nothing more.
async fn without_calls(http: std::net::SocketAddr, process: u32) -> f64 {
    let mut crowd = Crowd::start().await;
    crowd.grow(FIRST, http, "session:").await;
    sleep(SETTLED).await;
    let before = memory(process);
    crowd.grow(FIRST + IDLE, http, "session:").await;
    sleep(SETTLED).await;
    (memory(process) - before) / IDLE as f64 / 1024.0
}
