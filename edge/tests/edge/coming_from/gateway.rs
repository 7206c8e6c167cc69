//! Rows of grpc-gateway about calls: errors, streams, metadata, routes.

use serde_json::json;
use tonic::Code;

use crate::backend::{Act, Backend, failure};
use crate::shop::{compile, load, load_with};
use crate::site::Site;

use super::stage::{compat, echo, passed, site, stream, talkative};

pub(super) async fn annotations() {
    assert_eq!(site(&echo()).await.get("/v1/notes/a", &[]).await.json()["name"], "a");
}

pub(super) async fn rules() {
    let yaml = "type: google.api.Service\nconfig_version: 3\n\n\
                http:\n  rules:\n    - selector: t.S.M\n      get: /v1/plain/{name}\n";
    let proto =
        "syntax = \"proto3\"; package t; message R { string name = 1; } service S { rpc M(R) returns (R); }";
    let schema = load_with(compile(proto), yaml).expect("a good rule");
    assert!(schema.bindings.iter().any(|binding| binding.template == "/v1/plain/{name}"));
}

pub(super) async fn patch() {
    let backend = echo();
    site(&backend).await.ask("PATCH /v1/items/7", &[], r#"{"amount":1,"maker":{"name":"n"}}"#).await;
    assert_eq!(backend.calls()[0]["updateMask"], "amount,maker.name");
}

pub(super) async fn errors() {
    let backend = Backend::new(|_, _| vec![failure(Code::NotFound, "NOTE_MISSING")]);
    let status = ("accept", "application/vnd.google.rpc.status+json");
    let setting = Site::start(json!({ "rest": { "errors": "status" } }), &backend).await;
    let mut problem = site(&backend).await.get("/v1/notes/a", &[]).await.json();
    for error in [
        compat(&backend).await.get("/v1/notes/a", &[]).await,
        setting.get("/v1/notes/a", &[]).await,
        site(&backend).await.get("/v1/notes/a", &[status]).await,
    ] {
        let expected = json!({ "code": 5, "message": "note_missing", "details": problem["details"] });
        assert_eq!((error.status, error.json()), (404, expected));
    }
    assert_eq!(problem["details"][0]["reason"].take(), "NOTE_MISSING");
}

pub(super) async fn own_errors() {
    let site = site(&echo()).await;
    assert_eq!(site.get("/nowhere", &[]).await.json()["reason"], "ROUTE_NOT_FOUND");
    let wrong = site.ask("PUT /v1/notes/a", &[], "").await;
    assert_eq!((wrong.status, wrong.json()["reason"].clone()), (405, json!("METHOD_NOT_ALLOWED")));
    for method in ["GET", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
        assert!(wrong.header("allow").contains(method), "{wrong:?}");
    }
    assert_eq!(site.ask("OPTIONS /v1/notes/a", &[], "").await.status, 204);
    assert_eq!(site.ask("HEAD /v1/notes/a", &[], "").await.line(), "200");
}

pub(super) async fn streams() {
    let failing = stream(failure(Code::OutOfRange, "TOO_FAR"));
    let lines = compat(&failing).await.get("/v1/tick", &[]).await;
    let starts: Vec<&str> = lines.text().lines().map(|line| &line[..9]).collect();
    assert_eq!(starts, [r#"{"result""#, r#"{"result""#, r#"{"error":"#]);
    faces().await;
}

pub(super) async fn faces() {
    let site = site(&stream(Act::End)).await;
    let lines = site.get("/v1/tick", &[("accept", "application/x-ndjson")]).await;
    assert!(lines.text().ends_with("{\"@end\":{}}\n"), "{lines:?}");
    let array = site.get("/v1/tick", &[("accept", "application/json")]).await.json();
    assert_eq!(array.as_array().map(Vec::len), Some(2));
    let sse = site.get("/v1/watch?topic=a", &[("accept", "text/event-stream")]).await;
    assert!(sse.text().contains("id: lm1.") && sse.text().contains("event: lm-end"), "{sse:?}");
}

pub(super) async fn request_metadata() {
    let (old, new) = (("Grpc-Metadata-Foo", "x"), ("foo", "x"));
    let listed = json!({ "calls": { "request_headers": ["foo"] } });
    let mut compat = listed.clone();
    compat["rest"] = json!({ "compat": "grpc-gateway" });
    for (settings, header, expected) in [
        (&compat, old, Some("x")),
        (&json!({ "rest": { "compat": "grpc-gateway" } }), old, None),
        (&listed, old, None),
        (&listed, new, Some("x")),
        (&json!({}), new, None),
    ] {
        assert_eq!(
            passed(settings.clone(), header, "foo").await.as_deref(),
            expected,
            "{settings} {header:?}"
        );
    }
}

pub(super) async fn authorization() {
    let bearer = Some("Bearer t");
    for settings in [json!({}), json!({ "rest": { "compat": "grpc-gateway" } })] {
        let forged = ("Grpc-Metadata-Authorization", "Bearer t");
        assert_eq!(passed(settings.clone(), forged, "authorization").await, None);
        // Without an issuer of tokens, the backend verifies.
        assert_eq!(passed(settings, ("authorization", "Bearer t"), "authorization").await.as_deref(), bearer);
    }
}

pub(super) async fn answer_metadata() {
    let compat = json!({ "compat": "grpc-gateway" });
    let listed = json!({ "response_headers": ["x-shard"] });
    for (settings, prefixed, own) in [
        (json!({ "rest": compat, "calls": listed }), "7", ""),
        (json!({ "rest": compat }), "", ""),
        (json!({ "calls": listed }), "", "7"),
        (json!({}), "", ""),
    ] {
        let answer = Site::start(settings.clone(), &talkative()).await.get("/v1/notes/a", &[]).await;
        let shown = (answer.header("grpc-metadata-x-shard"), answer.header("x-shard"));
        assert_eq!(shown, (prefixed.to_owned(), own.to_owned()), "{settings}");
    }
}

pub(super) async fn cookies() {
    let listed =
        json!({ "calls": { "response_headers": ["set-cookie"] }, "rest": { "compat": "grpc-gateway" } });
    let answer = Site::start(listed, &talkative()).await.get("/v1/notes/a", &[]).await;
    assert!(!answer.text().is_empty() && !format!("{:?}", answer.headers).contains("a=b"), "{answer:?}");
}

pub(super) async fn deadline() {
    let site = site(&stream(Act::Hang)).await;
    let (timeout, lines) = (("grpc-timeout", "300m"), ("accept", "application/x-ndjson"));
    let late = site.get("/v1/tick", &[timeout, lines]).await;
    assert!(late.text().lines().last().is_some_and(|line| line.contains("DEADLINE_EXCEEDED")), "{late:?}");
    let hanging = Backend::new(|_, _| vec![Act::Hang]);
    assert_eq!(compat(&hanging).await.get("/v1/notes/a", &[("Grpc-Timeout", "30m")]).await.status, 504);
}

pub(super) async fn duplicates() {
    let rpc = |name: &str| {
        format!("rpc {name}(R) returns (R) {{ option (google.api.http) = {{ get: \"/v1/x\" }}; }}")
    };
    let proto =
        "syntax = \"proto3\"; package t; import \"google/api/annotations.proto\"; message R {} service S {";
    let mistakes =
        load(&format!("{proto} {} {} }}", rpc("One"), rpc("Two"))).expect_err("one route twice").to_string();
    assert!(mistakes.contains("t.S/One") && mistakes.contains("t.S.Two"), "{mistakes}");
}

pub(super) async fn method_override() {
    let backend = echo();
    let site = site(&backend).await;
    assert_eq!(site.ask("POST /v1/notes/a", &[("x-http-method-override", "DELETE")], "").await.status, 405);
    assert!(backend.calls().is_empty());
}

pub(super) async fn etag() {
    let backend = echo();
    let site = site(&backend).await;
    let tag = site.get("/v1/notes/a", &[]).await.header("etag");
    assert_eq!(site.get("/v1/notes/a", &[("if-none-match", &tag)]).await.line(), "304");
    site.ask("PATCH /v1/notes/a", &[("if-match", &tag)], r#"{"text":"y"}"#).await;
    assert_eq!(backend.calls().pop().expect("a call")["note"]["etag"], "v3");
}
