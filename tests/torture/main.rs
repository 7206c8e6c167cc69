//! The torture harness: everything that can go wrong at once, and a checker that forgives nothing.
//!
//! Publishers write numbered events; subscribers of every face read them through proxies that cut, reset, stall,
//! half-close, delay, split and coalesce, while processes are killed, stopped, drained and taken back to a backup, and
//! tokens, rights and old events go. Callers carry sessions from connection to connection and make calls in them, and liars
//! break the rules of sessions. What each subscriber saw and each caller was told is then held against what the log and the
//! documents really have.
//!
//! `LASTMILE_TORTURE_SECONDS` is how long (60), `LASTMILE_TORTURE_ROUNDS` how often the core is killed under writers (3),
//! and `LASTMILE_TORTURE_SEED` repeats the plan of a run.

#![expect(clippy::print_stdout, reason = "the seed and the table are the output")]

mod seed;
mod tally;
mod clock;
mod fault;
mod plan;
mod history;
mod deeds;
mod truth;
mod violation;
mod checker;
mod proxy;
mod prank;
mod core_client;
mod kills;
mod victim;
mod stage;
mod recorder;
mod publisher;
mod subscriber;
mod caller;
mod liar;
mod show;
mod planted;
mod chaos;
mod run;
mod table;

use std::time::Duration;

use tokio::sync::Mutex;

use run::run;
use seed::{Seed, setting};
use table::table;
use tally::Tally;
use violation::tell;

/// One at a time: each takes the whole machine.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// Violations told at length.
const TOLD: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_is_there_once_and_no_other_twice() {
    let _machine = MACHINE.lock().await;
    let (seed, rounds) = (Seed::choose(), setting("ROUNDS").unwrap_or(3));
    println!("{seed} LASTMILE_TORTURE_ROUNDS={rounds}");
    println!("{}", kills::kill_under_writers(seed, rounds).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_a_promise_on_the_wire_is_found_out() {
    let _machine = MACHINE.lock().await;
    let seed = Seed::choose();
    println!("{seed}");
    planted::every_prank_is_found_out(seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_a_promise_to_a_caller_is_found_out() {
    let _machine = MACHINE.lock().await;
    let seed = Seed::choose();
    println!("{seed}");
    planted::every_trick_is_found_out(seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_arrives_once_and_in_order_or_a_gap_is_told() {
    let _machine = MACHINE.lock().await;
    let (seed, seconds) = (Seed::choose(), setting("SECONDS").unwrap_or(60));
    println!("{seed} LASTMILE_TORTURE_SECONDS={seconds}");
    let tally = Tally::default();
    let whole = Duration::from_secs(seconds);
    let mut faults = Vec::new();
    for (edges, length) in [(2, whole * 2 / 3), (0, whole / 3)] {
        faults.extend(run(seed.child(&format!("{edges} edges")), edges, length, &tally).await);
    }
    println!("{}", table(&tally));
    assert!(
        faults.is_empty(),
        "{seed} LASTMILE_TORTURE_SECONDS={seconds}: {} violations\n{}",
        faults.len(),
        tell(&faults, TOLD)
    );
}
