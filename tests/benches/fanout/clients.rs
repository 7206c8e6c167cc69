//! A hundred clients of one stream, at a hundred events a second: what edge and backend cost together.

use std::time::Duration;

use lastmile_tests::{App, Process, structured_proxy};

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
    let mut rivals = vec![
        Rival::edge("edge", http, processes, topics, "clients", Some(edge)).await,
        Rival::edge("naive edge", naive_http, naive_processes, topics, "clients-naive", Some(naive)).await,
    ];
    if let Some((rival, http)) = structured_proxy(&app.grpc().to_string()).await {
        let processes = vec![rival.id(), core];
        rivals.push(
            Rival::edge("structured-proxy", http, processes, topics, "clients-rival", Some(rival)).await,
        );
    }
    let mut rounds: Vec<Vec<Work>> = rivals.iter().map(|_| Vec::new()).collect();
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
    let whole = |rounds: &[Work]| column(rounds, Work::all);
    let alone = |rounds: &[Work]| column(rounds, |work| work.cpu[0]);
    for (rival, theirs) in rivals.iter().zip(&rounds).skip(1) {
        let goal = if rival.name == "structured-proxy" { "<= 0.25x" } else { "" };
        let figure = "100 clients at 100/s: edge + core, µs CPU each";
        compare(figure, &whole(&rounds[0]), (rival.name, &whole(theirs)), goal);
        let figure = "100 clients at 100/s: edge alone";
        compare(figure, &alone(&rounds[0]), (rival.name, &alone(theirs)), "");
    }
}
