//! What becomes of shared streams over real sockets: when their task panics, when nobody can come back to them, when what
//! they hold cannot be read, and when the edge leaves.

use serde_json::json;
use tokio::sync::watch;

use crate::backend::{Act, Backend, damaged, event, position};
use crate::host::until;
use crate::site::{Site, read_until};

const NATIVE: (&str, &str) = ("accept", "text/event-stream");
/// Shared by all.
const LISTEN: &str = "/v1/listen?topic=a";
/// Of its caller alone.
const WATCH: &str = "/v1/watch?topic=a";

async fn site(backend: &Backend) -> Site {
    // Longer than any test waits.
    let settings = json!({ "auth": { "keys": "none" }, "streams": { "linger": "1h" } });
    Site::start(settings, backend).await
}

/// The id that came last.
fn last_id(text: &str) -> String {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().expect("an id").to_owned()
}

#[tokio::test]
async fn readers_of_a_feed_whose_task_panics_are_told_and_go_on_by_their_cursor() {
    let (now, told) = watch::channel(false);
    let backend = Backend::new(move |_, request| match request["after"].as_str() {
        None => vec![position(0), event(1), Act::When(told.clone()), Act::Panic],
        Some(after) => {
            let after = after.parse().expect("a number");
            vec![position(after), event(after + 1), Act::Hang]
        }
    });
    let site = site(&backend).await;
    let (mut first, text) = site.told(LISTEN, &[NATIVE], "\n\r\n").await;
    let text = text + &read_until(&mut first, "id: lm1.").await;
    let mut second = site.open(LISTEN, &[NATIVE], "event: lm-open").await;
    now.send(true).expect("the backend lives");
    let rest = read_until(&mut first, "event: lm-close").await;
    read_until(&mut second, "upstream_unavailable").await;
    let id = last_id(&(text + &rest));
    let (_again, text) = site.told(LISTEN, &[NATIVE, ("last-event-id", &id)], "\"number\":2").await;
    assert!(text.contains("RESUMED"), "{text}");
}

#[tokio::test]
async fn a_panic_before_the_first_message_is_told_and_is_not_the_next_ones() {
    let backend = Backend::new(|_, _| vec![Act::Panic]);
    let site = site(&backend).await;
    let told = site.get(LISTEN, &[NATIVE]).await;
    assert_eq!(told.status, 200, "EventSource would give up: {told:?}");
    assert!(told.text().contains("upstream_unavailable"), "{told:?}");
    let refused = site.get(LISTEN, &[NATIVE, ("authorization", "Bearer x")]).await;
    assert_eq!((refused.status, refused.json()["reason"].as_str()), (500, Some("STREAM_BROKEN")));
    assert_eq!(backend.calls().len(), 2, "each has a feed of its own");
}

#[tokio::test]
async fn a_stream_to_which_nobody_can_come_back_ends_with_its_reader() {
    let backend = Backend::new(|_, _| vec![position(0), event(1), Act::Hang]);
    let site = site(&backend).await;
    let anonymous = site.open(WATCH, &[NATIVE], "event: tick").await;
    assert_eq!(backend.open_calls(), 1);
    drop(anonymous);
    until("the end of the call", || backend.open_calls() == 0).await;
    let known = site.open(WATCH, &[NATIVE, ("authorization", "Bearer x")], "event: tick").await;
    drop(known);
    let _again = site.open(WATCH, &[NATIVE, ("authorization", "Bearer x")], "lm-open").await;
    assert_eq!(backend.calls().len(), 2, "a caller may come back");
}

#[tokio::test]
async fn whoever_comes_back_before_an_unreadable_event_hears_of_it() {
    let (more, told) = watch::channel(false);
    let backend = Backend::new(move |_, _| {
        vec![
            position(0),
            event(1),
            damaged(),
            Act::When(told.clone()),
            event(3),
            event(4),
            damaged(),
            event(6),
            Act::Hang,
        ]
    });
    let site = site(&backend).await;
    let (mut reader, text) = site.told(LISTEN, &[NATIVE], "event: lm-skipped").await;
    let before = text.split("event: lm-skipped").next().expect("what came before");
    let id = last_id(before);
    for _ in 0..2 {
        let (_again, text) =
            site.told(LISTEN, &[NATIVE, ("last-event-id", &id)], "\"reason\":\"unreadable\"").await;
        assert!(text.contains("RESUMED"), "{text}");
    }
    more.send(true).expect("the backend lives");
    read_until(&mut reader, "\"number\":6").await;
    let (_again, text) = site.told(LISTEN, &[NATIVE, ("last-event-id", &id)], "\"number\":6").await;
    assert_eq!(text.matches("event: lm-skipped").count(), 2, "{text}");
    assert_eq!(text.matches("event: tick").count(), 3, "{text}");
    assert_eq!(backend.calls().len(), 1);
}

#[tokio::test]
async fn in_a_drain_each_long_poll_waits_until_its_turn_and_has_its_cursor() {
    let (more, told) = watch::channel(false);
    let backend = Backend::new(move |_, _| vec![position(5), Act::When(told.clone()), event(6), Act::Hang]);
    let settings = json!({ "auth": { "keys": "none" }, "drain": { "window": "20s", "grace": "40s" } });
    let site = std::sync::Arc::new(Site::start(settings, &backend).await);
    let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..5 {
        let (site, answers) = (std::sync::Arc::clone(&site), answers.clone());
        tokio::spawn(async move { answers.send(site.get(WATCH, &[("prefer", "wait=60")]).await) });
    }
    until("five polls", || backend.open_calls() == 5).await;
    site.drain.cancel();
    // The first leaves at once; the others still get what happens.
    let first = crate::host::soon("an answer", answered.recv()).await.expect("an answer");
    assert_eq!(first.status, 204, "{first:?}");
    more.send(true).expect("the backend lives");
    let mut all = vec![first];
    for _ in 0..4 {
        let next = crate::host::soon("an answer", answered.recv()).await.expect("an answer");
        assert_eq!((next.status, next.json()[0]["number"].as_u64()), (200, Some(6)));
        all.push(next);
    }
    for answer in all {
        let cursor = if answer.status == 204 { ".5>; rel=\"next\"" } else { ".6>; rel=\"next\"" };
        assert!(answer.header("link").ends_with(cursor), "{answer:?}");
    }
}
