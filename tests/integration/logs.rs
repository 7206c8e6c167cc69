//! Debug logs over REST: a stream of requests from one body.

use lastmile_tests::{Answer, both, mask};
use serde_json::json;

const LOGS: &str = "/api/v1/logs";

#[tokio::test]
async fn logs_are_written_as_an_object_an_array_or_lines() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let array = r#"[{"message":"two","level":"LOG_LEVEL_WARN"},{"message":"three"}]"#;
        for (kind, body, written) in [
            ("application/json", r#"{"message":"one"}"#, 1),
            ("application/json", array, 2),
            ("application/x-ndjson", "{\"message\":\"four\"}\n{\"message\":\"five\"}\n", 2),
            ("application/json", "[]", 0),
        ] {
            let request = alice.request("POST", LOGS).header("content-type", kind);
            let answer = Answer::to(request.body(body)).await;
            assert_eq!(answer.json()["written"], written, "{body}: {answer:?}");
        }
        let bad = alice.post(LOGS, &json!([{ "message": "six" }, { "massage": "seven" }])).await;
        assert_eq!(bad.status, 400, "{bad:?}");
        assert!(bad.text.contains("massage") && bad.text.contains("message 2"), "{bad:?}");
        let refused = app.browser().post(LOGS, &json!({ "message": "no" })).await;
        assert_eq!(refused.status, 401, "{refused:?}");

        let admin = app.login("admin").await;
        let tail = admin.request("GET", "/api/v1/logs:tail?last=5").header("accept", "application/json");
        let tail = Answer::to(tail.header("prefer", "wait=10")).await.json();
        let messages: Vec<_> =
            tail.as_array().into_iter().flatten().map(|log| &log["record"]["message"]).collect();
        // What stands before a bad record may have been written.
        for written in ["two", "three", "four", "five"] {
            assert!(messages.contains(&&json!(written)), "{written}: {tail}");
        }
        assert!(!messages.contains(&&json!("seven")), "{tail}");
        mask(&bad.text)
    })
    .await;
}

#[tokio::test]
async fn every_method_answers_at_its_own_path() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let declared = alice.get("/api/v1/users").await;
        let own = alice.post("/lastmile.v1.UserService/ListUsers", &json!({})).await;
        assert_eq!(
            (own.status, own.json()["users"].clone()),
            (declared.status, declared.json()["users"].clone())
        );
        let body = r#"{"message":"here"}"#;
        let logs = Answer::to(
            alice
                .request("POST", "/lastmile.v1.LogService/WriteLogs")
                .body(format!(r#"[{{"record":{body}}}]"#)),
        )
        .await;
        assert_eq!(logs.json()["written"], 1, "{logs:?}");
        let anyone = app.browser().post("/lastmile.v1.UserService/ListUsers", &json!({})).await;
        assert_eq!(anyone.status, 401, "{anyone:?}");
        mask(&own.text)
    })
    .await;
}
