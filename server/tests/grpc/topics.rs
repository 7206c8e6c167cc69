//! Topics: rules, publishing, history.

use lastmile_proto::v1;
use lastmile_server::config::CoreConfig;
use prost_types::value::Kind;
use prost_types::{Any, Struct, Value};
use tonic::Code;
use v1::publish_event_request::Body;

use crate::harness::{Server, assert_refused, next, publication, text_of, with_token};

#[tokio::test]
async fn rules_hold_for_unary_and_streaming_calls_alike() {
    let (server, _folder) = Server::start().await;
    let (alice, admin) = (server.token("alice").await, server.token("admin").await);
    let mut topics = server.topics();
    let staff = || v1::SubscribeRequest { topic: "staff".into(), ..Default::default() };
    let get = || v1::GetTopicRequest { name: "staff".into() };
    let history = || v1::ListEventsRequest { topic: "staff".into(), ..Default::default() };

    assert_refused(topics.get_topic(get()).await, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
    assert_refused(topics.list_events(history()).await, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
    assert_refused(topics.subscribe(staff()).await, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
    assert_refused(topics.authorize_subscribe(staff()).await, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);

    let denied = (Code::PermissionDenied, "FORBIDDEN");
    assert_refused(topics.get_topic(with_token(get(), &alice)).await, denied.0, denied.1, &[]);
    assert_refused(topics.list_events(with_token(history(), &alice)).await, denied.0, denied.1, &[]);
    assert_refused(topics.subscribe(with_token(staff(), &alice)).await, denied.0, denied.1, &[]);
    assert_refused(topics.authorize_subscribe(with_token(staff(), &alice)).await, denied.0, denied.1, &[]);
    let event = || publication("staff", "note", "x");
    assert_refused(topics.publish_event(with_token(event(), &alice)).await, denied.0, denied.1, &[]);
    let both = v1::SubscribeRequest { topics: vec!["news".into(), "staff".into()], ..Default::default() };
    assert_refused(topics.subscribe(with_token(both, &alice)).await, denied.0, denied.1, &[]);

    topics.publish_event(with_token(event(), &admin)).await.unwrap();
    assert!(topics.subscribe(with_token(staff(), &admin)).await.is_ok());
    assert!(topics.authorize_subscribe(with_token(staff(), &admin)).await.is_ok());
    let anonymous = topics.publish_event(publication("news", "note", "x")).await;
    assert_refused(anonymous, Code::Unauthenticated, "LOGIN_REQUIRED", &[]);
}

#[tokio::test]
async fn only_readable_topics_are_listed() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let mut topics = server.topics();
    let list = v1::ListTopicsRequest { page_size: 1, ..Default::default() };
    let first = topics.list_topics(list.clone()).await.unwrap().into_inner();
    assert_eq!(first.topics[0].name, "news");
    assert_eq!(first.topics[0].rules.as_ref().unwrap().subscribe, ["anyone"]);
    let second = v1::ListTopicsRequest { page_token: first.next_page_token, ..list };
    let second = topics.list_topics(second).await.unwrap().into_inner();
    assert_eq!((second.topics[0].name.as_str(), second.next_page_token.as_str()), ("ticks", ""));
    let all = topics.list_topics(with_token(v1::ListTopicsRequest::default(), &admin)).await.unwrap();
    let names: Vec<_> = all.into_inner().topics.into_iter().map(|topic| topic.name).collect();
    assert_eq!(names, ["lab", "news", "staff", "ticks"]);
}

#[tokio::test]
async fn the_internal_topic_has_no_name() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let mut topics = server.topics();
    let event = with_token(publication("internal:users", "user:create", "x"), &admin);
    assert_refused(topics.publish_event(event).await, Code::InvalidArgument, "FIELD_INVALID", &["topic"]);
    let request = v1::SubscribeRequest { topic: "internal:users".into(), ..Default::default() };
    let answer = topics.subscribe(with_token(request, &admin)).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["topic"]);
}

#[tokio::test]
async fn bad_events_are_refused_and_not_written() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let mut topics = server.topics();
    for (topic, kind, text, fields) in [
        ("news", "open", "x", &["type"][..]),
        ("news", "lm-open", "x", &["type"]),
        ("news", "error", "x", &["type"]),
        ("news", "message", "x", &["type"]),
        ("news", "", "x", &["type"]),
        ("n/ws", "a b", "x", &["topic", "type"]),
        ("news", "note", &"x".repeat(70_000), &["data"]),
    ] {
        let answer = topics.publish_event(with_token(publication(topic, kind, text), &alice)).await;
        assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", fields);
    }
    let unknown = topics.publish_event(with_token(publication("nowhere", "note", "x"), &alice)).await;
    assert_refused(unknown, Code::NotFound, "TOPIC_NOT_FOUND", &[]);
    assert_eq!(server.history().await, [""; 0]);
}

#[tokio::test]
async fn idempotency_key_appends_once() {
    let (server, folder) = Server::start().await;
    let (alice, bob) = (server.token("alice").await, server.token("bob").await);
    let keyed = |text: &str| v1::PublishEventRequest {
        idempotency_key: "key-1".into(),
        ..publication("news", "note", text)
    };
    let first = server.topics().publish_event(with_token(keyed("a"), &alice)).await.unwrap().into_inner();
    let again = server.topics().publish_event(with_token(keyed("a"), &alice)).await.unwrap().into_inner();
    assert_eq!(first, again);
    let other = server.topics().publish_event(with_token(keyed("b"), &alice)).await;
    assert_refused(other, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED", &["idempotency_key"]);
    // The key belongs to the publisher.
    server.topics().publish_event(with_token(keyed("b"), &bob)).await.unwrap();
    server.stop().await;

    let server = Server::start_in(folder.path()).await;
    let later = server.topics().publish_event(with_token(keyed("a"), &alice)).await.unwrap().into_inner();
    assert_eq!(first, later);
    assert_eq!(server.history().await, ["a", "b"]);
}

#[tokio::test]
async fn repeated_key_does_not_move_the_log_back() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let keyed =
        || v1::PublishEventRequest { idempotency_key: "k".into(), ..publication("news", "note", "a") };
    server.topics().publish_event(with_token(keyed(), &alice)).await.unwrap();
    server.publish(&alice, "b").await;
    server.topics().publish_event(with_token(keyed(), &alice)).await.unwrap();
    server.publish(&alice, "c").await;
    assert_eq!(server.history().await, ["a", "b", "c"]);
}

#[tokio::test]
async fn history_is_paged_by_cursor() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    for text in ["a", "b", "c"] {
        server.publish(&alice, text).await;
    }
    let page = v1::ListEventsRequest { topic: "news".into(), page_size: 2, ..Default::default() };
    let first = server.topics().list_events(page.clone()).await.unwrap().into_inner();
    assert_eq!(first.events.iter().map(text_of).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(first.events[0].publisher, "alice");
    let second = v1::ListEventsRequest { after: first.next_page_token, ..page.clone() };
    let second = server.topics().list_events(second).await.unwrap().into_inner();
    assert_eq!(second.events.iter().map(text_of).collect::<Vec<_>>(), ["c"]);
    assert_eq!(second.next_page_token, "");

    let latest = v1::ListEventsRequest { last: 2, page_size: 0, ..page.clone() };
    let latest = server.topics().list_events(latest).await.unwrap().into_inner();
    assert_eq!(latest.events.iter().map(text_of).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(latest.cursor, second.cursor);
    let mut stream = server.subscribe(&second.cursor).await;
    assert_eq!(next(&mut stream).await.cursor, second.cursor);

    let bad = v1::ListEventsRequest { after: "garbage".into(), ..page };
    let answer = server.topics().list_events(bad).await;
    assert_refused(answer, Code::InvalidArgument, "CURSOR_INVALID", &["after"]);
}

#[tokio::test]
async fn protobuf_bodies_arrive_as_they_were() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let any = Any { type_url: "type.googleapis.com/acme.Order".into(), value: vec![8, 1] };
    let event = v1::PublishEventRequest {
        body: Some(Body::Message(any.clone())),
        ..publication("news", "order", "")
    };
    server.topics().publish_event(with_token(event, &alice)).await.unwrap();
    let request = v1::ListEventsRequest { topic: "news".into(), ..Default::default() };
    let events = server.topics().list_events(request).await.unwrap().into_inner().events;
    assert_eq!(events[0].body, Some(v1::subscribe_response::Body::Message(any)));
}

#[tokio::test]
async fn the_size_of_events_is_a_setting() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let server =
        Server::start_with(CoreConfig { data, dev: true, event_bytes: 4096, ..CoreConfig::default() }).await;
    let token = server.token("alice").await;
    server.publish(&token, &"x".repeat(4000)).await;
    let request = with_token(publication("news", "news:item", &"x".repeat(4096)), &token);
    let refused = server.topics().publish_event(request).await.unwrap_err();
    assert!(refused.message().contains("data: must have at most 4096 bytes"), "{refused:?}");
}

#[tokio::test]
async fn the_deepest_event_can_be_read_everywhere() {
    let (server, _folder) = Server::start().await;
    let token = server.token("alice").await;
    let nested = |levels: usize| {
        (0..levels).fold(Value { kind: Some(Kind::BoolValue(true)) }, |value, _| {
            let fields = [("a".to_owned(), value)].into();
            Value { kind: Some(Kind::StructValue(Struct { fields })) }
        })
    };
    let publish = async |levels| {
        let mut request = publication("news", "deep", "");
        request.body = Some(Body::Data(nested(levels)));
        server.topics().publish_event(with_token(request, &token)).await
    };
    let mut stream = server.subscribe("").await;
    next(&mut stream).await;
    publish(30).await.unwrap();
    assert_eq!(next(&mut stream).await.r#type, "deep");
    let page = v1::ListEventsRequest { topic: "news".into(), ..Default::default() };
    assert_eq!(server.topics().list_events(page).await.unwrap().into_inner().events.len(), 1);
    assert_refused(publish(31).await, Code::InvalidArgument, "FIELD_INVALID", &["data"]);
}
