//! Debug logs: writing and following.

use std::collections::BTreeMap;
use std::time::Duration;

use lastmile_proto::v1;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Response, Status, Streaming};
use v1::LogLevel;
use v1::log_service_client::LogServiceClient;
use v1::tail_logs_response::Entry;

use crate::harness::{Server, assert_refused, next, with_token};

pub(crate) fn logs(server: &Server) -> LogServiceClient<Channel> {
    LogServiceClient::new(server.channel())
}

fn record(level: LogLevel, source: &str, message: &str) -> v1::LogRecord {
    v1::LogRecord {
        level: level.into(),
        source: source.into(),
        message: message.into(),
        ..Default::default()
    }
}

fn request(record: v1::LogRecord) -> v1::WriteLogsRequest {
    v1::WriteLogsRequest { record: Some(record) }
}

async fn write(server: &Server, token: &str, records: Vec<v1::LogRecord>) -> Result<u32, Status> {
    let requests: Vec<_> = records.into_iter().map(request).collect();
    let call = with_token(tokio_stream::iter(requests), token);
    logs(server).write_logs(call).await.map(|answer| answer.into_inner().written)
}

async fn tail(server: &Server, token: &str, ask: v1::TailLogsRequest) -> Streaming<v1::TailLogsResponse> {
    logs(server).tail_logs(with_token(ask, token)).await.unwrap().into_inner()
}

fn record_of(message: v1::TailLogsResponse) -> v1::LogRecord {
    match message.entry {
        Some(Entry::Record(record)) => record,
        None => panic!("a position: {message:?}"),
    }
}

/// The latest records.
async fn latest(server: &Server, admin: &str, ask: v1::TailLogsRequest, count: usize) -> Vec<String> {
    let mut stream = tail(server, admin, ask).await;
    assert!(next(&mut stream).await.position);
    let mut messages = Vec::new();
    while messages.len() < count {
        messages.push(record_of(next(&mut stream).await).message);
    }
    messages
}

#[tokio::test]
async fn roles_are_enforced() {
    let (server, _folder) = Server::start().await;
    let (alice, admin) = (server.token("alice").await, server.token("admin").await);
    let mut client = logs(&server);
    let ask = v1::TailLogsRequest::default;
    let one = || tokio_stream::iter([request(record(LogLevel::Info, "", "x"))]);
    let anonymous = (Code::Unauthenticated, "LOGIN_REQUIRED");
    assert_refused(client.write_logs(one()).await, anonymous.0, anonymous.1, &[]);
    assert_refused(client.tail_logs(ask()).await, anonymous.0, anonymous.1, &[]);
    assert_refused(client.authorize_tail_logs(ask()).await, anonymous.0, anonymous.1, &[]);
    let denied = (Code::PermissionDenied, "FORBIDDEN");
    assert_refused(client.tail_logs(with_token(ask(), &alice)).await, denied.0, denied.1, &[]);
    assert_refused(client.authorize_tail_logs(with_token(ask(), &alice)).await, denied.0, denied.1, &[]);
    assert_eq!(client.write_logs(with_token(one(), &alice)).await.unwrap().into_inner().written, 1);
    client.authorize_tail_logs(with_token(ask(), &admin)).await.unwrap();
    assert!(client.tail_logs(with_token(ask(), &admin)).await.is_ok());
}

#[tokio::test]
async fn what_is_written_arrives_with_the_writers_name() {
    let (server, _folder) = Server::start().await;
    let (alice, admin) = (server.token("alice").await, server.token("admin").await);
    let mut stream = tail(&server, &admin, v1::TailLogsRequest::default()).await;
    let position = next(&mut stream).await;
    assert!(position.position && position.entry.is_none());

    let number = Value { kind: Some(Kind::NumberValue(1.5)) };
    let full = v1::LogRecord {
        time: Some(prost_types::Timestamp { seconds: 7, nanos: 0 }),
        fields: Some(Struct { fields: BTreeMap::from([("n".to_owned(), number)]) }),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
        publisher: "admin".into(),
        ..record(LogLevel::Warn, "app", "one\n\tline")
    };
    let bare = v1::LogRecord { traceparent: "rubbish".into(), ..record(LogLevel::Unspecified, "", "two") };
    assert_eq!(write(&server, &alice, vec![full.clone(), bare]).await.unwrap(), 2);
    assert_eq!(write(&server, &alice, Vec::new()).await.unwrap(), 0);

    let first = next(&mut stream).await;
    assert_eq!(first.previous, position.cursor);
    let cursor = first.cursor.clone();
    assert_eq!(record_of(first), v1::LogRecord { publisher: "alice".into(), ..full });
    let second = next(&mut stream).await;
    assert_eq!(second.previous, cursor);
    let second = record_of(second);
    assert_eq!((second.level(), second.traceparent.as_str()), (LogLevel::Debug, ""));
    assert!(second.time.is_some());

    let resumed = v1::TailLogsRequest { cursor: cursor.clone(), ..Default::default() };
    let mut stream = tail(&server, &admin, resumed).await;
    assert_eq!(next(&mut stream).await.cursor, cursor);
    assert_eq!(record_of(next(&mut stream).await).message, "two");
}

#[tokio::test]
async fn records_are_written_as_they_arrive_and_an_open_call_ends_with_the_server() {
    let (server, _folder) = Server::start().await;
    let (alice, admin) = (server.token("alice").await, server.token("admin").await);
    let mut stream = tail(&server, &admin, v1::TailLogsRequest::default()).await;
    assert!(next(&mut stream).await.position);
    let (sender, receiver) = mpsc::channel(1);
    let call = with_token(ReceiverStream::new(receiver), &alice);
    let mut client = logs(&server);
    let writing = tokio::spawn(async move { client.write_logs(call).await.map(Response::into_inner) });
    for text in ["a", "b"] {
        sender.send(request(record(LogLevel::Info, "", text))).await.unwrap();
        assert_eq!(record_of(next(&mut stream).await).message, text);
    }
    server.core.drain();
    let answer = timeout(Duration::from_secs(10), writing).await.expect("the call stays open").unwrap();
    assert_refused(answer, Code::Unavailable, "SHUTTING_DOWN", &[]);
    server.stop().await;
}

#[tokio::test]
async fn a_bad_record_ends_the_call_and_tells_what_was_written() {
    let (server, _folder) = Server::start().await;
    let (alice, admin) = (server.token("alice").await, server.token("admin").await);
    let good = |n: usize| record(LogLevel::Info, "", &n.to_string());
    let mut records: Vec<_> = (0..100).map(good).collect();
    records.push(v1::LogRecord { level: 9, source: "\n".into(), ..Default::default() });
    records.push(good(101));
    let status = write(&server, &alice, records).await.unwrap_err();
    assert!(status.message().contains("the 100 records before it are written"), "{status:?}");
    let fields = ["record[100].level", "record[100].message", "record[100].source", "record[100]"];
    assert_refused(Err::<(), _>(status), Code::InvalidArgument, "FIELD_INVALID", &fields);
    let all = v1::TailLogsRequest { last: 1000, ..Default::default() };
    let written: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(latest(&server, &admin, all, 100).await, written);

    let empty = with_token(tokio_stream::iter([v1::WriteLogsRequest { record: None }]), &alice);
    let answer = logs(&server).write_logs(empty).await;
    let fields = ["record[0]", "record[0].message", "record[0]"];
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &fields);
}

#[tokio::test]
async fn a_call_takes_ten_thousand_records() {
    let (server, _folder) = Server::start().await;
    let (alice, admin) = (server.token("alice").await, server.token("admin").await);
    let records = |count| vec![record(LogLevel::Debug, "loop", "x"); count];
    assert_eq!(write(&server, &alice, records(10_000)).await.unwrap(), 10_000);
    let answer = write(&server, &alice, records(10_001)).await;
    let fields = ["record[10000]", "record[10000]"];
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &fields);

    // The latest records are looked for among the latest 10,000.
    write(&server, &alice, vec![record(LogLevel::Error, "", "found")]).await.unwrap();
    write(&server, &alice, records(9_999)).await.unwrap();
    let errors = || v1::TailLogsRequest { min_level: LogLevel::Error.into(), last: 5, ..Default::default() };
    assert_eq!(latest(&server, &admin, errors(), 1).await, ["found"]);
    write(&server, &alice, records(1)).await.unwrap();
    let mut stream = tail(&server, &admin, errors()).await;
    assert!(next(&mut stream).await.position);
    write(&server, &alice, vec![record(LogLevel::Error, "", "later")]).await.unwrap();
    assert_eq!(record_of(next(&mut stream).await).message, "later");
}

#[tokio::test]
async fn filters_admit_by_level_and_source() {
    let (server, _folder) = Server::start().await;
    let (alice, admin) = (server.token("alice").await, server.token("admin").await);
    let ask = |min_level: LogLevel, source: &str, last| v1::TailLogsRequest {
        min_level: min_level.into(),
        source: source.into(),
        last,
        ..Default::default()
    };
    let mut live = tail(&server, &admin, ask(LogLevel::Warn, "", 0)).await;
    assert!(next(&mut live).await.position);
    let records = [
        record(LogLevel::Debug, "app", "a"),
        record(LogLevel::Info, "app", "b"),
        record(LogLevel::Warn, "net", "c"),
        record(LogLevel::Error, "app", "d"),
        record(LogLevel::Unspecified, "apps", "e"),
    ];
    write(&server, &alice, records.to_vec()).await.unwrap();
    for (filter, expected) in [
        (ask(LogLevel::Unspecified, "", 9), &["a", "b", "c", "d", "e"][..]),
        (ask(LogLevel::Debug, "", 2), &["d", "e"]),
        (ask(LogLevel::Info, "", 9), &["b", "c", "d"]),
        (ask(LogLevel::Info, "app", 9), &["b", "d"]),
        (ask(LogLevel::Unspecified, "app", 2), &["b", "d"]),
        (ask(LogLevel::Error, "", 9), &["d"]),
    ] {
        assert_eq!(latest(&server, &admin, filter.clone(), expected.len()).await, expected, "{filter:?}");
    }
    for expected in ["c", "d"] {
        let message = next(&mut live).await;
        assert_eq!(message.previous, "", "the record before may be none of this stream's");
        assert_eq!(record_of(message).message, expected);
    }
    let bad =
        v1::TailLogsRequest { cursor: "garbage".into(), min_level: 9, last: 1001, source: "x".repeat(129) };
    let answer = logs(&server).tail_logs(with_token(bad.clone(), &admin)).await;
    assert_refused(
        answer,
        Code::InvalidArgument,
        "FIELD_INVALID",
        &["min_level", "source", "last", "cursor"],
    );
    let bad = v1::TailLogsRequest { cursor: "garbage".into(), ..Default::default() };
    let answer = logs(&server).tail_logs(with_token(bad, &admin)).await;
    assert_refused(answer, Code::InvalidArgument, "CURSOR_INVALID", &["cursor"]);
}
