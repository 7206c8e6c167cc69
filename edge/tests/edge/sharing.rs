//! Who reads one upstream stream together, and who does not.

use std::time::Duration;

use lastmile_edge::hub::{Item, Reader, Reading};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

use crate::backend::{Act, Backend, answer, event, event_after, failure, pause, position, response};
use crate::subscriber::{Ask, SILENCE, caller, hub, hub_with, join, told, watch};

/// The numbers of the next events, as many as are asked for.
async fn numbers(reader: &mut Reader, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let entry =
            timeout(SILENCE, reader.next()).await.expect("an event").expect("no failure").expect("more");
        if let Item::Event(event) = &entry.item {
            let json: serde_json::Value = serde_json::from_slice(&event.json()).expect("JSON");
            numbers.push(json["number"].as_u64().expect("a number"));
        }
    }
    numbers
}

fn outcome(reader: &Reader) -> String {
    let opening = &reader.openings()[0];
    let words = [Some(opening.outcome.name().to_owned()), opening.outcome.reason().map(str::to_owned)];
    let replayed = opening.replayed.map(|count| format!("+{count}"));
    words.into_iter().flatten().chain(replayed).collect::<Vec<_>>().join(" ")
}

/// A topic whose calls begin at the event that the cursor names, and go on with one event in each 10 s.
fn clockwork() -> Backend {
    let began = Instant::now();
    Backend::new(move |method, request| {
        if method == "Streams/MayFollow" {
            return answer("WatchResponse", json!({}));
        }
        let now = (began.elapsed().as_secs() / 10) as u32;
        let last = request["last"].as_u64().unwrap_or_default() as u32;
        let after = request["after"].as_str().map(|after| after.parse().expect("a number"));
        let from = after.unwrap_or(now.saturating_sub(last));
        let mut acts = vec![position(from)];
        acts.extend((from + 1..=now).map(event));
        for number in now + 1..now + 50 {
            let wait = Duration::from_secs(10 * u64::from(number)).saturating_sub(began.elapsed());
            acts.push(Act::Pause(if number == now + 1 { wait } else { Duration::from_secs(10) }));
            acts.push(event(number));
        }
        acts
    })
}

fn listen() -> Ask {
    Ask::new("Streams/Listen", json!({ "topic": "a" }))
}

#[tokio::test(start_paused = true)]
async fn all_readers_of_a_public_stream_cost_one_call() {
    let backend = clockwork();
    let hub = hub(&backend);
    let mut readers = Vec::new();
    for index in 0..20 {
        let reading = if index % 2 == 0 { Reading::Anonymous } else { caller(&index.to_string()) };
        readers.push(join(&hub, reading, &listen()).await.expect("a stream"));
    }
    for reader in &mut readers {
        assert_eq!(outcome(reader), "FRESH");
        assert_eq!(numbers(reader, 3).await, [1, 2, 3]);
    }
    assert_eq!(backend.calls().len(), 1);
    assert_eq!(hub.feeds(), 1);
    // Each event was rendered once: all of them write the same bytes.
    let mut pointers = Vec::new();
    for reader in &mut readers {
        let entry = reader.next().await.expect("an event").expect("more");
        let Item::Event(event) = &entry.item else { panic!("{entry:?}") };
        pointers.push(event.block().as_ptr());
    }
    pointers.dedup();
    assert_eq!(pointers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_private_stream_is_shared_by_the_connections_of_one_caller() {
    let backend = clockwork();
    let hub = hub(&backend);
    let mut held = Vec::new();
    for (reading, calls) in [
        (caller("alice"), 1),
        (caller("alice"), 1),
        (caller("bob"), 2),
        (Reading::Anonymous, 3),
        (Reading::Anonymous, 4),
        (Reading::Credential([1; 32]), 5),
        (Reading::Credential([1; 32]), 5),
        (Reading::Credential([2; 32]), 6),
    ] {
        held.push(join(&hub, reading, &watch("a")).await.expect("a stream"));
        assert_eq!(backend.calls().len(), calls);
    }
    // Another request is another stream.
    held.push(join(&hub, caller("alice"), &watch("b")).await.expect("a stream"));
    assert_eq!(backend.calls().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_to_what_is_kept_costs_no_call() {
    let backend = clockwork();
    let hub = hub(&backend);
    let mut reader = join(&hub, Reading::Anonymous, &listen()).await.expect("a stream");
    assert_eq!(numbers(&mut reader, 1).await, [1]);
    let token = reader.token();
    assert_eq!(numbers(&mut reader, 2).await, [2, 3]);
    drop(reader);
    sleep(Duration::from_secs(15)).await;
    let mut again = join(&hub, Reading::Anonymous, &listen().after(token)).await.expect("a stream");
    assert_eq!(outcome(&again), "RESUMED +3");
    assert_eq!(numbers(&mut again, 4).await, [2, 3, 4, 5]);
    assert_eq!(backend.calls().len(), 1);
    drop(again);
    // Nobody has come for longer than the rule lets it linger.
    sleep(Duration::from_secs(21)).await;
    backend.closed().await;
    assert_eq!(hub.feeds(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_what_was_missed_is_counted() {
    let acts = vec![position(0), event(1), event(2), position(7), event_after(7, 8), position(9), Act::Hang];
    let backend = Backend::script([(json!({ "topic": "a" }), acts)]);
    let hub = hub(&backend);
    let mut reader = join(&hub, Reading::Anonymous, &listen()).await.expect("a stream");
    assert_eq!(numbers(&mut reader, 1).await, [1]);
    let token = reader.token();
    assert_eq!(numbers(&mut reader, 2).await, [2, 8]);
    let again = join(&hub, Reading::Anonymous, &listen().after(token)).await.expect("a stream");
    assert_eq!(outcome(&again), "RESUMED +2");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_behind_what_is_kept_catches_up_by_a_call_of_its_own() {
    let backend = clockwork();
    sleep(Duration::from_secs(300)).await;
    let hub = hub(&backend);
    let mut live = join(&hub, Reading::Anonymous, &listen()).await.expect("a stream");
    let ask = listen().after("7".to_owned());
    let mut late = join(&hub, Reading::Anonymous, &ask).await.expect("a stream");
    assert_eq!(outcome(&late), "RESUMED");
    assert_eq!(backend.open_calls(), 2);
    let expected: Vec<u64> = (8..=33).collect();
    assert_eq!(numbers(&mut late, 26).await, expected);
    assert_eq!(numbers(&mut live, 3).await, [31, 32, 33]);
    assert_eq!(backend.open_calls(), 1, "it reads with the others now");
    assert_eq!(backend.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_only_chooses_the_beginning_is_no_other_stream() {
    let backend = clockwork();
    sleep(Duration::from_secs(100)).await;
    let hub = hub(&backend);
    let follow = |last: u32| Ask::new("Streams/Follow", json!({ "topic": "a", "last": last }));
    let mut now = join(&hub, caller("alice"), &follow(0)).await.expect("a stream");
    let mut before = join(&hub, caller("bob"), &follow(3)).await.expect("a stream");
    assert_eq!((outcome(&now), outcome(&before)), ("FRESH".into(), "FRESH".into()));
    assert_eq!(numbers(&mut before, 5).await, [8, 9, 10, 11, 12]);
    assert_eq!(numbers(&mut now, 2).await, [11, 12]);
    assert_eq!(hub.feeds(), 1);
    // Its cursor is good for both.
    let mut again = join(&hub, caller("bob"), &follow(0).after(before.token())).await.expect("a stream");
    assert_eq!(outcome(&again), "RESUMED +0");
    assert_eq!(numbers(&mut again, 1).await, [13]);
}

#[tokio::test(start_paused = true)]
async fn whoever_begins_while_another_replays_begins_now() {
    let backend = clockwork();
    sleep(Duration::from_secs(100)).await;
    let hub = hub(&backend);
    let mut old = join(&hub, Reading::Anonymous, &listen().after("2".to_owned())).await.expect("a stream");
    let mut new = join(&hub, Reading::Anonymous, &listen()).await.expect("a stream");
    assert_eq!(numbers(&mut new, 2).await, [11, 12]);
    assert_eq!(numbers(&mut old, 10).await, (3..=12).collect::<Vec<u64>>());
    assert_eq!(backend.open_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn readers_that_stall_hold_nothing_but_their_positions() {
    let backend = clockwork();
    let bound = 2000;
    let hub = hub_with(&backend, bound);
    let mut live = join(&hub, Reading::Anonymous, &listen()).await.expect("a stream");
    let mut stalled = Vec::new();
    for _ in 0..100 {
        stalled.push(join(&hub, Reading::Anonymous, &listen()).await.expect("a stream"));
    }
    for number in 1..=40 {
        assert_eq!(numbers(&mut live, 1).await, [number]);
        assert!(hub.held() <= bound, "{} bytes are held", hub.held());
    }
    assert_eq!(backend.calls().len(), 1);
    let expected: Vec<u64> = (1..=41).collect();
    let mut one = stalled.pop().expect("a reader");
    assert_eq!(numbers(&mut one, 41).await, expected);
    assert_eq!(backend.calls().len(), 2, "it asked for what it had not read");
    assert_eq!(backend.open_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_is_alone_sets_the_pace() {
    let acts = std::iter::once(position(0)).chain((1..=1000).map(event)).collect();
    let backend = Backend::script([(json!({ "topic": "a" }), acts)]);
    let hub = hub_with(&backend, 2000);
    let mut reader = join(&hub, Reading::Anonymous, &watch("a")).await.expect("a stream");
    sleep(Duration::from_secs(60)).await;
    assert!(hub.held() < 4000, "{} bytes are held", hub.held());
    assert_eq!(numbers(&mut reader, 1000).await, (1..=1000).collect::<Vec<u64>>());
    assert_eq!(backend.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_who_asks_is_not_shared() {
    let backend = clockwork();
    let hub = hub(&backend);
    // No topic is named: the backend sends what each of them may read.
    let all = Ask::new("Streams/Follow", json!({}));
    let _alice = join(&hub, caller("alice"), &all).await.expect("a stream");
    let _bob = join(&hub, caller("bob"), &all).await.expect("a stream");
    assert_eq!(hub.feeds(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_cursors_resumes_within_what_is_kept() {
    let numbers_of = |count: u32| {
        let sent = (1..=count).map(|number| response(json!({ "number": number })));
        sent.chain([Act::Hang]).collect::<Vec<_>>()
    };
    let backend =
        Backend::script([(json!({}), numbers_of(5)), (json!({}), numbers_of(1)), (json!({}), numbers_of(1))]);
    let hub = hub(&backend);
    let tick = Ask::new("Streams/Tick", json!({}));
    let mut reader = join(&hub, caller("alice"), &tick).await.expect("a stream");
    assert_eq!(numbers(&mut reader, 2).await, [1, 2]);
    let token = reader.token();
    drop(reader);
    let mut again = join(&hub, caller("alice"), &tick.clone().after(token.clone())).await.expect("a stream");
    assert_eq!(outcome(&again), "RESUMED +3");
    assert_eq!(numbers(&mut again, 3).await, [3, 4, 5]);
    // A cursor carries no authority: another caller with it has a stream of its own.
    let mut other = join(&hub, caller("bob"), &tick.clone().after(token.clone())).await.expect("a stream");
    assert_eq!(outcome(&other), "GAP epoch_changed");
    assert_eq!(numbers(&mut other, 1).await, [1]);
    drop((again, other));
    sleep(Duration::from_secs(6)).await;
    backend.closed().await;
    let late = join(&hub, caller("alice"), &tick.after(token)).await.expect("a stream");
    assert_eq!(outcome(&late), "GAP epoch_changed");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_of_a_stream_without_cursors_is_a_gap() {
    let acts: Vec<Act> =
        (1..=50).map(|number| response(json!({ "number": number }))).chain([Act::Hang]).collect();
    let backend = Backend::script([(json!({}), acts)]);
    let hub = hub_with(&backend, 2000);
    let tick = Ask::new("Streams/Tick", json!({}));
    let mut reader = join(&hub, caller("alice"), &tick).await.expect("a stream");
    assert_eq!(numbers(&mut reader, 1).await, [1]);
    let token = reader.token();
    assert_eq!(numbers(&mut reader, 49).await, (2..=50).collect::<Vec<u64>>());
    drop(reader);
    let late = join(&hub, caller("alice"), &tick.after(token)).await.expect("a stream");
    assert_eq!(outcome(&late), "GAP overflow");
    assert_eq!(backend.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_one_opening_is_not_the_failure_of_another() {
    let backend = Backend::script([
        (
            json!({ "topic": "a", "after": "x" }),
            vec![pause(1), failure(Code::InvalidArgument, "CURSOR_INVALID")],
        ),
        (json!({ "topic": "a" }), vec![position(3), event(4), Act::End]),
    ]);
    let hub = hub(&backend);
    let typed_by_hand = Ask { by_browser: false, ..listen().after("x".to_owned()) };
    let (wrong, right) = (join(&hub, Reading::Anonymous, &typed_by_hand), async {
        tokio::task::yield_now().await;
        join(&hub, Reading::Anonymous, &listen()).await
    });
    let (wrong, right) = futures_util::join!(wrong, right);
    assert_eq!(wrong.expect_err("a refusal").reason_text(), "CURSOR_INVALID");
    let lines = told(right.expect("a stream")).await;
    assert_eq!(lines, ["shop.v1.Streams/Listen FRESH", "at 3", "tick 4 at 4", "end at $end"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_edge_may_not_read_any_more_is_not_its_readers_fault() {
    let backend = Backend::new(|method, request| match (method, request["after"].as_str()) {
        ("Streams/MayFollow", _) => answer("WatchResponse", json!({})),
        // The edge's own right is taken while it reads, or while it is away.
        ("Streams/Follow", None) => {
            let refused = failure(Code::PermissionDenied, "NOT_YOURS");
            let end = if request["topic"] == "cut" { Act::Cut } else { refused };
            vec![position(1), event(2), pause(1), end]
        }
        _ => vec![failure(Code::PermissionDenied, "NOT_YOURS")],
    });
    let hub = hub(&backend);
    for topic in ["refused", "cut"] {
        let follow = Ask::new("Streams/Follow", json!({ "topic": topic }));
        let reader = join(&hub, caller("alice"), &follow).await.expect("a stream");
        let told = told(reader).await;
        let last = told.last().expect("an end");
        assert!(last.starts_with("failed UNAVAILABLE CREDENTIAL_REFUSED"), "{topic}: {told:?}");
    }
}
