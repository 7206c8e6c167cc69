//! Requests that cannot be accepted: exact status, reason, field, and nothing written.

use lastmile_tests::{Answer, App, Browser, both};

/// Method, path, body, what the answer says: status, reason, fields.
type Row = (&'static str, &'static str, &'static [u8], &'static str);

const USERS: &str = "/api/v1/users";
const EVENTS: &str = "/api/v1/topics/news/events";

const BODIES: &[Row] = &[
    // Wrong JSON types, numbers as strings, ranges.
    (
        "POST",
        USERS,
        br#"{"user":{"username":"x","name":5},"password":"long enough"}"#,
        "400 FIELD_INVALID user.name",
    ),
    ("POST", USERS, br#"{"user":{"username":"x","name":"X","tags":"a"}}"#, "400 FIELD_INVALID user.tags"),
    (
        "POST",
        USERS,
        br#"{"user":{"username":"x","name":"X","tags":["a",1]}}"#,
        "400 FIELD_INVALID user.tags[1]",
    ),
    ("POST", USERS, br#"{"user":{"id":"one"}}"#, "400 FIELD_INVALID user.id"),
    ("POST", USERS, br#"{"user":{"id":4294967296}}"#, "400 FIELD_INVALID user.id"),
    ("POST", USERS, br#"{"user":{"id":1.5}}"#, "400 FIELD_INVALID user.id"),
    ("POST", USERS, br#"{"user":{"createTime":"yesterday"}}"#, "400 FIELD_INVALID user.createTime"),
    ("POST", USERS, br#"{"user":[]}"#, "400 FIELD_INVALID user"),
    ("POST", USERS, b"[]", "400 FIELD_INVALID"),
    ("POST", USERS, b"\"text\"", "400 FIELD_INVALID"),
    // Unknown and duplicate fields, in one spelling or two.
    ("POST", USERS, br#"{"nope":1}"#, "400 FIELD_INVALID nope"),
    ("POST", USERS, br#"{"user":{"nope":1}}"#, "400 FIELD_INVALID user.nope"),
    ("POST", USERS, br#"{"user":{"name":"A","name":"B"}}"#, "400 FIELD_INVALID user.name"),
    (
        "POST",
        USERS,
        br#"{"user":{"createTime":null,"create_time":null}}"#,
        "400 FIELD_INVALID user.create_time",
    ),
    // null is absence; a NULL value is a value.
    ("POST", USERS, br#"{"user":null,"password":"long enough"}"#, "400 FIELD_INVALID user"),
    (
        "POST",
        USERS,
        br#"{"user":{"username":null,"name":"X"},"password":"long enough"}"#,
        "400 FIELD_INVALID user.username",
    ),
    (
        "POST",
        USERS,
        br#"{"user":{"username":"x","name":"X","tags":[null]}}"#,
        "400 FIELD_INVALID user.tags[0]",
    ),
    // No JSON at all.
    ("POST", USERS, b"{", "400 JSON_INVALID"),
    ("POST", USERS, b"{} {}", "400 JSON_INVALID"),
    ("POST", USERS, b"{\"user\":{\"name\":\"\xff\"}}", "400 JSON_INVALID"),
    ("POST", USERS, br#"{"user":{"name":"\ud800"}}"#, "400 JSON_INVALID"),
    ("POST", USERS, br#"{"user":{"id":NaN}}"#, "400 JSON_INVALID"),
    ("POST", USERS, br#"{"user":{"id":1e999}}"#, "400 JSON_INVALID"),
    // What the core refuses.
    (
        "POST",
        USERS,
        br#"{"user":{"username":"A B","name":"X"},"password":"short"}"#,
        "400 FIELD_INVALID user.username,password",
    ),
    (
        "POST",
        USERS,
        br#"{"user":{"username":"x","name":"X","role":"king"},"password":"long enough"}"#,
        "400 FIELD_INVALID user.role",
    ),
    (
        "POST",
        USERS,
        br#"{"user":{"username":"alice","name":"X"},"password":"long enough"}"#,
        "409 USERNAME_TAKEN user.username",
    ),
    // The mask, and a path that the body contradicts.
    ("PATCH", "/api/v1/users/1?updateMask=nope", br#"{"name":"X"}"#, "400 FIELD_INVALID update_mask"),
    (
        "PATCH",
        "/api/v1/users/1?update_mask=username",
        br#"{"username":"x"}"#,
        "400 FIELD_INVALID update_mask",
    ),
    ("PATCH", "/api/v1/users/1", br#"{"id":2,"name":"X"}"#, "400 FIELD_INVALID user.id"),
    ("PATCH", "/api/v1/users/1?user.name=X", br#"{"email":"x@example.com"}"#, "400 FIELD_INVALID user.name"),
    ("PATCH", "/api/v1/users/1?user.id=2", br#"{"name":"X"}"#, "400 FIELD_INVALID user.id"),
    ("PATCH", "/api/v1/users/one", br#"{"name":"X"}"#, "400 FIELD_INVALID user.id"),
    ("PATCH", "/api/v1/users/999", br#"{"name":"X"}"#, "404 USER_NOT_FOUND"),
    // Events.
    ("POST", EVENTS, br#"{"type":"lm-open","data":1}"#, "400 FIELD_INVALID type"),
    ("POST", EVENTS, br#"{"type":"open","data":1}"#, "400 FIELD_INVALID type"),
    ("POST", EVENTS, br#"{"type":"error","data":1}"#, "400 FIELD_INVALID type"),
    ("POST", EVENTS, br#"{"type":"message","data":1}"#, "400 FIELD_INVALID type"),
    ("POST", EVENTS, br#"{"type":"a b","data":1}"#, "400 FIELD_INVALID type"),
    ("POST", EVENTS, br#"{"type":"a\nid: 7","data":1}"#, "400 FIELD_INVALID type"),
    ("POST", EVENTS, br#"{"data":1}"#, "400 FIELD_INVALID type"),
    ("POST", EVENTS, br#"{"type":"x"}"#, "400 FIELD_INVALID data"),
    ("POST", EVENTS, br#"{"type":"x","data":1,"topic":"staff"}"#, "400 FIELD_INVALID topic"),
    ("POST", "/api/v1/topics/news/events?type=y", br#"{"type":"x","data":1}"#, "400 FIELD_INVALID type"),
    ("POST", "/api/v1/topics/nowhere/events", br#"{"type":"x","data":1}"#, "404 TOPIC_NOT_FOUND"),
    ("POST", "/api/v1/topics/a%20b/events", br#"{"type":"x","data":1}"#, "400 FIELD_INVALID topic"),
    ("POST", "/api/v1/topics/a%2Fb/events", br#"{"type":"x","data":1}"#, "400 FIELD_INVALID topic"),
];

const PATHS: &[Row] = &[
    ("GET", "/api/v1/users/one", b"", "400 FIELD_INVALID id"),
    ("GET", "/api/v1/users/99999999999", b"", "400 FIELD_INVALID id"),
    ("GET", "/api/v1/users/999", b"", "404 USER_NOT_FOUND"),
    ("GET", "/api/v1/users/1?id=2", b"", "400 FIELD_INVALID id"),
    ("GET", "/api/v1/users?pageSize=x", b"", "400 FIELD_INVALID pageSize"),
    ("GET", "/api/v1/users?pageSize=-1", b"", "400 FIELD_INVALID page_size"),
    ("GET", "/api/v1/users?pageSize=1&pageSize=2", b"", "400 FIELD_INVALID pageSize"),
    ("GET", "/api/v1/users?pageSize=1&page_size=1", b"", "400 FIELD_INVALID page_size"),
    ("GET", "/api/v1/users?nope=1", b"", "400 FIELD_INVALID nope"),
    ("GET", "/api/v1/users?filter=%ff", b"", "400 QUERY_INVALID query"),
    ("GET", "/api/v1/users?filter=%zz", b"", "400 QUERY_INVALID query"),
    ("GET", "/api/v1/users?filter=role", b"", "400 FIELD_INVALID filter"),
    ("GET", "/api/v1/users?pageToken=garbage", b"", "400 FIELD_INVALID page_token"),
    ("GET", "/api/v1/users/%zz", b"", "400 PATH_INVALID path"),
    ("GET", "/api/v1/users/%00", b"", "400 PATH_INVALID path"),
    ("GET", "/api/v1/users/%c0%af", b"", "400 PATH_INVALID path"),
    ("GET", "/api/v1/topics/news/history?after=garbage", b"", "400 CURSOR_INVALID after"),
    ("DELETE", "/api/v1/users/999", b"", "404 USER_NOT_FOUND"),
];

/// Everything a refused request might have changed.
async fn state(admin: &Browser) -> (String, String) {
    let users = admin.get("/api/users").await;
    let events = admin.get("/api/v1/topics/news/history").await;
    assert_eq!((users.status.as_u16(), events.status.as_u16()), (200, 200));
    (users.text, events.text)
}

async fn check(app: &App, rows: &[Row]) -> Vec<String> {
    let admin = app.login("admin").await;
    let before = state(&admin).await;
    let mut wrong = Vec::new();
    let mut transcript = Vec::new();
    for (method, path, body, expected) in rows {
        let mut request = admin.request(method, path);
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(*body);
        }
        let answer = Answer::to(request).await;
        let said = answer.problem();
        if said != *expected {
            let body = String::from_utf8_lossy(body);
            wrong.push(format!(
                "{method} {path} {body}\n    expected {expected}\n    answered {said}: {}",
                answer.text
            ));
        }
        transcript.push(lastmile_tests::mask(&answer.text));
    }
    assert!(wrong.is_empty(), "\n{}\n{} of {} wrong", wrong.join("\n"), wrong.len(), rows.len());
    assert_eq!(state(&admin).await, before, "something was written");
    transcript
}

#[tokio::test]
async fn bad_bodies() {
    both(|app| async move { check(&app, BODIES).await }).await;
}

#[tokio::test]
async fn bad_paths_and_queries() {
    both(|app| async move { check(&app, PATHS).await }).await;
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    both(|app| async move {
        let admin = app.login("admin").await;
        let before = state(&admin).await;
        let body = r#"{"user":{"username":"x","name":"X"},"password":"long enough"}"#;
        let post =
            |kind: &str| Answer::to(admin.request("POST", USERS).header("content-type", kind).body(body));
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"]
        {
            let answer = post(kind).await;
            assert_eq!(answer.status, 415, "{kind}: {answer:?}");
            assert!(answer.text.contains("application/json"), "{answer:?}");
        }
        let compressed = admin.request("POST", USERS).header("content-type", "application/json");
        let compressed = Answer::to(compressed.header("content-encoding", "br").body(body)).await;
        assert_eq!(compressed.status, 415, "{compressed:?}");
        assert_eq!(state(&admin).await, before);
    })
    .await;
}

#[tokio::test]
async fn too_deep_is_refused_and_deep_enough_is_not() {
    both(|app| async move {
        let admin = app.login("admin").await;
        let nested = |depth: usize| {
            let body = format!(r#"{{"type":"x","data":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
            Answer::to(admin.request("POST", EVENTS).header("content-type", "application/json").body(body))
        };
        assert_eq!(nested(30).await.status, 200);
        for depth in [120, 100_000] {
            let answer = nested(depth).await;
            assert_eq!(answer.status, 400, "{depth}: {answer:?}");
        }
        assert_eq!(
            admin.get("/api/v1/topics/news/history").await.json()["events"].as_array().map(Vec::len),
            Some(1)
        );
    })
    .await;
}

#[tokio::test]
async fn an_event_over_64_kib_is_refused() {
    both(|app| async move {
        let admin = app.login("admin").await;
        let before = state(&admin).await;
        let body = serde_json::json!({"type": "x", "data": "y".repeat(65 * 1024)});
        let answer = admin.post(EVENTS, &body).await;
        assert_eq!(answer.problem(), "400 FIELD_INVALID data");
        assert_eq!(state(&admin).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_key_used_for_another_event_is_refused() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let event = |data: u32| serde_json::json!({"type": "x", "data": data, "idempotencyKey": "once"});
        let first = alice.post(EVENTS, &event(1)).await;
        let repeated = alice.post(EVENTS, &event(1)).await;
        assert_eq!((first.status.as_u16(), &first.text), (200, &repeated.text));
        let other = alice.post(EVENTS, &event(2)).await;
        assert_eq!(other.problem(), "409 IDEMPOTENCY_KEY_REUSED idempotency_key");
        let events = alice.get("/api/v1/topics/news/history").await.json();
        assert_eq!(events["events"].as_array().map(Vec::len), Some(1));
    })
    .await;
}

#[tokio::test]
async fn who_may_not_publish_is_told_so() {
    both(|app| async move {
        let event = serde_json::json!({"type": "x", "data": 1});
        let staff = "/api/v1/topics/staff/events";
        let anonymous = app.browser().post(staff, &event).await;
        assert_eq!(anonymous.status, 401, "{anonymous:?}");
        let alice = app.login("alice").await.post(staff, &event).await;
        assert_eq!(alice.problem(), "403 FORBIDDEN");
        let admin = app.login("admin").await;
        let history = admin.get("/api/v1/topics/staff/history").await.json();
        assert_eq!(history["events"], serde_json::json!([]));
    })
    .await;
}
