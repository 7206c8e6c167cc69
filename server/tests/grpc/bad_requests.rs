//! Requests that are wrong in many ways, or very large: their errors stay small, and name every field they can.

use lastmile_proto::v1;
use tonic::{Code, Status};
use v1::sync_document_request::Frame;

use super::harness::{Server, assert_refused, commit, refusal, with_token};
use super::logs::logs;

/// Fields of which a request is told at most.
const TOLD: usize = 20;

/// The reason of a refusal that has room in the headers of every client and proxy.
#[track_caller]
fn small<T: std::fmt::Debug>(answer: Result<T, Status>) -> (String, usize) {
    let status = answer.expect_err("was not refused");
    let bytes = status.message().len() + status.details().len();
    assert!(bytes <= 6 * 1024, "{bytes} bytes: {}", status.message());
    let (_, reason, fields) = refusal(&status);
    (reason, fields.len())
}

fn empty_ops(count: usize) -> v1::CommitDocumentRequest {
    let ops = vec![v1::DocumentOp::default(); count];
    v1::CommitDocumentRequest { id: "board".into(), base_version: 0, ops }
}

#[tokio::test]
async fn large_wrong_requests_get_small_errors() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let invalid = |fields| ("FIELD_INVALID".to_owned(), fields);

    for count in [30, 100_000] {
        let answer = server.documents().commit_document(with_token(empty_ops(count), &admin)).await;
        assert_eq!(small(answer), invalid(TOLD), "{count} operations");
        let ask = v1::SubscribeRequest { topics: vec![String::new(); count], ..Default::default() };
        assert_eq!(small(server.topics().authorize_subscribe(ask).await), invalid(TOLD), "{count} topics");
        let name = |n| if n % 2 == 0 { String::new() } else { "x".repeat(65) };
        let user = v1::User { id: 1, tags: (0..count).map(name).collect(), ..Default::default() };
        let update = v1::UpdateUserRequest { user: Some(user), update_mask: None };
        assert_eq!(small(server.users().update_user(with_token(update, &admin)).await), invalid(TOLD));
        let rules = v1::TopicRules { publish: vec!["anyone".into(); count], subscribe: Vec::new() };
        let topic = v1::Topic { name: "news".into(), rules: Some(rules), ..Default::default() };
        let update = v1::UpdateTopicRequest { topic: Some(topic), update_mask: None };
        assert_eq!(small(server.topics().update_topic(with_token(update, &admin)).await), invalid(TOLD));
    }
}

#[tokio::test]
async fn what_was_sent_comes_back_in_small_parts_only() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let long = "\u{e4}".repeat(10_000);
    let list = v1::ListUsersRequest { filter: long.clone(), ..Default::default() };
    let told = server.users().list_users(with_token(list, &admin)).await.unwrap_err();
    assert_eq!(told.message(), "filter: must have at most 1024 bytes");
    let list = v1::ListUsersRequest { filter: long[..1000].to_owned(), ..Default::default() };
    let told = server.users().list_users(with_token(list, &admin)).await.unwrap_err();
    assert!(told.message().len() < 300, "{}", told.message());

    let mask = || Some(prost_types::FieldMask { paths: vec![long.clone(); 2] });
    let user = Some(v1::User { id: 1, ..Default::default() });
    let update = v1::UpdateUserRequest { user, update_mask: mask() };
    small(server.users().update_user(with_token(update, &admin)).await);
    let topic = Some(v1::Topic { name: "news".into(), ..Default::default() });
    let update = v1::UpdateTopicRequest { topic, update_mask: mask() };
    small(server.topics().update_topic(with_token(update, &admin)).await);
    let rules = Some(v1::TopicRules { publish: vec![long.clone()], subscribe: Vec::new() });
    let topic = Some(v1::Topic { name: "new".into(), rules, ..Default::default() });
    small(server.topics().create_topic(with_token(v1::CreateTopicRequest { topic }, &admin)).await);
}

#[tokio::test]
async fn who_may_not_call_hears_that_before_what_is_wrong() {
    let (server, _folder) = Server::start().await;
    let (alice, topic) =
        (server.token("alice").await, server.service_token("service", &["news"]).await.token);
    let refused = |code| match code {
        Code::Unauthenticated => "LOGIN_REQUIRED",
        _ => "FORBIDDEN",
    };
    let (nobody, forbidden) = (Code::Unauthenticated, Code::PermissionDenied);
    for (token, code) in [("", nobody), (&*topic, forbidden)] {
        let answer = server.documents().commit_document(with_optional(empty_ops(1), token)).await;
        assert_refused(answer, code, refused(code), &[]);
        let bad = v1::WatchDocumentRequest { id: "a b".into(), cursor: "x".into() };
        let answer = server.documents().authorize_watch_document(with_optional(bad, token)).await;
        assert_refused(answer, code, refused(code), &[]);
        let bad = v1::ListUsersRequest { page_size: -1, ..Default::default() };
        assert_refused(server.users().list_users(with_optional(bad, token)).await, code, refused(code), &[]);
    }
    for (token, code) in [("", nobody), (&*alice, forbidden)] {
        let bad = v1::CreateUserRequest::default();
        assert_refused(server.users().create_user(with_optional(bad, token)).await, code, refused(code), &[]);
        let bad = v1::UpdateTopicRequest::default();
        assert_refused(
            server.topics().update_topic(with_optional(bad, token)).await,
            code,
            refused(code),
            &[],
        );
        let bad = v1::CreateServiceTokenRequest::default();
        let answer = server.auth().create_service_token(with_optional(bad, token)).await;
        assert_refused(answer, code, refused(code), &[]);
    }
    let answer = server.topics().publish_event(v1::PublishEventRequest::default()).await;
    assert_refused(answer, nobody, "LOGIN_REQUIRED", &[]);
}

fn with_optional<T>(message: T, token: &str) -> tonic::Request<T> {
    if token.is_empty() { tonic::Request::new(message) } else { with_token(message, token) }
}

#[tokio::test]
async fn a_bad_cursor_is_told_with_the_other_fields() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let invalid = (Code::InvalidArgument, "FIELD_INVALID");
    let cursor = || "rubbish".to_owned();
    let ask =
        v1::SubscribeRequest { topic: "a b".into(), last: 2000, cursor: cursor(), ..Default::default() };
    let answer = server.topics().subscribe(ask).await;
    assert_refused(answer, invalid.0, invalid.1, &["topic", "last", "cursor"]);
    let ask = v1::ListEventsRequest { topic: "a b".into(), after: cursor(), ..Default::default() };
    assert_refused(server.topics().list_events(ask).await, invalid.0, invalid.1, &["topic", "after"]);
    let ask = v1::ListEventsRequest { topic: "news".into(), after: cursor(), ..Default::default() };
    assert_refused(server.topics().list_events(ask).await, invalid.0, "CURSOR_INVALID", &["after"]);
    let ask = v1::WatchDocumentRequest { id: "a b".into(), cursor: cursor() };
    let answer = server.documents().watch_document(with_token(ask, &admin)).await;
    assert_refused(answer, invalid.0, invalid.1, &["id", "cursor"]);
}

#[tokio::test]
async fn operations_of_a_used_id_are_named() {
    let (server, _folder) = Server::start().await;
    let alice = server.token("alice").await;
    let made = commit("board", 1, &[("1", "/a", "x")]);
    server.documents().commit_document(with_token(made, &alice)).await.unwrap();
    let again = || commit("board", 2, &[("2", "/b", "x"), ("1", "/a", "y")]);
    let used = (Code::AlreadyExists, "OP_ID_REUSED");
    let answer = server.documents().commit_document(with_token(again(), &alice)).await;
    assert_refused(answer, used.0, used.1, &["ops[1].op_id"]);
    let watch = v1::WatchDocumentRequest { id: "board".into(), cursor: String::new() };
    let said = [Frame::Watch(watch), Frame::Commit(again())]
        .map(|frame| v1::SyncDocumentRequest { frame: Some(frame) });
    let call = with_token(tokio_stream::iter(said), &alice);
    let mut heard = server.documents().sync_document(call).await.unwrap().into_inner();
    let end = loop {
        match heard.message().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert_refused(end, used.0, used.1, &["commit.ops[1].op_id"]);
}

#[tokio::test]
async fn admission_to_a_stream_is_not_a_matter_of_what_became_of_the_cursor() {
    let (server, _folder) = Server::start().await;
    let (other, _other_folder) = Server::start().await;
    let admin = server.token("admin").await;
    let foreign = other.publish(&other.token("admin").await, "x").await;
    for (cursor, refused) in [(foreign, None), ("rubbish".to_owned(), Some("CURSOR_INVALID"))] {
        let topic =
            v1::SubscribeRequest { topic: "news".into(), cursor: cursor.clone(), ..Default::default() };
        let document = v1::WatchDocumentRequest { id: "board".into(), cursor: cursor.clone() };
        let tail = v1::TailLogsRequest { cursor: cursor.clone(), ..Default::default() };
        let users = v1::WatchUsersRequest { cursor };
        for answer in [
            server.topics().authorize_subscribe(with_token(topic, &admin)).await,
            server.documents().authorize_watch_document(with_token(document, &admin)).await,
            logs(&server).authorize_tail_logs(with_token(tail, &admin)).await,
            server.users().authorize_watch_users(with_token(users, &admin)).await,
        ] {
            let reason = answer.err().map(|status| refusal(&status).1);
            assert_eq!(reason.as_deref(), refused);
        }
    }
}
