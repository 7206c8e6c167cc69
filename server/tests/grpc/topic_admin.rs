//! Topics created, changed and deleted, and what becomes of open streams.

use std::sync::Arc;

use futures_util::future::join_all;
use lastmile_proto::v1;
use prost_types::FieldMask;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Response, Status, Streaming};

use crate::harness::{Server, assert_refused, next, publication, text_of, with_token};

/// A core and the tokens of its people.
struct Stage {
    server: Server,
    alice: String,
    admin: String,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn set() -> Self {
        let (server, folder) = Server::start().await;
        let (alice, admin) = (server.token("alice").await, server.token("admin").await);
        Self { server, alice, admin, _folder: folder }
    }

    async fn create(&self, topic: v1::Topic) -> Result<v1::Topic, Status> {
        let request = with_token(v1::CreateTopicRequest { topic: Some(topic) }, &self.admin);
        self.server.topics().create_topic(request).await.map(Response::into_inner)
    }

    async fn update(&self, paths: &[&str], topic: v1::Topic) -> Result<v1::Topic, Status> {
        let paths = paths.iter().map(ToString::to_string).collect();
        let mask = Some(FieldMask { paths });
        let request =
            with_token(v1::UpdateTopicRequest { topic: Some(topic), update_mask: mask }, &self.admin);
        self.server.topics().update_topic(request).await.map(Response::into_inner)
    }

    async fn subscribe_rule(&self, name: &str, subscribe: &[&str]) {
        let topic = v1::Topic { rules: rules(&[], subscribe), ..named(name) };
        self.update(&["rules.subscribe"], topic).await.unwrap();
    }

    async fn delete(&self, name: &str, etag: &str) -> Result<(), Status> {
        let request = v1::DeleteTopicRequest { name: name.into(), etag: etag.into() };
        self.server.topics().delete_topic(with_token(request, &self.admin)).await.map(Response::into_inner)
    }

    async fn open(&self, topics: &[&str], token: Option<&str>) -> Streaming<v1::SubscribeResponse> {
        let topics = topics.iter().map(ToString::to_string).collect();
        let request = v1::SubscribeRequest { topics, ..Default::default() };
        let request = match token {
            Some(token) => with_token(request, token),
            None => tonic::Request::new(request),
        };
        let mut stream = self.server.topics().subscribe(request).await.unwrap().into_inner();
        assert!(next(&mut stream).await.position);
        stream
    }

    async fn publish(&self, topic: &str, text: &str) -> String {
        let event = with_token(publication(topic, "note", text), &self.admin);
        self.server.topics().publish_event(event).await.unwrap().into_inner().cursor
    }
}

fn named(name: &str) -> v1::Topic {
    v1::Topic { name: name.into(), ..Default::default() }
}

fn rules(publish: &[&str], subscribe: &[&str]) -> Option<v1::TopicRules> {
    let members = |members: &[&str]| members.iter().map(ToString::to_string).collect();
    Some(v1::TopicRules { publish: members(publish), subscribe: members(subscribe) })
}

/// How a stream ends that delivers nothing more.
async fn end(stream: &mut Streaming<v1::SubscribeResponse>) -> Result<(), Status> {
    match stream.message().await? {
        Some(message) => panic!("the stream goes on with {message:?}"),
        None => Ok(()),
    }
}

#[tokio::test]
async fn topics_are_created_changed_and_deleted() {
    let stage = Stage::set().await;
    let created = stage.create(v1::Topic { description: "first".into(), ..named("room") }).await.unwrap();
    assert_eq!(created.rules, rules(&["signed-in"], &["signed-in"]));
    assert_eq!((created.owner.as_str(), created.description.as_str()), ("3", "first"));
    let week = prost_types::Duration { seconds: 7 * 24 * 60 * 60, nanos: 0 };
    assert_eq!(created.retention, Some(v1::Retention { max_age: Some(week), max_bytes: 1 << 30 }));

    let change = v1::Topic {
        rules: rules(&["owner"], &["user:1", "role:service"]),
        retention: Some(v1::Retention { max_age: None, max_bytes: 1 << 20 }),
        owner: "1".into(),
        etag: created.etag.clone(),
        ..named("room")
    };
    let changed = stage.update(&["rules", "retention.max_bytes", "owner"], change).await.unwrap();
    assert_eq!(changed.rules, rules(&["owner"], &["user:1", "role:service"]));
    assert_eq!(changed.retention, Some(v1::Retention { max_age: Some(week), max_bytes: 1 << 20 }));
    assert_eq!((changed.owner.as_str(), changed.description.as_str()), ("1", "first"));
    assert_ne!(changed.etag, created.etag);

    // An administrator sees what the rules do not let them read, and reads it not.
    let get = || v1::GetTopicRequest { name: "room".into() };
    let mut topics = stage.server.topics();
    assert_eq!(topics.get_topic(with_token(get(), &stage.admin)).await.unwrap().into_inner(), changed);
    assert_eq!(topics.get_topic(with_token(get(), &stage.alice)).await.unwrap().into_inner(), changed);
    let history = v1::ListEventsRequest { topic: "room".into(), ..Default::default() };
    let answer = topics.list_events(with_token(history, &stage.admin)).await;
    assert_refused(answer, Code::PermissionDenied, "FORBIDDEN", &[]);
    topics.publish_event(with_token(publication("room", "note", "x"), &stage.alice)).await.unwrap();

    let stale = v1::Topic { etag: created.etag.clone(), ..named("room") };
    assert_refused(stage.update(&["owner"], stale).await, Code::Aborted, "ETAG_MISMATCH", &[]);
    assert_refused(stage.delete("room", &created.etag).await, Code::Aborted, "ETAG_MISMATCH", &[]);
    stage.delete("room", &changed.etag).await.unwrap();
    let anew = stage.create(named("room")).await.unwrap();
    assert_refused(stage.delete("room", &created.etag).await, Code::Aborted, "ETAG_MISMATCH", &[]);
    stage.delete("room", &anew.etag).await.unwrap();
    let answer = topics.get_topic(with_token(get(), &stage.admin)).await;
    assert_refused(answer, Code::NotFound, "TOPIC_NOT_FOUND", &[]);
    let event = publication("room", "note", "x");
    let answer = topics.publish_event(with_token(event, &stage.alice)).await;
    assert_refused(answer, Code::NotFound, "TOPIC_NOT_FOUND", &[]);
    assert_refused(stage.delete("room", "").await, Code::NotFound, "TOPIC_NOT_FOUND", &[]);
    let answer = stage.update(&["owner"], named("room")).await;
    assert_refused(answer, Code::NotFound, "TOPIC_NOT_FOUND", &[]);
}

#[tokio::test]
async fn only_administrators_administer_topics() {
    let stage = Stage::set().await;
    let create = || v1::CreateTopicRequest { topic: Some(named("room")) };
    let update = || v1::UpdateTopicRequest {
        topic: Some(v1::Topic { description: "x".into(), ..named("news") }),
        update_mask: None,
    };
    let delete = || v1::DeleteTopicRequest { name: "news".into(), etag: String::new() };
    let mut topics = stage.server.topics();
    let anonymous = (Code::Unauthenticated, "LOGIN_REQUIRED");
    assert_refused(topics.create_topic(create()).await, anonymous.0, anonymous.1, &[]);
    assert_refused(topics.update_topic(update()).await, anonymous.0, anonymous.1, &[]);
    assert_refused(topics.delete_topic(delete()).await, anonymous.0, anonymous.1, &[]);
    let denied = (Code::PermissionDenied, "FORBIDDEN");
    let alice = &stage.alice;
    assert_refused(topics.create_topic(with_token(create(), alice)).await, denied.0, denied.1, &[]);
    assert_refused(topics.update_topic(with_token(update(), alice)).await, denied.0, denied.1, &[]);
    assert_refused(topics.delete_topic(with_token(delete(), alice)).await, denied.0, denied.1, &[]);
    let news = topics.get_topic(v1::GetTopicRequest { name: "news".into() }).await.unwrap().into_inner();
    assert!(news.etag.ends_with(".1"), "{}", news.etag);
}

#[tokio::test]
async fn bad_topics_tell_all_their_fields_and_change_nothing() {
    let stage = Stage::set().await;
    let bad = v1::Topic {
        description: "\u{7}".into(),
        rules: rules(&["anyone"], &["role:king"]),
        retention: Some(v1::Retention { max_age: None, max_bytes: 1 }),
        ..named("a/b")
    };
    let fields = [
        "topic.name",
        "topic.description",
        "topic.rules.publish[0]",
        "topic.rules.subscribe[0]",
        "topic.retention.max_bytes",
    ];
    let answer = stage.create(bad).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &fields);
    let answer = stage.create(named("news")).await;
    assert_refused(answer, Code::AlreadyExists, "TOPIC_EXISTS", &["topic.name"]);
    let answer = stage.update(&["*"], v1::Topic { owner: "a b".into(), ..named("news") }).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["topic.rules", "topic.owner"]);
    let answer = stage.update(&["colour"], named("news")).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["update_mask", "update_mask"]);
    assert_refused(stage.delete("", "").await, Code::InvalidArgument, "FIELD_INVALID", &["name"]);
    let get = v1::GetTopicRequest { name: "news".into() };
    let news = stage.server.topics().get_topic(get).await.unwrap().into_inner();
    assert!(news.etag.ends_with(".1"), "{}", news.etag);
}

#[tokio::test]
async fn streams_end_for_who_may_no_longer_read_and_go_on_for_the_others() {
    let stage = Stage::set().await;
    stage.create(v1::Topic { rules: rules(&["signed-in"], &["anyone"]), ..named("room") }).await.unwrap();
    let mut anonymous = stage.open(&["room"], None).await;
    let mut alice = stage.open(&["room"], Some(&stage.alice)).await;
    let mut two = stage.open(&["news", "room"], Some(&stage.alice)).await;
    let mut news = stage.open(&["news"], None).await;
    let mut admin = stage.open(&["room"], Some(&stage.admin)).await;

    stage.subscribe_rule("room", &["signed-in"]).await;
    stage.publish("room", "a").await;
    assert_refused(end(&mut anonymous).await, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
    for stream in [&mut alice, &mut two, &mut admin] {
        assert_eq!(text_of(&next(stream).await), "a");
    }

    stage.subscribe_rule("room", &["role:admin"]).await;
    stage.publish("room", "b").await;
    assert_refused(end(&mut alice).await, Code::PermissionDenied, "FORBIDDEN", &[]);
    assert_refused(end(&mut two).await, Code::PermissionDenied, "FORBIDDEN", &[]);
    assert_eq!(text_of(&next(&mut admin).await), "b");

    // The owner is whoever the topic says, from then on.
    stage.subscribe_rule("room", &["owner"]).await;
    stage.publish("room", "c").await;
    assert_eq!(text_of(&next(&mut admin).await), "c");
    stage.update(&["owner"], v1::Topic { owner: "1".into(), ..named("room") }).await.unwrap();
    assert_refused(end(&mut admin).await, Code::PermissionDenied, "FORBIDDEN", &[]);

    stage.publish("news", "d").await;
    assert_eq!(text_of(&next(&mut news).await), "d");
}

#[tokio::test]
async fn streams_of_a_deleted_topic_end_even_if_it_is_created_anew() {
    let stage = Stage::set().await;
    stage.create(named("room")).await.unwrap();
    let old = stage.publish("room", "old").await;
    let mut one = stage.open(&["room"], Some(&stage.alice)).await;
    let mut two = stage.open(&["news", "room"], Some(&stage.alice)).await;
    let mut all = stage.open(&[], Some(&stage.admin)).await;
    stage.delete("room", "").await.unwrap();
    stage.create(named("room")).await.unwrap();
    stage.publish("room", "new").await;
    for stream in [&mut one, &mut two] {
        let status = end(stream).await.unwrap_err();
        assert!(status.message().contains("\"room\""), "{status:?}");
        assert_refused(Err::<(), _>(status), Code::NotFound, "TOPIC_NOT_FOUND", &[]);
    }
    // The demo publisher ticks there too.
    let status = loop {
        match all.message().await {
            Ok(message) => assert_eq!(message.unwrap().topic, "ticks"),
            Err(status) => break status,
        }
    };
    assert_refused(Err::<(), _>(status), Code::Unavailable, "TOPICS_CHANGED", &[]);

    // The old history is not that of the new topic: a gap, never a silent join.
    let ask = v1::SubscribeRequest { topic: "room".into(), cursor: old.clone(), ..Default::default() };
    let answer = stage.server.topics().subscribe(with_token(ask, &stage.alice)).await;
    assert_refused(answer, Code::OutOfRange, "CURSOR_EXPIRED", &[]);
    let page = v1::ListEventsRequest { topic: "room".into(), after: old, ..Default::default() };
    let answer = stage.server.topics().list_events(with_token(page.clone(), &stage.alice)).await;
    assert_refused(answer, Code::OutOfRange, "CURSOR_EXPIRED", &[]);
    let page = v1::ListEventsRequest { after: String::new(), ..page };
    let page = stage.server.topics().list_events(with_token(page, &stage.alice)).await.unwrap().into_inner();
    assert_eq!(page.events.iter().map(text_of).collect::<Vec<_>>(), ["new"]);
}

#[tokio::test]
async fn a_stream_of_all_topics_misses_no_event_of_a_topic_that_is_created_meanwhile() {
    let stage = Stage::set().await;
    let subscribe = async |cursor: &str| {
        let request = v1::SubscribeRequest { cursor: cursor.to_owned(), ..Default::default() };
        stage.server.topics().subscribe(with_token(request, &stage.alice)).await.unwrap().into_inner()
    };
    let mut all = subscribe("").await;
    let mut cursor = next(&mut all).await.cursor;
    let mut texts = Vec::new();
    for round in 0..5 {
        let name = format!("born-{round}");
        stage.create(named(&name)).await.unwrap();
        stage.publish(&name, &format!("first of {name}")).await;
        stage.publish("news", &format!("news {round}")).await;
        // What EventSource does: takes what comes, and goes on after it when the stream ends.
        while texts.len() < 2 * (round + 1) {
            match all.message().await {
                Ok(message) => {
                    let message = message.expect("it never ends well");
                    cursor.clone_from(&message.cursor);
                    if !message.position && message.topic != "ticks" {
                        texts.push(text_of(&message));
                    }
                }
                Err(status) => {
                    assert_refused(Err::<(), _>(status), Code::Unavailable, "TOPICS_CHANGED", &[]);
                    all = subscribe(&cursor).await;
                }
            }
            assert!(
                texts.last().is_none_or(|last| *last != format!("news {round}"))
                    || texts.len() == 2 * (round + 1)
            );
        }
    }
    let expected = (0..5).flat_map(|n| [format!("first of born-{n}"), format!("news {n}")]);
    assert_eq!(texts, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn rule_changes_under_a_storm_lose_no_event_of_who_may_read() {
    let stage = Arc::new(Stage::set().await);
    stage.create(named("room")).await.unwrap();
    let mut stream = stage.open(&["room"], Some(&stage.alice)).await;
    let changed = CancellationToken::new();
    let publishing = tokio::spawn({
        let (stage, changed) = (Arc::clone(&stage), changed.clone());
        async move {
            let topics = stage.server.topics();
            let publish = async |n: u32| {
                let event = publication("room", "note", &n.to_string());
                topics.clone().publish_event(with_token(event, &stage.admin)).await.unwrap();
            };
            let mut count = 0;
            while !changed.is_cancelled() {
                join_all((count..count + 16).map(&publish)).await;
                count += 16;
            }
            stage.publish("room", "end").await;
            count
        }
    });
    let changing = tokio::spawn({
        let stage = Arc::clone(&stage);
        async move {
            for other in 10..60 {
                stage.subscribe_rule("room", &["user:1", &format!("user:{other}")]).await;
            }
            changed.cancel();
        }
    });
    let mut seen = Vec::new();
    let mut previous = None;
    while seen.last().is_none_or(|last| last != "end") {
        let event = next(&mut stream).await;
        assert!(previous.is_none_or(|previous| previous == event.previous), "a hole after {seen:?}");
        seen.push(text_of(&event));
        previous = Some(event.cursor);
    }
    changing.await.unwrap();
    let count = publishing.await.unwrap();
    assert!(count > 50, "no storm: {count} events");
    // What is published at once has no order of its own.
    seen.pop();
    seen.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(seen, (0..count).map(|n| n.to_string()).collect::<Vec<_>>());
}
