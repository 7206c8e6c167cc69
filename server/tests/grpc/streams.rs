//! Subscribe: positions, resume, cursors that cannot go on, deadlines, drain.

use std::time::{Duration, Instant};

use lastmile_proto::v1;
use rusqlite::Connection;
use tonic::{Code, Request};

use crate::harness::{Server, assert_refused, next, publication, refusal, text_of, with_token};

#[tokio::test]
async fn a_fresh_stream_begins_with_a_position_and_then_now() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut empty = server.subscribe("").await;
    let beginning = next(&mut empty).await;
    assert!(beginning.position && beginning.body.is_none());
    let first = server.publish(&alice, "a").await;
    let event = next(&mut empty).await;
    assert_eq!((event.cursor.as_str(), event.previous.as_str()), (first.as_str(), beginning.cursor.as_str()));
    assert_eq!((event.topic.as_str(), event.r#type.as_str()), ("news", "news:item"));

    let mut stream = server.subscribe("").await;
    let position = next(&mut stream).await;
    assert_eq!(position.cursor, first, "the position is the cursor of the topic's last event");
    let second = server.publish(&alice, "b").await;
    let event = next(&mut stream).await;
    assert_eq!((event.cursor, event.previous), (second, first));
}

#[tokio::test]
async fn last_gives_that_many_events_first() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut cursors = Vec::new();
    for text in ["a", "b", "c"] {
        cursors.push(server.publish(&alice, text).await);
    }
    for (last, expected) in [(2, &["b", "c"][..]), (3, &["a", "b", "c"]), (1000, &["a", "b", "c"])] {
        let request = v1::SubscribeRequest { topic: "news".into(), last, ..Default::default() };
        let mut stream = server.topics().subscribe(request).await.unwrap().into_inner();
        let position = next(&mut stream).await;
        let mut previous = position.cursor;
        for text in expected {
            let event = next(&mut stream).await;
            assert_eq!((text_of(&event).as_str(), &event.previous), (*text, &previous));
            previous = event.cursor;
        }
    }
    let request = v1::SubscribeRequest { topic: "news".into(), last: 1001, ..Default::default() };
    let answer = server.topics().subscribe(request).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["last"]);
}

#[tokio::test]
async fn a_resumed_stream_loses_and_repeats_nothing() {
    let (server, folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut stream = server.subscribe("").await;
    next(&mut stream).await;
    let mut seen = Vec::new();
    for n in 0..10 {
        server.publish(&alice, &n.to_string()).await;
    }
    let mut cursor = String::new();
    for _ in 0..4 {
        let event = next(&mut stream).await;
        seen.push(text_of(&event));
        cursor = event.cursor;
    }
    drop(stream);
    server.stop().await;

    let server = Server::start_in(folder.path()).await;
    let mut stream = server.subscribe(&cursor).await;
    assert_eq!(next(&mut stream).await.cursor, cursor);
    server.publish(&alice, "10").await;
    while seen.len() < 11 {
        seen.push(text_of(&next(&mut stream).await));
    }
    assert_eq!(seen, (0..=10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_of_another_topic_begins_at_the_last_event_of_this_one() {
    let (server, folder) = Server::start().await;
    let admin = server.token("admin").await;
    let publish = async |topic: &str| {
        let event = with_token(publication(topic, "note", topic), &admin);
        server.topics().publish_event(event).await.unwrap().into_inner().cursor
    };
    let between = async |cursor: &str| {
        let mut stream = server.subscribe(cursor).await;
        let (position, event) = (next(&mut stream).await, next(&mut stream).await);
        assert_eq!(event.previous, position.cursor);
        (position.cursor, event.cursor)
    };
    let beginning = next(&mut server.subscribe("").await).await.cursor;
    let early = publish("staff").await;
    let first = publish("news").await;
    let foreign = publish("staff").await;
    let fresh = next(&mut server.subscribe(&foreign).await).await;
    assert_eq!(fresh.cursor, first, "a position is that of the last event of the subscription");
    let second = publish("news").await;
    assert_eq!(between(&foreign).await, (first.clone(), second.clone()));
    assert_eq!(between(&early).await, (beginning, first.clone()));

    let db = Connection::open(folder.path().join("lastmile.db")).unwrap();
    let seq = "(SELECT min(seq) FROM event WHERE topic = topic.id)";
    let news = "WHERE name = 'news'";
    db.execute(&format!("UPDATE topic SET trimmed = {seq} {news}"), []).unwrap();
    db.execute("DELETE FROM event WHERE seq = (SELECT trimmed FROM topic WHERE name = 'news')", []).unwrap();
    assert_eq!(between(&foreign).await, (first, second));
}

#[tokio::test]
async fn several_topics_come_in_the_order_of_the_log() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let both = v1::SubscribeRequest {
        topics: vec!["staff".into(), "news".into(), "news".into()],
        ..Default::default()
    };
    let mut stream = server.topics().subscribe(with_token(both, &admin)).await.unwrap().into_inner();
    assert!(next(&mut stream).await.position);
    for (topic, text) in [("news", "a"), ("staff", "b"), ("news", "c")] {
        server.topics().publish_event(with_token(publication(topic, "note", text), &admin)).await.unwrap();
    }
    for (topic, text) in [("news", "a"), ("staff", "b"), ("news", "c")] {
        let event = next(&mut stream).await;
        assert_eq!((event.topic.as_str(), text_of(&event).as_str()), (topic, text));
    }
    let mixed =
        v1::SubscribeRequest { topic: "news".into(), topics: vec!["x y".into()], ..Default::default() };
    let answer = server.topics().subscribe(mixed).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["topics", "topics[0]"]);
}

#[tokio::test]
async fn without_names_all_readable_topics_come() {
    let (server, _folder) = Server::start().await;
    let mut stream = server.topics().subscribe(v1::SubscribeRequest::default()).await.unwrap().into_inner();
    assert!(next(&mut stream).await.position);
    assert_eq!(next(&mut stream).await.topic, "ticks");
}

#[tokio::test]
async fn cursors_that_cannot_go_on_fail_before_the_first_message() {
    let (server, folder) = Server::start().await;
    let (other, _other_folder) = Server::start().await;
    let alice = server.token("alice").await;
    let first = server.publish(&alice, "a").await;
    let second = server.publish(&alice, "b").await;
    let foreign = other.publish(&other.token("alice").await, "x").await;
    let ask = |cursor: &str| v1::SubscribeRequest {
        topic: "news".into(),
        cursor: cursor.into(),
        ..Default::default()
    };

    let answer = server.topics().subscribe(ask("garbage")).await;
    assert_refused(answer, Code::InvalidArgument, "CURSOR_INVALID", &["cursor"]);
    let answer = server.topics().subscribe(ask(&foreign)).await;
    assert_refused(answer, Code::OutOfRange, "CURSOR_EPOCH_CHANGED", &[]);

    let db = Connection::open(folder.path().join("lastmile.db")).unwrap();
    db.execute("DELETE FROM event WHERE topic = (SELECT id FROM topic WHERE name = 'news')", []).unwrap();
    db.execute("UPDATE topic SET trimmed = last WHERE name = 'news'", []).unwrap();
    let answer = server.topics().subscribe(ask(&first)).await;
    assert_refused(answer, Code::OutOfRange, "CURSOR_EXPIRED", &[]);
    // The last event itself may be gone: nothing after it is missing.
    let mut stream = server.topics().subscribe(ask(&second)).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await.cursor, second);
    let mut fresh = server.subscribe("").await;
    assert_eq!(next(&mut fresh).await.cursor, second);
}

#[tokio::test]
async fn a_cursor_beyond_the_end_is_of_another_log() {
    let (server, folder) = Server::start().await;
    let alice = server.token("alice").await;
    let cursor = server.publish(&alice, "a").await;
    server.stop().await;
    let db = Connection::open(folder.path().join("lastmile.db")).unwrap();
    db.execute_batch("DELETE FROM event; UPDATE topic SET last = 0; UPDATE log SET last = 0").unwrap();
    // Without the demo publisher the log stays as short as it is.
    db.execute_batch("UPDATE origin SET dev = 0").unwrap();
    drop(db);
    let config = lastmile_server::config::CoreConfig {
        data: folder.path().to_owned(),
        ..lastmile_server::config::CoreConfig::default()
    };
    let server = Server::start_with(config).await;
    let request = v1::SubscribeRequest { topic: "news".into(), cursor, ..Default::default() };
    assert_refused(server.topics().subscribe(request).await, Code::OutOfRange, "CURSOR_EPOCH_CHANGED", &[]);
}

#[tokio::test]
async fn a_deadline_holds_on_an_open_stream() {
    let (server, _folder) = Server::start().await;
    let mut request = Request::new(v1::SubscribeRequest { topic: "news".into(), ..Default::default() });
    request.metadata_mut().insert("grpc-timeout", "300m".parse().unwrap());
    let started = Instant::now();
    let mut stream = server.topics().subscribe(request).await.unwrap().into_inner();
    assert!(next(&mut stream).await.position);
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn drain_ends_open_streams_with_a_reason() {
    let (server, _folder) = Server::start().await;
    let mut stream = server.subscribe("").await;
    assert!(next(&mut stream).await.position);
    assert!(server.core.is_ready());
    server.core.drain();
    let status = stream.message().await.unwrap_err();
    assert_eq!(refusal(&status).0, Code::Unavailable);
    assert_eq!(refusal(&status).1, "SHUTTING_DOWN");
    assert!(!server.core.is_ready());
    server.stop().await;
}
