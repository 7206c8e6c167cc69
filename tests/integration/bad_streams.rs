//! Cursors that cannot be continued from, and streams that may not be opened.

use lastmile_tests::{Answer, App, Browser, Publisher, Topology, both};

const NEWS: &str = "/api/v1/topics/news/events";

/// The id a fresh stream begins with.
async fn position(browser: &Browser, path: &str) -> String {
    browser.subscribe(path, None).await.id().await
}

/// A token with its upstream cursor replaced.
fn with_cursor(token: &str, cursor: &str) -> String {
    let (tag, _) = token.rsplit_once('.').expect("a token");
    format!("{tag}.{cursor}")
}

#[tokio::test]
async fn a_token_of_another_stream_is_a_gap() {
    both(|app| async move {
        let ticks = position(&app.browser(), "/api/v1/topics/ticks/events").await;
        let mut stream = app.browser().subscribe(NEWS, Some(&ticks)).await;
        assert_eq!(stream.outcomes().await, ["GAP cursor_mismatch"]);
        // It goes on from now.
        let after = stream.id().await;
        Publisher::login(app.grpc(), "bob").await.publish("news", 1).await.expect("published");
        assert_eq!(stream.event().await.name(), "number");
        drop(stream);
        assert_eq!(app.browser().subscribe(NEWS, Some(&after)).await.outcomes().await, ["RESUMED"]);
    })
    .await;
}

#[tokio::test]
async fn a_token_of_another_log_is_a_gap() {
    let elsewhere = App::start(Topology::One).await;
    Publisher::login(elsewhere.grpc(), "bob").await.publish("news", 1).await.expect("published");
    let foreign = position(&elsewhere.browser(), NEWS).await;
    let foreign = &foreign;
    both(|app| async move {
        let mut stream = app.browser().subscribe(NEWS, Some(foreign)).await;
        assert_eq!(stream.outcomes().await, ["GAP epoch_changed"]);
    })
    .await;
}

#[tokio::test]
async fn a_cursor_older_than_what_is_kept_is_a_gap() {
    both(|mut app| async move {
        let old = position(&app.browser(), NEWS).await;
        let publisher = Publisher::login(app.grpc(), "bob").await;
        for number in 1..=3 {
            publisher.publish("news", number).await.expect("published");
        }
        trim(&app);
        // What the edge still holds of the topic is as good as what the core holds.
        app.kill_and_restart().await;
        let mut stream = app.browser().subscribe(NEWS, Some(&old)).await;
        assert_eq!(stream.outcomes().await, ["GAP expired"]);
        let raw = old.rsplit('.').next().unwrap_or_default();
        // Asked for with the backend's own cursor it is the same.
        let mut stream = app.browser().subscribe(&format!("{NEWS}?cursor={raw}"), None).await;
        assert_eq!(stream.outcomes().await, ["GAP expired"]);
    })
    .await;
}

/// Deletes all events of `news`, as retention does.
fn trim(app: &App) {
    let database = rusqlite::Connection::open(app.data().join("lastmile.db")).expect("the database");
    database
        .execute_batch(
            "BEGIN IMMEDIATE;
             UPDATE topic SET trimmed = last WHERE name = 'news';
             DELETE FROM event WHERE topic = (SELECT id FROM topic WHERE name = 'news');
             COMMIT;",
        )
        .expect("the tables of the log");
}

#[tokio::test]
async fn one_of_several_streams_may_have_a_gap() {
    let elsewhere = App::start(Topology::One).await;
    let path = "/api/v1/events?topics=news&topics=staff";
    let foreign = position(&elsewhere.login("admin").await, path).await;
    let foreign_staff = foreign.split('~').nth(1).expect("two streams").to_owned();
    let foreign_staff = &foreign_staff;
    both(|app| async move {
        let admin = app.login("admin").await;
        let token = position(&admin, path).await;
        let (news, _) = token.split_once('~').expect("two streams");
        let mut stream = admin.subscribe(path, Some(&format!("{news}~{foreign_staff}"))).await;
        assert_eq!(stream.outcomes().await, ["RESUMED", "GAP epoch_changed"]);
    })
    .await;
}

#[tokio::test]
async fn garbage_is_never_taken_for_a_cursor() {
    both(|app| async move {
        let valid = position(&app.browser(), NEWS).await;
        let unreadable =
            ["lm1.", "lm1.x", "lm1.a.b.c.d", &format!("lm1.{}", "a".repeat(5000))].map(String::from);
        let of_no_backend = ["garbage", "-1", "18446744073709551616"].map(String::from);
        let altered = [with_cursor(&valid, "garbage"), valid.chars().rev().collect()];

        // A token that names no stream is a gap; so is whatever EventSource sends by itself, which would give up for
        // good on an error.
        for token in unreadable.iter().chain([&altered[0]]) {
            let mut stream = app.browser().subscribe(&format!("{NEWS}?cursor={token}"), None).await;
            assert_eq!(stream.outcomes().await, ["GAP cursor_mismatch"], "{token}");
        }
        for id in unreadable.iter().chain(&of_no_backend).chain(&altered) {
            let mut stream = app.browser().subscribe(NEWS, Some(id)).await;
            assert_eq!(stream.outcomes().await, ["GAP cursor_mismatch"], "{id}");
        }

        // The backend's own cursor, asked for on purpose, is refused by its own words.
        let mut transcript = Vec::new();
        for cursor in &of_no_backend {
            let path = format!("{NEWS}?cursor={cursor}");
            let answer =
                Answer::to(app.browser().request("GET", &path).header("accept", "text/event-stream")).await;
            assert_eq!(answer.problem(), "400 CURSOR_INVALID cursor", "{cursor}");
            transcript.push(lastmile_tests::mask(&answer.text));
        }
        transcript
    })
    .await;
}

#[tokio::test]
async fn who_may_not_subscribe_is_told_by_status() {
    both(|app| async move {
        let ask = |browser: Browser, path: &str| {
            Answer::to(browser.request("GET", path).header("accept", "text/event-stream"))
        };
        let staff = "/api/v1/topics/staff/events";
        let anonymous = ask(app.browser(), staff).await;
        assert_eq!(anonymous.status, 401, "{anonymous:?}");
        let alice = app.login("alice").await;
        let forbidden = ask(alice.clone(), staff).await;
        assert_eq!(forbidden.problem(), "403 FORBIDDEN");
        let unknown = ask(alice.clone(), "/api/v1/topics/nowhere/events").await;
        assert_eq!(unknown.problem(), "404 TOPIC_NOT_FOUND");
        // One closed topic among several closes all: no partial stream, no silence.
        let several = ask(alice, "/api/v1/events?topics=news&topics=staff").await;
        assert_eq!(several.problem(), "403 FORBIDDEN");
        [anonymous, forbidden, unknown, several].map(|answer| lastmile_tests::mask(&answer.text))
    })
    .await;
}

#[tokio::test]
async fn too_many_topics_are_refused() {
    both(|app| async move {
        let topics: Vec<String> = (0..65).map(|number| format!("topics=t{number}")).collect();
        let path = format!("/api/v1/events?{}", topics.join("&"));
        let answer =
            Answer::to(app.browser().request("GET", &path).header("accept", "text/event-stream")).await;
        assert_eq!(answer.problem(), "400 FIELD_INVALID topics");
    })
    .await;
}
