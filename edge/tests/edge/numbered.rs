//! Streams that the edge numbers itself, over real sockets: who may come back to their numbers, and who may not.

use serde_json::{Value, json};

use crate::backend::{Act, Backend, response};
use crate::site::Site;

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
