//! SIGTERM with open streams: everyone is told, nothing is lost, the process ends.

use std::time::{Duration, Instant};

use lastmile_tests::{App, Browser, Publisher, Topology};

const NEWS: &str = "/api/v1/topics/news/events";

#[tokio::test]
async fn open_streams_are_told_and_the_process_ends() {
    for topology in [Topology::One, Topology::Two] {
        let mut app = App::start(topology).await;
        let mut sse = app.browser().subscribe(NEWS, None).await;
        let start = sse.id().await;
        let request = app.browser().request("GET", NEWS).header("accept", "application/x-ndjson");
        let ndjson = app.browser().open(request).await;

        let begun = Instant::now();
        app.front().terminate();
        let mut retry = None;
        let close = loop {
            let block = sse.next().await.unwrap_or_else(|| panic!("{topology:?}: cut without a word"));
            retry = block.retry.clone().or(retry);
            if block.event.is_some() {
                break block;
            }
        };
        assert_eq!(close.name(), "lm-close", "{topology:?}: {close:?}");
        assert!(retry.is_some(), "{topology:?}: a moment of its own to come back");
        assert_eq!(sse.next_named().await, None);
        let text = ndjson.text().await.expect("an NDJSON body that ends, not one that is cut");
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        assert!(app.front().ended().await.success(), "{topology:?}");
        assert!(begun.elapsed() < Duration::from_secs(12), "{topology:?}: {:?}", begun.elapsed());

        // What was published meanwhile comes after the reconnect.
        app.kill_and_restart().await;
        Publisher::login(app.grpc(), "bob").await.publish("news", 1).await.expect("published");
        let mut sse = app.browser().subscribe(NEWS, Some(&start)).await;
        assert_eq!(sse.outcomes().await, ["RESUMED"], "{topology:?}");
        assert_eq!(sse.event().await.json()["data"], 1.0);
    }
}

#[tokio::test]
async fn the_core_alone_ends_with_open_streams() {
    let mut app = App::start(Topology::Two).await;
    let mut sse = app.browser().subscribe(NEWS, None).await;
    sse.id().await;
    let begun = Instant::now();
    app.core().terminate();
    assert!(app.core().ended().await.success());
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn not_ready_comes_before_the_end() {
    let variables = [("LASTMILE_DRAIN__GRACE", "3s")];
    let mut app = App::start_with(Topology::Two, &variables).await;
    let admin = Browser::new(app.admin());
    assert_eq!(admin.get("/readyz").await.status, 200);
    let _stream = app.browser().subscribe(NEWS, None).await;
    app.front().terminate();
    // Either it answers 503 or it is already gone; 200 would call for more traffic.
    lastmile_tests::until("the edge to stop being ready", || async {
        match admin.request("GET", "/readyz").send().await {
            Ok(answer) => (answer.status() == 503).then_some(()),
            Err(_) => Some(()),
        }
    })
    .await;
}
