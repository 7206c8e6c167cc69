//! Users over REST: the faces of unary calls.

use lastmile_tests::{Answer, both, mask};
use serde_json::json;

#[tokio::test]
async fn lists_users_whole_and_bare() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let whole = alice.get("/api/v1/users").await;
        assert_eq!(whole.status, 200, "{whole:?}");
        let bare = alice.get("/api/users").await;
        assert_eq!(bare.json(), whole.json()["users"]);
        assert!(bare.text.starts_with(r#"[{"id":1,"name":"Alice","tags":["#), "{}", bare.text);
        (mask(&whole.text), mask(&bare.text))
    })
    .await;
}

#[tokio::test]
async fn an_unchanged_answer_is_304() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let first = alice.get("/api/users").await;
        assert!(first.header("etag").starts_with("W/"), "{first:?}");
        let ask = || alice.request("GET", "/api/users").header("if-none-match", first.header("etag"));
        let again = Answer::to(ask()).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
        let renamed = alice.request("PATCH", "/api/v1/users/1").json(&json!({"name": "Alicia"}));
        assert_eq!(Answer::to(renamed).await.status, 200);
        assert_eq!(Answer::to(ask()).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn pages_and_filters() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let mut names = Vec::new();
        let mut token = String::new();
        loop {
            let page = alice.get(&format!("/api/v1/users?pageSize=2&pageToken={token}")).await.json();
            names.extend(
                page["users"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default()
                    .into_iter()
                    .map(|user| user["name"].clone()),
            );
            token = page["nextPageToken"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                break;
            }
        }
        let all = alice.get("/api/v1/users").await.json();
        let expected: Vec<_> =
            all["users"].as_array().into_iter().flatten().map(|user| user["name"].clone()).collect();
        assert_eq!(names, expected);

        let filtered = alice.get("/api/v1/users?filter=role%3Dadmin").await.json();
        assert_eq!(filtered["users"].as_array().map(Vec::len), Some(1));
        assert_eq!(filtered["users"][0]["username"], "admin");
    })
    .await;
}

#[tokio::test]
async fn creates_changes_and_deletes() {
    both(|app| async move {
        let admin = app.login("admin").await;
        let user =
            json!({"username": "carol", "name": "Carol", "tags": ["new"], "email": "carol@example.com"});
        let created = admin.post("/api/v1/users", &json!({"user": user, "password": "long enough"})).await;
        assert_eq!(created.status, 200, "{created:?}");
        let id = created.json()["id"].as_i64().expect("a number");

        // Without a mask, the fields present in the body are the mask: the e-mail stays.
        let path = format!("/api/v1/users/{id}");
        let patch = |path: String, body| Answer::to(admin.request("PATCH", &path).json(&body));
        let changed = patch(path.clone(), json!({"name": "Carola", "tags": []})).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!(changed.json()["name"], "Carola");
        assert_eq!(changed.json()["tags"], json!([]));
        assert_eq!(changed.json()["email"], "carol@example.com");

        // With a mask, what it does not name stays, whatever the body says.
        let masked =
            patch(format!("{path}?updateMask=name"), json!({"name": "C", "email": "x@example.com"})).await;
        assert_eq!(masked.json()["name"], "C");
        assert_eq!(masked.json()["email"], "carol@example.com");

        let stale = patch(path.clone(), json!({"name": "late", "etag": created.json()["etag"]})).await;
        assert_eq!(stale.problem(), "409 ETAG_MISMATCH");

        let deleted = Answer::to(admin.request("DELETE", &path)).await;
        assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (200, "{}"));
        assert_eq!(admin.get(&path).await.problem(), "404 USER_NOT_FOUND");
        [created, changed, masked, stale].map(|answer| mask(&answer.text))
    })
    .await;
}

#[tokio::test]
async fn a_change_that_was_made_on_an_older_state_is_412() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let read = alice.get("/api/v1/users/1").await;
        let patch = |tag: String, name: &str| {
            let request = alice.request("PATCH", "/api/v1/users/1").header("if-match", tag);
            Answer::to(request.json(&json!({ "name": name })))
        };
        let tag = read.header("etag").to_owned();
        assert!(tag.starts_with(&format!("W/\"{}", read.json()["etag"].as_str().expect("text"))), "{tag}");
        let changed = patch(tag.clone(), "Alicia").await;
        assert_eq!(changed.status, 200, "{changed:?}");
        let stale = patch(tag, "Late").await;
        assert_eq!(stale.problem(), "412 ETAG_MISMATCH");
        // What the answer to the change says goes on, and so does a fresh look.
        let own = changed.json()["etag"].as_str().map(|etag| format!("\"{etag}\"")).expect("text");
        assert_eq!(patch(own, "Alice").await.status, 200);
        let fresh = alice.get("/api/v1/users/1").await.header("etag").to_owned();
        assert_eq!(patch(fresh, "Alice").await.status, 200);
        mask(&stale.text)
    })
    .await;
}

#[tokio::test]
async fn a_repeated_publish_with_an_idempotency_key_is_one_event() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let publish = |body| {
            let request = alice.request("POST", "/api/v1/topics/news/events");
            Answer::to(request.header("idempotency-key", "\"one\"").json(&body))
        };
        let event = json!({ "type": "number", "data": 1 });
        let (first, again) = (publish(event.clone()).await, publish(event).await);
        assert_eq!((first.status, &first.text), (again.status, &again.text));
        let other = publish(json!({ "type": "number", "data": 2 })).await;
        assert_eq!(other.problem(), "409 IDEMPOTENCY_KEY_REUSED idempotency_key");
        mask(&other.text)
    })
    .await;
}

#[tokio::test]
async fn people_change_themselves_only() {
    both(|app| async move {
        let bob = app.login("bob").await;
        let me = bob.get("/api/v1/auth/me").await.json()["user"]["id"].as_i64().expect("a number");
        let patch =
            |id: i64, body| Answer::to(bob.request("PATCH", &format!("/api/v1/users/{id}")).json(&body));
        assert_eq!(patch(me, json!({"tags": ["self-made"]})).await.json()["tags"], json!(["self-made"]));
        let other = patch(1, json!({"name": "Eve"})).await;
        assert_eq!(other.problem(), "403 FORBIDDEN");
        let promoted = patch(me, json!({"role": "admin"})).await;
        assert_eq!(promoted.status, 403, "{promoted:?}");
        assert_eq!(bob.get("/api/v1/users/1").await.json()["name"], "Alice");
        assert_eq!(bob.get(&format!("/api/v1/users/{me}")).await.json()["role"], "user");
        mask(&other.text)
    })
    .await;
}

#[tokio::test]
async fn a_route_missed_says_what_there_is() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let nothing = alice.get("/api/v1/nothing").await;
        assert_eq!(nothing.status, 404, "{nothing:?}");
        assert_eq!(nothing.header("content-type"), "application/problem+json");
        let method = Answer::to(alice.request("DELETE", "/api/v1/users")).await;
        assert_eq!(method.status, 405, "{method:?}");
        let mut allowed: Vec<_> =
            method.header("allow").split(',').map(|name| name.trim().to_owned()).collect();
        allowed.sort();
        allowed.retain(|name| name != "HEAD" && name != "OPTIONS");
        assert_eq!(allowed, ["GET", "POST"]);
        let both_ways = alice.post("/lastmile.v1.DocumentService/SyncDocument", &json!({})).await;
        assert_eq!(both_ways.status, 501, "{both_ways:?}");
        assert!(both_ways.text.contains("SyncDocument"), "{both_ways:?}");
        [nothing, method, both_ways].map(|answer| mask(&answer.text))
    })
    .await;
}

#[tokio::test]
async fn a_problem_has_every_field_a_developer_needs() {
    both(|app| async move {
        let admin = app.login("admin").await;
        let answer =
            admin.post("/api/v1/users", &json!({"user": {"username": "A B"}, "password": "short"})).await;
        let body = answer.json();
        assert_eq!(answer.status, 400);
        for field in ["type", "title", "detail", "code", "reason", "trace_id"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {body}");
        }
        assert_eq!(body["status"], 400);
        let fields: Vec<_> =
            body["errors"].as_array().into_iter().flatten().map(|error| error["field"].clone()).collect();
        for field in ["user.username", "user.name", "password"] {
            assert!(fields.contains(&json!(field)), "{field} in {fields:?}");
        }
        mask(&answer.text)
    })
    .await;
}
