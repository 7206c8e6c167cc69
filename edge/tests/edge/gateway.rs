//! `rest.compat = "grpc-gateway"` over real sockets.

use serde_json::{Value, json};
use tonic::Code;

use crate::backend::{Act, Backend, answer, event, failure, position, response};
use crate::site::Site;

async fn site(backend: &Backend) -> Site {
    Site::start(json!({ "rest": { "compat": "grpc-gateway" } }), backend).await
}

/// The lines of an answer as JSON.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn errors_are_statuses() {
    let site = site(&Backend::new(|_, _| vec![failure(Code::NotFound, "NOTE_MISSING")])).await;
    let error = site.get("/v1/notes/a", &[]).await;
    assert_eq!(
        (error.status, error.header("content-type").as_str()),
        (404, "application/json; charset=utf-8")
    );
    assert_eq!((&error.json()["code"], &error.json()["message"]), (&json!(5), &json!("note_missing")));
    assert_eq!(site.get("/nowhere", &[]).await.json()["code"], 5);
}

#[tokio::test]
async fn streams_are_lines_of_results() {
    let backend = Backend::new(|method, _| match method {
        "Streams/Tick" => vec![response(json!({ "number": 1 })), response(json!({ "number": 2 })), Act::End],
        _ => vec![position(0), event(1), position(3), failure(Code::OutOfRange, "TOO_FAR")],
    });
    let site = site(&backend).await;
    for accept in ["application/json", "*/*"] {
        let answer = site.get("/v1/tick", &[("accept", accept)]).await;
        assert_eq!(answer.header("content-type"), "application/json");
        let lines = lines(answer.text());
        let numbers: Vec<&Value> = lines.iter().map(|line| &line["result"]["number"]).collect();
        assert_eq!(numbers, [&json!(1), &json!(2)], "{accept}");
    }
    let failed = site.get("/v1/watch?topic=a", &[]).await;
    let lines = lines(failed.text());
    assert_eq!((lines.len(), &lines[0]["result"]["number"]), (2, &json!(1)), "{failed:?}");
    assert_eq!((&lines[1]["error"]["code"], &lines[1]["error"]["message"]), (&json!(11), &json!("too_far")));
    // Our own faces are still there for whoever names them.
    let own = site.get("/v1/tick", &[("accept", "application/x-ndjson")]).await;
    assert!(own.text().ends_with("{\"@end\":{}}\n"), "{own:?}");
    let sse = site.get("/v1/tick", &[("accept", "text/event-stream")]).await;
    assert!(sse.text().contains("event: lm-end"), "{sse:?}");
}

#[tokio::test]
async fn what_must_not_be_missed_is_an_error_line() {
    let skipped = response(json!({ "cursor": "1", "previous": "0", "type": "error" }));
    let backend = Backend::new(move |_, request| match request["after"].as_str() {
        None => vec![position(0), skipped.clone(), event(2), Act::End],
        Some(_) => vec![failure(Code::OutOfRange, "CURSOR_EXPIRED")],
    });
    let site = site(&backend).await;
    for (target, code) in [("/v1/watch?topic=a", 13), ("/v1/watch?topic=a&cursor=lm1.AAAAAAAAAAA.7", 11)] {
        let answer = site.get(target, &[]).await;
        let lines = lines(answer.text());
        let codes: Vec<&Value> = lines.iter().filter_map(|line| line["error"].get("code")).collect();
        assert!(codes.contains(&&json!(code)), "{target}: {lines:?}");
        assert_eq!(lines.last().expect("a line")["result"]["number"], 2, "{target}");
    }
}

#[tokio::test]
async fn metadata_has_its_prefix_both_ways() {
    let backend = Backend::new(|_, _| {
        let mut acts = vec![Act::Metadata("x-shard", "7"), Act::Metadata("set-cookie", "a=b")];
        acts.extend(answer("Note", json!({ "name": "a" })));
        acts
    });
    let headers = [
        ("grpc-metadata-x-tenant", "t"),
        ("Grpc-Metadata-Authorization", "Bearer forged"),
        ("grpc-metadata-x-forwarded-for", "1.2.3.4"),
        ("x-plain", "p"),
        ("grpc-timeout", "5S"),
    ];
    let calls = json!({
        "request_headers": ["x-tenant", "authorization", "x-forwarded-for"], "response_headers": ["x-shard", "set-cookie"],
    });
    let listed = json!({ "rest": { "compat": "grpc-gateway" }, "calls": calls });
    let answer = Site::start(listed, &backend).await.get("/v1/notes/a", &headers).await;
    assert_eq!(answer.header("grpc-metadata-x-shard"), "7");
    assert!(
        !answer.headers.contains_key("set-cookie")
            && !answer.headers.contains_key("grpc-metadata-set-cookie")
    );
    let head = backend.heads().pop().expect("a call");
    assert_eq!(head.get("x-tenant").map(|value| value.as_bytes()), Some(&b"t"[..]));
    for absent in ["authorization", "x-forwarded-for", "x-plain", "grpc-metadata-x-tenant"] {
        assert!(!head.contains_key(absent), "{absent}");
    }
    let timeout = head["grpc-timeout"].to_str().expect("text");
    assert!(timeout.ends_with(['u', 'm', 'S', 'n']), "{timeout}");

    // The prefix alone carries nothing, nor does the list without the manners.
    for settings in [json!({ "rest": { "compat": "grpc-gateway" } }), json!({ "calls": calls })] {
        let answer = Site::start(settings, &backend).await.get("/v1/notes/a", &headers).await;
        assert!(!answer.headers.contains_key("grpc-metadata-x-shard"));
        assert!(!backend.heads().pop().expect("a call").contains_key("x-tenant"));
    }
}

#[tokio::test]
async fn a_deadline_holds() {
    let site = site(&Backend::new(|_, _| vec![Act::Hang])).await;
    let late = site.get("/v1/notes/a", &[("grpc-timeout", "30m")]).await;
    assert_eq!((late.status, late.json()["code"].clone()), (504, json!(4)));
}
