//! Pages of lists: what has no room for a client is on the next one.

use lastmile_proto::v1;
use prost::Message;
use rusqlite::Connection;
use tempfile::TempDir;
use tonic::Code;

use super::harness::{Server, assert_refused, with_token};

/// The message limit that clients have by default.
const CLIENT_LIMIT: usize = 4 << 20;

/// The numbers from 1 to 600 as rows.
const NUMBERS: &str =
    "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 600)";

fn execute(folder: &TempDir, sql: &str) {
    let db = Connection::open(folder.path().join("lastmile.db")).unwrap();
    db.execute(&format!("{NUMBERS} {sql}"), []).unwrap();
}

/// Topics named by their number that these members may read.
fn create_topics(folder: &TempDir, prefix: &str, members: &str) {
    execute(
        folder,
        &format!(
            "INSERT INTO topic (name, internal, description, publish, subscribe, owner, max_age, max_bytes,
                                created, updated, version)
             SELECT '{prefix}' || (1000 + n), 0, '', '{members}', '{members}', '', 60, 65536, 0, 0, 1 FROM number"
        ),
    );
}

async fn topics(server: &Server, token: &str, page_size: i32, page_token: &str) -> v1::ListTopicsResponse {
    let request = v1::ListTopicsRequest { page_size, page_token: page_token.into() };
    server.topics().list_topics(with_token(request, token)).await.unwrap().into_inner()
}

/// The names on all pages, and how many pages there are.
async fn all_topics(server: &Server, token: &str, page_size: i32) -> (Vec<String>, usize) {
    let (mut names, mut pages, mut next) = (Vec::new(), 0, String::new());
    loop {
        let page = topics(server, token, page_size, &next).await;
        assert!(page.encoded_len() < CLIENT_LIMIT / 2);
        names.extend(page.topics.into_iter().map(|topic| topic.name));
        (pages, next) = (pages + 1, page.next_page_token);
        if next.is_empty() {
            return (names, pages);
        }
    }
}

#[tokio::test]
async fn pages_of_topics_end_before_they_are_too_large() {
    let (server, folder) = Server::start().await;
    let admin = server.token("admin").await;
    let members: Vec<_> = (0..64).map(|n| format!("user:{n}{}", "x".repeat(120))).collect();
    create_topics(&folder, "full", &members.join(" "));
    let (names, pages) = all_topics(&server, &admin, 1000).await;
    assert!(pages > 4, "{pages}");
    assert_eq!(names.iter().filter(|name| name.starts_with("full")).count(), 600);
    assert!(names.is_sorted_by(|one, next| one < next), "each once, in order");
}

#[tokio::test]
async fn topics_that_the_caller_may_not_read_take_no_room() {
    let (server, folder) = Server::start().await;
    let alice = server.token("alice").await;
    create_topics(&folder, "hidden", "owner");
    create_topics(&folder, "seen", "signed-in");
    let (mut expected, _) = all_topics(&server, &alice, 1000).await;
    assert_eq!(expected.iter().filter(|name| name.starts_with("seen")).count(), 600);
    assert!(!expected.iter().any(|name| name.starts_with("hidden")));
    let (names, _) = all_topics(&server, &alice, 90).await;
    assert_eq!(names, expected);
    let last = expected.pop().unwrap();
    let before = topics(&server, &alice, 1000, "").await;
    assert_eq!((before.topics.last().unwrap().name.as_str(), before.next_page_token.as_str()), (&*last, ""));

    let all = server.topics().subscribe(with_token(v1::SubscribeRequest::default(), &alice)).await;
    assert_refused(all, Code::InvalidArgument, "FIELD_INVALID", &["topics"]);
    execute(
        &folder,
        "UPDATE topic SET subscribe = 'owner' WHERE name LIKE 'seen%' AND name NOT LIKE 'seen15%'",
    );
    execute(&folder, "UPDATE topic SET subscribe = 'owner' WHERE name > 'seen1540'");
    server.topics().subscribe(with_token(v1::SubscribeRequest::default(), &alice)).await.unwrap();
}

#[tokio::test]
async fn pages_of_users_end_before_they_are_too_large() {
    let (server, folder) = Server::start().await;
    let alice = server.token("alice").await;
    let tags: Vec<_> = (0..32).map(|n| format!("{n:02}{}", "\u{1f600}".repeat(62))).collect();
    let tags = serde_json::json!(tags);
    execute(
        &folder,
        &format!(
            "INSERT INTO user (username, name, tags, email, role, password, created, updated, version)
             SELECT 'user' || n, 'x', '{tags}', '', 'user', '', 0, 0, 1 FROM number"
        ),
    );
    let (mut ids, mut next) = (Vec::new(), String::new());
    loop {
        let request = v1::ListUsersRequest { page_size: 1000, page_token: next, ..Default::default() };
        let page = server.users().list_users(with_token(request, &alice)).await.unwrap().into_inner();
        ids.extend(page.users.into_iter().map(|user| user.id));
        next = page.next_page_token;
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(ids, (1..=603).collect::<Vec<i32>>());
}

#[tokio::test]
async fn a_page_token_is_of_its_list() {
    let (server, _folder) = Server::start().await;
    let admin = server.token("admin").await;
    let page_token = topics(&server, &admin, 1, "").await.next_page_token;
    let request = v1::ListDocumentsRequest { page_token, ..Default::default() };
    let answer = server.documents().list_documents(with_token(request, &admin)).await;
    assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["page_token"]);
}

#[tokio::test]
async fn the_oldest_page_of_a_history_begins_with_the_oldest_event_kept() {
    let (server, folder) = Server::start().await;
    let alice = server.token("alice").await;
    for text in ["a", "b", "c"] {
        server.publish(&alice, text).await;
    }
    let second =
        "(SELECT seq FROM event WHERE topic = (SELECT id FROM topic WHERE name = 'news') LIMIT 1 OFFSET 1)";
    execute(&folder, &format!("UPDATE topic SET trimmed = {second} WHERE name = 'news'"));
    let news = "topic = (SELECT id FROM topic WHERE name = 'news')";
    execute(&folder, &format!("DELETE FROM event WHERE {news} AND seq <= {second}"));
    assert_eq!(server.history().await, ["c"]);
}
