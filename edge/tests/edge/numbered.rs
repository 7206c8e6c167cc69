//! Streams that the edge numbers itself, over real sockets: who may come back to their numbers, and who may not.

use std::time::Duration;

use lastmile_edge::hub::Reader;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::backend::{Act, Backend, response};
use crate::site::Site;
use crate::subscriber::{Ask, caller, hub_with, join};

const TICK: &str = "/v1/tick";
const NATIVE: (&str, &str) = ("accept", "text/event-stream");

/// Sends these numbers in each call, and no more.
fn counting(last: u32) -> Backend {
    let acts = move || (1..=last).map(|number| response(json!({ "number": number }))).chain([Act::Hang]);
    Backend::new(move |_, _| acts().collect())
}

async fn site(backend: &Backend) -> Site {
    let settings = json!({
        "auth": { "keys": "none" },
        "calls": { "request_headers": ["x-tenant", "x-request-id", "idempotency-key", "baggage"] },
    });
    Site::start(settings, backend).await
}

/// The id of the event with this number.
fn id_of(text: &str, number: u32) -> String {
    let data = format!("\"number\":{number}");
    let block = text.split("\n\n").find(|block| block.contains(&data)).expect("the event");
    block.lines().find_map(|line| line.strip_prefix("id: ")).expect("an id").to_owned()
}

/// The outcome of the only stream, and its reason.
fn outcome(text: &str) -> String {
    let opened = text.split("event: lm-open\ndata: ").nth(1).and_then(|rest| rest.lines().next());
    let opened: Value = serde_json::from_str(opened.expect("an opening")).expect("JSON");
    let word = |name: &str| opened["streams"][0][name].as_str().unwrap_or_default().to_owned();
    format!("{} {}", word("outcome"), word("reason")).trim_end().to_owned()
}

#[tokio::test]
async fn whoever_comes_back_with_other_metadata_gets_a_stream_of_its_own() {
    let backend = counting(3);
    let site = site(&backend).await;
    let (first, text) =
        site.told(TICK, &[NATIVE, ("x-tenant", "red"), ("x-request-id", "1")], "\"number\":3").await;
    let id = id_of(&text, 2);
    drop(first);
    for (headers, expected) in [
        (vec![("x-tenant", "red"), ("x-request-id", "2"), ("baggage", "b=1")], "RESUMED"),
        (vec![("x-tenant", "red")], "RESUMED"),
        (vec![("x-tenant", "blue"), ("x-request-id", "1")], "GAP epoch_changed"),
        (vec![("x-request-id", "1")], "GAP epoch_changed"),
    ] {
        let all = [&headers[..], &[NATIVE, ("last-event-id", id.as_str())]].concat();
        let (_, text) = site.told(TICK, &all, "\"number\":3").await;
        assert_eq!(outcome(&text), expected, "{headers:?}");
    }
    assert_eq!(backend.calls().len(), 3, "one for the red tenant, one for each other");
}

/// How many of so many items the reader is given before a silence.
async fn read(reader: &mut Reader, most: usize) -> usize {
    let mut count = 0;
    while count < most {
        let Ok(item) = timeout(Duration::from_secs(60), reader.next()).await else { break };
        item.expect("no failure").expect("no end");
        count += 1;
    }
    count
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_loses_nothing_by_one_who_only_looks_in() {
    let backend = counting(1000);
    let hub = hub_with(&backend, 2000);
    let tick = Ask::new("Streams/Tick", json!({}));
    let mut slow = join(&hub, caller("alice"), &tick).await.expect("a stream");
    let early = slow.token();
    for place in [early.clone(), early, None] {
        assert_eq!(read(&mut slow, 3).await, 3);
        // By its numbers: those of long ago, or the latest.
        let visit = tick.clone().after(place.or(slow.token()));
        let visitor = join(&hub, caller("alice"), &visit).await.expect("a stream");
        sleep(Duration::from_secs(60)).await;
        drop(visitor);
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(read(&mut slow, 1000).await, 991);
    assert_eq!(backend.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_too_late_gets_what_is_left() {
    let backend = counting(50);
    let hub = hub_with(&backend, 2000);
    let tick = Ask::new("Streams/Tick", json!({}));
    let mut reader = join(&hub, caller("alice"), &tick).await.expect("a stream");
    let early = reader.token();
    assert_eq!(read(&mut reader, 50).await, 50);
    let mut late = join(&hub, caller("alice"), &tick.after(early)).await.expect("a stream");
    assert_eq!(late.openings()[0].outcome.reason(), Some("overflow"));
    let left = read(&mut late, 50).await;
    assert!((2..20).contains(&left), "{left} are left");
    assert_eq!(late.token(), reader.token());
}
