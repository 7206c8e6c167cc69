//! A hundred clients of one stream, at a hundred events a second: what edge and backend cost together.

use std::time::Duration;

use lastmile_tests::{App, Process};

use crate::control;
use crate::rival::Rival;
use crate::table::{column, compare};
use crate::topics::Topics;
use crate::work::{Work, one_by_one};
use crate::{Wanted, sharing_edge};

const ROUNDS: usize = 3;
const CLIENTS: usize = 100;
const EVENTS: u64 = 200;
const PACE: Duration = Duration::from_millis(10);

/// Measured on the machine where the goals were set, each with a backend of its own kind, in microseconds a delivery.
const OTHERS: [(&str, f64, &str); 2] = [("structured-proxy", 10.5, "<= 0.25x"), ("Envoy 1.40", 12.5, "")];

pub(crate) async fn run(app: &mut App, topics: &Topics, wanted: &Wanted) {
    if !wanted.any(&["clients"]) {
        return;
    }
    let core = app.core().id();
    let itself = std::env::current_exe().expect("a bench knows its own path");
    let mut naive = Process::start(itself, ["naive", &app.grpc().to_string()], &[]);
    let naive_http = control::address(&mut naive, "http").await;
    let naive_processes = vec![naive.id(), core];
    let (http, edge) = sharing_edge(app.grpc()).await;
    let processes = vec![edge.id(), core];
    let mut rivals = [
        Rival::edge("naive edge", naive_http, naive_processes, topics, "clients-naive", Some(naive)).await,
        Rival::edge("edge", http, processes, topics, "clients", Some(edge)).await,
    ];
    let mut rounds: [Vec<Work>; 2] = Default::default();
    for rival in &mut rivals {
        rival.grow(CLIENTS).await;
    }
    for _ in 0..ROUNDS {
        for (rival, row) in rivals.iter_mut().zip(&mut rounds) {
            rival.crowd.poll().await;
            row.push(one_by_one(rival, EVENTS, PACE).await);
            rival.crowd.sleep().await;
        }
    }
    let [naive, ours] = [0, 1].map(|index| column(&rounds[index], Work::all));
    let [naive_edge, edge] = [0, 1].map(|index| column(&rounds[index], |work| work.cpu[0]));
    let figure = "100 clients at 100/s: edge + core, µs CPU each";
    compare(figure, &ours, ("naive edge", &naive), "");
    compare("100 clients at 100/s: edge alone", &edge, ("naive edge", &naive_edge), "");
    for (name, published, goal) in OTHERS {
        compare(figure, &ours, (name, &[published; ROUNDS]), goal);
    }
}
