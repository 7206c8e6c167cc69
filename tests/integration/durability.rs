//! What was acknowledged is there after a power cut.

use std::path::Path;

use lastmile_tests::{App, Browser, Process, Publisher, SseStream, Topology, binary};

const NEWS: &str = "/api/v1/topics/news/events";

#[tokio::test]
async fn kill_loses_no_acknowledged_event() {
    for topology in [Topology::One, Topology::Two] {
        let mut app = App::start(topology).await;
        let mut stream = app.browser().subscribe(NEWS, None).await;
        let start = stream.id().await;
        let publisher = Publisher::login(app.grpc(), "bob").await;

        // Publishing goes on while the process is killed: what was acknowledged until then must be there.
        let publishing = tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 1.. {
                match publisher.publish("news", number).await {
                    Ok(_) => acknowledged.push(number),
                    Err(_) => break,
                }
            }
            acknowledged
        });
        for _ in 0..20 {
            stream.event().await;
        }
        app.kill_and_restart().await;
        let acknowledged = publishing.await.expect("no panic");
        // The subscriber may have seen the last one before its publisher heard of it.
        assert!(acknowledged.len() >= 19, "{topology:?}: {}", acknowledged.len());

        let mut stream = app.browser().subscribe(NEWS, Some(&start)).await;
        assert_eq!(stream.outcomes().await, ["RESUMED"]);
        for number in &acknowledged {
            assert_eq!(number_of(&mut stream).await, *number, "{topology:?}");
        }
    }
}

#[tokio::test]
async fn users_and_sessions_survive_a_kill() {
    for topology in [Topology::One, Topology::Two] {
        let mut app = App::start(topology).await;
        let admin = app.login("admin").await;
        let user = serde_json::json!({"user": {"username": "eve", "name": "Eve"}, "password": "long enough"});
        let created = admin.post("/api/v1/users", &user).await;
        assert_eq!(created.status, 200, "{created:?}");
        app.kill_and_restart().await;
        // The keys are kept: the token of before is still good.
        let path = format!("/api/v1/users/{}", created.json()["id"]);
        assert_eq!(admin.get(&path).await.text, created.text, "{topology:?}");
    }
}

#[tokio::test]
async fn a_page_that_only_reconnects_misses_nothing_across_a_restart_of_the_core() {
    let mut app = App::start(Topology::Two).await;
    let page = tokio::spawn(read_until(app.browser(), 40));
    // The page says that it is connected by publishing nothing itself: its first id comes before the first event.
    let publisher = Publisher::login(app.grpc(), "bob").await;
    app.browser().subscribe(NEWS, None).await.id().await;
    for number in 1..=20 {
        publisher.publish("news", number).await.expect("published");
    }
    app.core().kill().await;
    app.restart_core().await;
    for number in 21..=40 {
        publisher.publish("news", number).await.expect("published");
    }
    let received = page.await.expect("no panic");
    assert_eq!(received, (received[0]..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_knows_more_than_a_restored_backup_is_told_of_the_gap() {
    let mut app = App::start(Topology::Two).await;
    let publisher = Publisher::login(app.grpc(), "bob").await;
    publisher.publish("news", 1).await.expect("published");
    let backup = app.data().join("backup");
    maintain(&app, "backup", &backup).await;
    let mut stream = app.browser().subscribe(NEWS, None).await;
    stream.id().await;
    publisher.publish("news", 2).await.expect("published");
    stream.event().await;
    let known = stream.last_id().map(String::from).expect("an id");

    app.core().kill().await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(app.data().join(format!("lastmile.db{suffix}")));
    }
    maintain(&app, "restore", &backup).await;
    app.restart_core().await;
    // The same position as the event that is lost.
    let publisher = Publisher::login(app.grpc(), "bob").await;
    publisher.publish("news", 3).await.expect("published");
    let mut stream = app.browser().subscribe(NEWS, Some(&known)).await;
    // The edge holds the place for the other page, and may not have heard of the new log yet: then it says so as soon as
    // it has.
    let first = stream.outcomes().await;
    let told = if first == ["RESUMED"] { stream.outcomes().await } else { first };
    assert_eq!(told, ["GAP epoch_changed"]);
    let history = app.browser().get("/api/v1/topics/news/history").await.json();
    let numbers: Vec<_> =
        history["events"].as_array().expect("events").iter().map(|event| &event["data"]).collect();
    assert_eq!(numbers, [1, 3]);
}

/// `lastmile-server COMMAND FILE` on the data folder.
async fn maintain(app: &App, command: &str, file: &Path) {
    let mut process = Process::start(
        binary("lastmile-server"),
        [Path::new(command), file, Path::new("--data"), app.data()],
        &[],
    );
    assert!(process.ended().await.success(), "{command}: {:?}", process.lines());
}

/// What EventSource does: connects again with the last id, whenever the stream ends.
async fn read_until(browser: Browser, last: u32) -> Vec<u32> {
    let mut received = Vec::new();
    let mut last_id: Option<String> = None;
    while received.last() != Some(&last) {
        let mut stream = browser.subscribe(NEWS, last_id.as_deref()).await;
        while let Some(block) = stream.next().await {
            assert!(!block.data.as_deref().unwrap_or_default().contains("GAP"), "{block:?}");
            if block.name() == "number" {
                received.push(block.json()["data"].as_f64().expect("a number") as u32);
            }
            if received.last() == Some(&last) {
                break;
            }
        }
        last_id = stream.last_id().map(String::from).or(last_id);
    }
    received
}

async fn number_of(stream: &mut SseStream) -> u32 {
    stream.event().await.json()["data"].as_f64().expect("a number") as u32
}
