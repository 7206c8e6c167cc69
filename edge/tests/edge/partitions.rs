//! The edge is cut off from its backend while subscribers read: nothing is lost, nothing comes twice, what cannot be had is
//! told as a gap, and everyone is back within a time that is stated here.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lastmile_edge::hub::outcome::GapReason;
use tokio::time::{sleep, timeout};
use turmoil::{hold, partition, partition_oneway, release, repair, sim_elapsed};

use crate::network::{BACKEND, EDGE, Line, Told, Topic, follow, hub, simulate};

/// Until a dead connection is given up; `upstream/target` says why.
const NOTICED: Duration = Duration::from_secs(26);
/// Until the next attempt after a heal has succeeded: one that had just begun, the longest pause, and the way.
const ATTEMPT: Duration = Duration::from_secs(3 + 5 + 1);
const SECOND: Duration = Duration::from_secs(1);
/// Different latencies and orders each.
const SEEDS: u64 = 5;

/// What happens to the network and the backend; whoever waits for the subscribers, waits from its end on.
type Trouble = fn(Topic) -> BoxFuture<'static, ()>;

/// Has subscribers of different pace read before, during and after the trouble, on rings that keep much or next to nothing.
fn check(trouble: Trouble, back_within: Duration, expected_gaps: &'static [GapReason]) {
    for (seed, kept) in (0..SEEDS).flat_map(|seed| [(seed, 1 << 20), (seed, 400)]) {
        let topic = Topic::default();
        let edge = play(topic.clone(), trouble, kept, back_within, expected_gaps);
        if let Err(error) = simulate(&topic, seed, edge) {
            panic!("seed {seed}, a ring of {kept} bytes: {error}");
        }
    }
}

async fn play(
    topic: Topic,
    trouble: Trouble,
    kept: usize,
    back_within: Duration,
    expected_gaps: &[GapReason],
) -> turmoil::Result {
    let hub = hub(kept);
    let mut subscribers = Vec::new();
    for pace in [0, 10, 900] {
        subscribers.push(follow(&hub, Duration::from_millis(pace)).await?);
    }
    sleep(10 * SECOND).await;
    // Somebody comes while the backend is away.
    let comes = async {
        sleep(SECOND).await;
        timeout(SECOND, follow(&hub, Duration::ZERO)).await.expect("a seat, although the backend is away")
    };
    let ((), late) = tokio::join!(trouble(topic), comes);
    subscribers.push(late?);
    let healed = now();
    sleep(back_within + 20 * SECOND).await;
    for told in &subscribers {
        assert_back(told, healed, back_within);
        assert_true(told, expected_gaps);
    }
    Ok(())
}

fn now() -> Duration {
    sim_elapsed().expect("in a simulation")
}

/// Something came at last in this time, and goes on to come.
fn assert_back(told: &Told, healed: Duration, within: Duration) {
    let told = told.lock().expect("no panic");
    let first = told.iter().find(|(at, _)| *at > healed).map(|(at, _)| *at - healed);
    assert!(first.is_some_and(|first| first <= within), "back after {first:?}, not within {within:?}");
    let last = told.last().expect("events").0;
    assert!(last + 3 * SECOND > now(), "it stopped at {last:?}");
}

/// Each event follows on the one before; what does not is behind a gap.
fn assert_true(told: &Told, expected_gaps: &[GapReason]) {
    let (mut last, mut gaps) = (None, Vec::new());
    for (at, line) in told.lock().expect("no panic").iter() {
        match line {
            Line::Gap(reason) => {
                gaps.push(*reason);
                last = None;
            }
            Line::Event { epoch, number } => {
                let follows = last.is_none_or(|last| last == (*epoch, number - 1));
                assert!(follows, "event {epoch}-{number} after {last:?} at {at:?}");
                last = Some((*epoch, *number));
            }
        }
    }
    assert_eq!(gaps, expected_gaps);
}

#[test]
fn a_stall_that_heals_in_time_costs_nothing() {
    check(
        |_| {
            async {
                hold(EDGE, BACKEND);
                sleep(8 * SECOND).await;
                release(EDGE, BACKEND);
            }
            .boxed()
        },
        SECOND,
        &[],
    );
}

/// Nothing arrives any more on the connection that there was, although the network is well again.
#[test]
fn a_loss_that_heals_before_it_is_noticed_is_mended_when_it_is() {
    check(
        |_| {
            async {
                partition(EDGE, BACKEND);
                sleep(5 * SECOND).await;
                repair(EDGE, BACKEND);
            }
            .boxed()
        },
        NOTICED,
        &[],
    );
}

#[test]
fn a_partition_that_outlasts_the_connection_is_mended_by_the_next_attempt() {
    check(
        |_| {
            async {
                partition(EDGE, BACKEND);
                sleep(60 * SECOND).await;
                repair(EDGE, BACKEND);
            }
            .boxed()
        },
        ATTEMPT,
        &[],
    );
}

#[test]
fn a_backend_that_is_heard_and_hears_nothing_is_left_and_found_again() {
    check(
        |_| {
            async {
                partition_oneway(EDGE, BACKEND);
                sleep(60 * SECOND).await;
                repair(EDGE, BACKEND);
            }
            .boxed()
        },
        ATTEMPT,
        &[],
    );
}

/// The last attempt before the heal had a connection that was dead from the first, and had to be noticed too.
#[test]
fn a_backend_that_hears_and_is_not_heard_is_left_and_found_again() {
    check(
        |_| {
            async {
                partition_oneway(BACKEND, EDGE);
                sleep(60 * SECOND).await;
                repair(EDGE, BACKEND);
            }
            .boxed()
        },
        NOTICED + ATTEMPT,
        &[],
    );
}

#[test]
fn a_backend_that_restarts_behind_the_partition_goes_on_where_it_stood() {
    check(
        |topic| {
            async move {
                partition(EDGE, BACKEND);
                sleep(5 * SECOND).await;
                topic.restart();
                sleep(5 * SECOND).await;
                repair(EDGE, BACKEND);
            }
            .boxed()
        },
        NOTICED,
        &[],
    );
}

/// What happened in the old log while nobody could hear it is gone: that is told, once, and to everyone.
#[test]
fn a_log_that_begins_anew_behind_the_partition_is_a_gap() {
    check(
        |topic| {
            async move {
                partition(EDGE, BACKEND);
                sleep(30 * SECOND).await;
                topic.restore();
                sleep(10 * SECOND).await;
                repair(EDGE, BACKEND);
            }
            .boxed()
        },
        ATTEMPT,
        &[GapReason::EpochChanged],
    );
}

/// The network comes and goes, in ways that fit no timer.
#[test]
fn a_network_that_flaps_loses_nothing() {
    check(
        |_| {
            async {
                for seconds in [1, 7, 2, 11, 3, 27, 1] {
                    partition(EDGE, BACKEND);
                    sleep(seconds * SECOND).await;
                    repair(EDGE, BACKEND);
                    sleep(Duration::from_millis(700)).await;
                }
            }
            .boxed()
        },
        NOTICED + ATTEMPT,
        &[],
    );
}
