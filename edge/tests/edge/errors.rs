//! Errors over real sockets: one shape on every path, in the form that the caller reads.

use http::header;
use lastmile_edge::config::UpstreamConfig;
use lastmile_edge::upstream::Upstream;
use lastmile_proto::google::rpc::{
    BadRequest, DebugInfo, ErrorInfo, RetryInfo, Status as RpcStatus, bad_request,
};
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

use crate::backend::{Act, Backend, answer, detail, failure, failure_with, response};
use crate::host::Host;
use crate::shop::message;
use crate::site::{Answer, Site};

const STATUS: (&str, &str) = ("accept", "application/vnd.google.rpc.status+json");

/// A backend that fails every call in this way.
fn failing(act: Act) -> Backend {
    Backend::new(move |_, _| vec![act.clone()])
}

async fn site(settings: Value, act: Act) -> Site {
    Site::start(settings, &failing(act)).await
}

fn detailed(code: Code) -> Act {
    let metadata = [("shard".to_owned(), "7".to_owned())].into();
    let info = ErrorInfo { reason: "TEXT_BAD".into(), domain: "shop.test".into(), metadata };
    let violation = bad_request::FieldViolation {
        field: "note.text".into(),
        description: "is rude".into(),
        ..Default::default()
    };
    let retry = RetryInfo { retry_delay: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }) };
    failure_with(
        code,
        "try again",
        vec![
            detail("google.rpc.ErrorInfo", &info),
            detail("google.rpc.BadRequest", &BadRequest { field_violations: vec![violation] }),
            detail("google.rpc.RetryInfo", &retry),
            detail("shop.v1.Maker", &message("Maker", json!({ "name": "n" }))),
            detail("google.protobuf.StringValue", &"wrapped".to_owned()),
            prost_types::Any { type_url: "type.googleapis.com/other.Thing".into(), value: vec![1, 2, 3] },
        ],
    )
}

fn details() -> Value {
    json!([
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "TEXT_BAD", "domain": "shop.test", "metadata": { "shard": "7" },
        },
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [
                { "field": "note.text", "description": "is rude", "reason": "" },
            ],
        },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s" },
        { "@type": "type.googleapis.com/shop.v1.Maker", "name": "n", "homeTown": "" },
        { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": "wrapped" },
        { "@type": "type.googleapis.com/other.Thing", "value": "AQID" },
    ])
}

#[tokio::test]
async fn a_problem_loses_nothing_of_what_the_backend_said() {
    let site = site(json!({}), detailed(Code::InvalidArgument)).await;
    let answer = site.get("/v1/notes/a", &[]).await;
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!((answer.status, answer.header("retry-after").as_str()), (400, "2"));
    let mut problem = answer.json();
    problem.as_object_mut().expect("an object").remove("trace_id");
    assert_eq!(
        problem,
        json!({
            "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "try again",
            "code": "INVALID_ARGUMENT", "reason": "TEXT_BAD",
            "errors": [{ "field": "note.text", "message": "is rude" }],
            "details": details(),
        })
    );
}

#[tokio::test]
async fn a_status_loses_nothing_of_what_the_backend_said() {
    let act = detailed(Code::InvalidArgument);
    let expected = json!({ "code": 3, "message": "try again", "details": details() });
    let by_accept = site(json!({}), act.clone()).await.get("/v1/notes/a", &[STATUS]).await;
    assert_eq!(by_accept.json(), expected);
    assert_eq!(by_accept.header("content-type"), STATUS.1);
    let site = site(json!({ "rest": { "errors": "status" } }), act).await;
    let by_setting = site.get("/v1/notes/a", &[]).await;
    assert_eq!((by_setting.status, by_setting.json()), (400, expected.clone()));
    assert_eq!(by_setting.header("content-type"), "application/json; charset=utf-8");
    let problem = site.get("/v1/notes/a", &[("accept", "application/json, application/problem+json")]).await;
    assert_eq!(problem.header("content-type"), "application/problem+json");

    let binary = site.get("/v1/notes/a", &[("accept", "application/x-protobuf")]).await;
    assert_eq!(binary.header("content-type"), "application/x-protobuf");
    let status = RpcStatus::decode(&*binary.body).expect("a google.rpc.Status");
    assert_eq!((status.code, status.message.as_str(), status.details.len()), (3, "try again", 6));
    assert_eq!(status.details[5].value, [1, 2, 3]);
}

/// Status, content type, reason and the headers that a status owes.
fn told(answer: &Answer) -> String {
    let reason = match answer.header("content-type").as_str() {
        "application/problem+json" => answer.json()["reason"].clone(),
        "application/json; charset=utf-8" => answer.json()["details"][0]["reason"].clone(),
        other => json!(other),
    };
    format!("{} {}", answer.status, reason.as_str().unwrap_or("without a reason"))
}

#[tokio::test]
async fn every_error_on_every_path_has_one_shape() {
    for settings in [
        json!({ "limits": { "body_bytes": 16 } }),
        json!({ "limits": { "body_bytes": 16 }, "rest": { "errors": "status" } }),
    ] {
        let site = site(settings, failure(Code::NotFound, "NOTE_MISSING")).await;
        let large = r#"{"text":"more than sixteen bytes"}"#;
        let kind = ("content-type", "text/plain");
        for (line, headers, body, expected, owed) in [
            ("GET /v1/notes/a", &[][..], "", "404 NOTE_MISSING", ""),
            ("GET /nowhere", &[], "", "404 ROUTE_NOT_FOUND", ""),
            ("GET /ws", &[], "", "426 UPGRADE_REQUIRED", "upgrade"),
            ("PUT /v1/notes/a", &[], "", "405 METHOD_NOT_ALLOWED", "allow"),
            ("POST /.well-known/lastmile/info", &[], "", "405 METHOD_NOT_ALLOWED", "allow"),
            ("GET /v1/notes/%zz", &[], "", "400 PATH_INVALID", ""),
            ("GET /v1/notes/a?b=c", &[], "", "400 FIELD_INVALID", ""),
            ("POST /v1/notes", &[], large, "413 BODY_TOO_LARGE", ""),
            ("POST /v1/notes", &[kind], "{}", "415 CONTENT_TYPE_UNSUPPORTED", "accept"),
            ("POST /v1/notes", &[], "{", "400 JSON_INVALID", ""),
            ("GET /v1/notes/a", &[("accept", "text/html")], "", "406 NOT_ACCEPTABLE", ""),
            ("GET /v1/notes/a", &[("accept-encoding", "identity;q=0")], "", "406 NOT_ACCEPTABLE", ""),
            ("GET /v1/notes/a", &[("origin", "http://evil.test")], "", "403 ORIGIN_REFUSED", ""),
            ("GET /v1/notes/a", &[("host", "twice.test")], "", "400 HOST_INVALID", ""),
            ("GET /v1/notes/a", &[("grpc-timeout", "x")], "", "400 FIELD_INVALID", ""),
            ("GET /v1/watch?topic=a&heartbeat=foo", &[], "", "400 FIELD_INVALID", ""),
            ("GET /.well-known/jwks.json", &[], "", "404 NO_ISSUER", ""),
        ] {
            let answer = site.ask(line, headers, body).await;
            assert_eq!(told(&answer), expected, "{line} {headers:?}: {}", answer.text());
            assert!(answer.header("vary").contains("Accept"), "{line}");
            assert!(owed.is_empty() || answer.headers.contains_key(owed), "{line} owes {owed}");
        }
    }
}

#[tokio::test]
async fn too_many_requests_are_told_in_the_same_shape() {
    let limits = json!({ "limits": { "request_burst": 1, "requests_per_second": 1 } });
    let site = site(limits, failure(Code::NotFound, "NOTE_MISSING")).await;
    assert_eq!(told(&site.get("/v1/notes/a", &[]).await), "404 NOTE_MISSING");
    let refused = site.get("/v1/notes/a", &[STATUS]).await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (429, json!(8)));
    assert!(refused.headers.contains_key(header::RETRY_AFTER), "{refused:?}");
}

#[tokio::test]
async fn every_code_has_its_http_status() {
    let codes = Backend::new(|_, request| {
        let code = request["name"].as_str().and_then(|name| name.parse().ok()).unwrap_or(0);
        vec![Act::Fail(tonic::Status::new(Code::from_i32(code), "no"))]
    });
    let site = Site::start(json!({}), &codes).await;
    let mut statuses = Vec::new();
    for code in 1..=17 {
        let answer = site.get(&format!("/v1/notes/{code}"), &[]).await;
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, if answer.status == 401 { r#"Bearer realm="lastmile""# } else { "" }, "{code}");
        statuses.push(answer.status);
    }
    assert_eq!(
        statuses,
        [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401, 500]
    );
}

#[tokio::test]
async fn a_401_says_what_was_wrong_with_the_token() {
    let invalid = r#"Bearer realm="lastmile", error="invalid_token""#;
    for (reason, expected) in [
        ("TOKEN_EXPIRED", &*format!(r#"{invalid}, error_description="expired""#)),
        ("TOKEN_REVOKED", invalid),
        ("LOGIN_REQUIRED", r#"Bearer realm="lastmile""#),
    ] {
        let answer =
            site(json!({}), failure(Code::Unauthenticated, reason)).await.get("/v1/notes/a", &[]).await;
        assert_eq!((answer.status, answer.header("www-authenticate").as_str()), (401, expected), "{reason}");
    }
}

#[tokio::test]
async fn a_backends_own_faults_are_told_to_developers_only() {
    let secret = "row 7 of users at db.internal";
    let debug = DebugInfo { stack_entries: vec!["main.go:7".into()], detail: String::new() };
    let info = ErrorInfo { reason: "DISK_BAD".into(), domain: "shop.test".into(), ..Default::default() };
    let details = vec![detail("google.rpc.ErrorInfo", &info), detail("google.rpc.DebugInfo", &debug)];
    for code in [Code::Internal, Code::Unknown, Code::DataLoss] {
        let act = failure_with(code, secret, details.clone());
        for settings in [json!({}), json!({ "dev": true, "rest": { "internal_messages": false } })] {
            let site = site(settings, act.clone()).await;
            for headers in [&[][..], &[STATUS]] {
                let answer = site.get("/v1/notes/a", headers).await;
                let text = answer.text();
                assert!(!text.contains("users") && !text.contains("main.go"), "{code:?}: {text}");
                assert!(text.contains("The backend failed. The log of the edge has the cause"), "{text}");
            }
            let problem = site.get("/v1/notes/a", &[]).await.json();
            assert_eq!((&problem["reason"], problem.get("details")), (&json!("DISK_BAD"), None));
        }
        for settings in [json!({ "dev": true }), json!({ "rest": { "internal_messages": true } })] {
            let problem = site(settings, act.clone()).await.get("/v1/notes/a", &[]).await.json();
            assert_eq!(problem["detail"], secret);
            assert_eq!(problem["details"][1]["stackEntries"], json!(["main.go:7"]));
        }
    }
    let site = site(json!({}), failure_with(Code::NotFound, "no note", details)).await;
    let problem = site.get("/v1/notes/a", &[]).await.json();
    assert_eq!(problem["detail"], "no note");
    assert_eq!(problem["details"].as_array().map(Vec::len), Some(1), "no stack traces: {problem}");
}

#[tokio::test]
async fn streams_fail_in_the_form_that_is_set() {
    for (settings, expected) in [
        (json!({}), json!({ "code": "OUT_OF_RANGE", "reason": "TOO_FAR" })),
        (json!({ "rest": { "errors": "status" } }), json!({ "code": 11, "message": "too_far" })),
    ] {
        let backend = Backend::new(|_, _| {
            vec![crate::backend::response(json!({ "number": 1 })), failure(Code::OutOfRange, "TOO_FAR")]
        });
        let site = Site::start(settings, &backend).await;
        let lines = site.get("/v1/tick", &[("accept", "application/x-ndjson")]).await;
        let last = lines.text().lines().last().expect("a line");
        let error = serde_json::from_str::<Value>(last).expect("JSON")["@error"].clone();
        let sse = site.get("/v1/tick", &[("accept", "text/event-stream")]).await;
        let data = sse.text().split("event: lm-error\ndata: ").nth(1).expect("lm-error").trim();
        assert_eq!(serde_json::from_str::<Value>(data).expect("JSON")["details"], error["details"]);
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(&error[name], value, "{error}");
        }
    }
}

#[tokio::test]
async fn the_envelope_holds_answers_and_errors() {
    let backend = Backend::new(|_, request| match request["name"].as_str() {
        Some("none") => vec![failure(Code::NotFound, "NOTE_MISSING")],
        _ => answer("Note", json!({ "name": "a" })),
    });
    let site = Site::start(json!({ "rest": { "envelope": "code-data" } }), &backend).await;
    let good = site.get("/v1/notes/a", &[]).await;
    assert_eq!(good.line(), r#"200 {"code":0,"data":{"name":"a","text":"","etag":""}}"#);
    let bad = site.get("/v1/notes/none", &[]).await;
    assert_eq!(
        (bad.status, bad.json()),
        (404, json!({ "code": 5, "message": "note_missing", "data": null }))
    );
    assert_eq!(bad.header("content-type"), "application/json; charset=utf-8");
    let known = site.get("/v1/notes/a", &[("if-none-match", &good.header("etag"))]).await;
    assert_eq!(known.line(), "304");
    let bytes = site.get("/v1/notes/a", &[("accept", "application/x-protobuf")]).await;
    assert_eq!(bytes.body, b"\x0a\x01a");
    let named = site.get("/v1/notes/none", &[("accept", "application/problem+json, */*")]).await;
    assert_eq!(named.json()["reason"], "NOTE_MISSING");
}

#[tokio::test]
async fn details_that_are_not_base64_are_left_out_of_the_error() {
    const BAD: &[(&str, &str)] =
        &[("grpc-status", "5"), ("grpc-message", "gone"), ("grpc-status-details-bin", "%%%")];
    let in_head = BAD.iter().map(|(name, value)| Act::Metadata(name, value)).chain([Act::Cut]).collect();
    let late = vec![response(json!({ "number": 1 })), Act::Trailers(BAD)];
    for (acts, line, kind, status) in [
        (vec![Act::Trailers(BAD)], "GET /v1/notes/a", "application/json", 404),
        (in_head, "GET /v1/notes/a", "application/json", 404),
        (vec![Act::Trailers(BAD)], "GET /v1/tick", "application/x-ndjson", 404),
        (late.clone(), "GET /v1/tick", "application/x-ndjson", 200),
        (late, "POST /shop.v1.Streams/Tick", "application/grpc-web+proto", 200),
        (vec![Act::Trailers(BAD)], "POST /shop.v1.Notes/GetNote", "application/proto", 404),
    ] {
        let host = Host::of(&Backend::new(move |_, _| acts.clone())).await;
        let config = UpstreamConfig { url: vec![host.url()], ..UpstreamConfig::default() };
        let site = Site::before(json!({}), Upstream::connect(&[config]).expect("a URL")).await;
        let body = if kind.starts_with("application/grpc") { &b"\0\0\0\0\0"[..] } else { b"" };
        let answer = site.ask(line, &[("accept", kind), ("content-type", kind)], body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{line} {kind}: {text}");
        assert!(text.contains("gone") && !text.contains("%%%"), "{line} {kind}: {text}");
    }
}

#[tokio::test]
async fn bad_metadata_of_an_answer_takes_no_other_with_it() {
    let backend = Backend::new(|_, _| {
        let metadata = [("x-key-bin", "%%%"), ("x-key-bin", "AQID"), ("x-shard", "7")];
        let metadata = metadata.map(|(name, value)| Act::Metadata(name, value));
        metadata.into_iter().chain(answer("Note", json!({ "name": "a" }))).collect()
    });
    let calls = json!({ "request_headers": ["x-key-bin"], "response_headers": ["x-key-bin", "x-shard"] });
    let site = Site::start(json!({ "calls": calls }), &backend).await;
    let connect = ("connect-protocol-version", "1");
    for (line, headers) in [
        ("GET /v1/notes/a", vec![]),
        ("POST /shop.v1.Notes/GetNote", vec![connect, ("content-type", "application/json")]),
        ("POST /shop.v1.Notes/GetNote", vec![("content-type", "application/grpc-web+proto")]),
    ] {
        let body = if headers.len() == 1 { "\0\0\0\0\0" } else { "{}" };
        let body = if headers.is_empty() { "" } else { body };
        let answer = site.ask(line, &headers, body).await;
        let shown = (answer.status, answer.header("x-key-bin"), answer.header("x-shard"));
        assert_eq!(shown, (200, "AQID".into(), "7".into()), "{line} {headers:?}");
    }
    let refused = site.get("/v1/notes/a", &[("x-key-bin", "%%%")]).await;
    assert_eq!((refused.status, refused.json()["errors"][0]["field"].clone()), (400, json!("x-key-bin")));
}
