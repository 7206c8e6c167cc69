//! Who may read a stream that others read too, and how often the backend is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join_all, try_join_all};
use lastmile_edge::hub::{Hub, Item, Reader, Reading};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

use crate::backend::{Act, Backend, answer, event, failure, pause, position};
use crate::subscriber::{Ask, SILENCE, caller, hub, join};

/// Whom a backend admits to `Streams/Follow`, and how often it was asked. It takes a moment to answer.
#[derive(Debug, Clone)]
struct Guard(Arc<(AtomicBool, AtomicUsize)>);

impl Guard {
    /// Admits everyone for now.
    fn new() -> Self {
        Self(Arc::new((AtomicBool::new(true), AtomicUsize::new(0))))
    }

    fn admit(&self, may: bool) {
        self.0.0.store(may, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }

    fn backend(&self) -> Backend {
        let Self(inner) = self.clone();
        Backend::new(move |method, _| {
            if method != "Streams/MayFollow" {
                return vec![position(0), pause(100), event(1), Act::Hang];
            }
            inner.1.fetch_add(1, Ordering::SeqCst);
            let verdict = match inner.0.load(Ordering::SeqCst) {
                true => answer("WatchResponse", json!({})),
                false => vec![failure(Code::PermissionDenied, "NOT_YOURS")],
            };
            [vec![Act::Pause(Duration::from_millis(100))], verdict].concat()
        })
    }
}

fn follow() -> Ask {
    Ask::new("Streams/Follow", json!({ "topic": "a" }))
}

async fn crowd(hub: &Hub, size: usize) -> Vec<Reader> {
    let follow = follow();
    try_join_all((0..size).map(|_| join(hub, Reading::Anonymous, &follow))).await.expect("streams")
}

/// Reads until the stream ends for want of a right.
async fn lost(reader: &mut Reader) -> String {
    loop {
        match timeout(SILENCE, reader.next()).await.expect("an end") {
            Ok(entry) => drop(entry.expect("more")),
            Err(error) => return error.reason_text().to_owned(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_reader_of_a_shared_stream_is_admitted_again_and_again() {
    let guard = Guard::new();
    let hub = hub(&guard.backend());
    let mut reader = join(&hub, caller("alice"), &follow()).await.expect("a stream");
    let second = join(&hub, caller("bob"), &follow().by("Bearer bob", 0)).await.expect("a stream");
    assert_eq!(hub.feeds(), 1);
    let entry = timeout(SILENCE, reader.next()).await.expect("an event").expect("no failure").expect("more");
    assert!(matches!(entry.item, Item::Event(_)), "{entry:?}");
    guard.admit(false);
    let refused = join(&hub, caller("carol"), &follow()).await.expect_err("a refusal");
    assert_eq!((refused.code().name(), refused.reason_text()), ("PERMISSION_DENIED", "NOT_YOURS"));
    let began = Instant::now();
    assert_eq!(lost(&mut reader).await, "ACCESS_LOST");
    assert!(began.elapsed() <= Duration::from_secs(61), "{:?}", began.elapsed());
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_lost_right_is_noticed_as_soon_as_it_is_told() {
    let guard = Guard::new();
    let hub = hub(&guard.backend());
    let mut reader = join(&hub, caller("alice"), &follow()).await.expect("a stream");
    assert!(reader.next().now_or_never().is_none());
    hub.ask_again();
    assert!(timeout(Duration::from_secs(2), reader.next()).await.is_err(), "it is admitted still");
    guard.admit(false);
    hub.ask_again();
    let lost = timeout(Duration::from_secs(2), reader.next()).await.expect("at once").expect_err("a loss");
    assert_eq!(lost.reason_text(), "ACCESS_LOST");
}

#[tokio::test(start_paused = true)]
async fn of_all_who_ask_the_same_the_backend_is_asked_once() {
    let guard = Guard::new();
    let hub = hub(&guard.backend());
    let mut readers = crowd(&hub, 100).await;
    // The first did not wait for the others, who had come before its answer.
    assert_eq!(guard.asked(), 2);
    assert!(
        timeout(Duration::from_secs(600), join_all(readers.iter_mut().map(lost))).await.is_err(),
        "they may read still"
    );
    // Each 48 to 60 s.
    assert!((12..=16).contains(&guard.asked()), "asked {} times", guard.asked());
    let before = guard.asked();
    hub.ask_again();
    assert!(
        timeout(Duration::from_secs(2), join_all(readers.iter_mut().map(lost))).await.is_err(),
        "they may read still"
    );
    assert_eq!(guard.asked(), before + 1);
    guard.admit(false);
    let began = Instant::now();
    assert_eq!(join_all(readers.iter_mut().map(lost)).await, vec!["ACCESS_LOST"; 100]);
    assert!(began.elapsed() <= Duration::from_secs(62), "{:?}", began.elapsed());
    assert_eq!(guard.asked(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_admitted_by_an_answer_to_another() {
    let guard = Guard::new();
    let hub = hub(&guard.backend());
    let [alice, bob] = ["Bearer alice", "Bearer bob"].map(|credential| follow().by(credential, 0));
    let topic = Ask::new("Streams/Follow", json!({ "topic": "b" }));
    let asks = [alice, bob, follow(), topic].into_iter().cycle().take(4 * 3).collect::<Vec<_>>();
    let joining = asks.iter().map(|ask| join(&hub, Reading::Anonymous, ask));
    let _readers = try_join_all(joining).await.expect("streams");
    // Each by whoever came first, and again for those who had come before the answer.
    assert_eq!(guard.asked(), 4 * 2);
}

/// An answer from before it came may be out of date.
#[tokio::test(start_paused = true)]
async fn whoever_comes_is_not_admitted_by_an_earlier_answer() {
    let guard = Guard::new();
    let hub = hub(&guard.backend());
    let follow = follow();
    let _reader = join(&hub, Reading::Anonymous, &follow).await.expect("a stream");
    guard.admit(false);
    join(&hub, Reading::Anonymous, &follow).await.expect_err("a refusal");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_it_asks_leaves_the_others_an_answer() {
    let guard = Guard::new();
    let hub = hub(&guard.backend());
    let follow = follow();
    let coming = || join(&hub, Reading::Anonymous, &follow);
    let (left, stayed) = tokio::join!(timeout(Duration::from_millis(50), coming()), coming());
    assert!(left.is_err());
    stayed.expect("a stream");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_read_from_no_more_while_it_asks_holds_up_nobody() {
    let guard = Guard::new();
    let hub = hub(&guard.backend());
    let follow = follow();
    let mut stalled = Box::pin(join(&hub, Reading::Anonymous, &follow));
    assert!(stalled.as_mut().now_or_never().is_none());
    let mut reader =
        timeout(SILENCE, join(&hub, Reading::Anonymous, &follow)).await.expect("in time").expect("a stream");
    let mut other = join(&hub, Reading::Anonymous, &follow).await.expect("a stream");
    hub.ask_again();
    assert!(other.next().now_or_never().is_none());
    sleep(Duration::from_secs(1)).await;
    assert!(other.next().now_or_never().is_none());
    let entry = timeout(Duration::from_secs(200), reader.next())
        .await
        .expect("an event")
        .expect("no failure")
        .expect("more");
    assert!(matches!(entry.item, Item::Event(_)), "{entry:?}");
    drop(stalled);
}

/// Each call is to another process of the backend.
#[tokio::test(start_paused = true)]
async fn a_process_that_never_answers_holds_up_nobody_for_long() {
    let asked = AtomicUsize::new(0);
    let backend = Backend::new(move |method, _| match method {
        "Streams/MayFollow" if asked.fetch_add(1, Ordering::SeqCst) == 0 => vec![Act::Hang],
        "Streams/MayFollow" => answer("WatchResponse", json!({})),
        _ => vec![position(0), Act::Hang],
    });
    let hub = hub(&backend);
    let began = Instant::now();
    crowd(&hub, 10).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
