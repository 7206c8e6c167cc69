//! HTTP manners of answers over real sockets: validators, negotiation, compression, conditions, preferences.

use std::io::Read;

use flate2::read::GzDecoder;
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

use crate::backend::{Act, Backend, answer, event, failure, position};
use crate::shop::message;
use crate::site::Site;

/// A backend with one note, whose etag is `v3`.
fn notes() -> Backend {
    Backend::new(|method, request| {
        let etag = [&request["etag"], &request["note"]["etag"]].into_iter().find_map(Value::as_str);
        match (method, etag) {
            (_, Some(etag)) if etag != "v3" => vec![failure(Code::Aborted, "ETAG_MISMATCH")],
            ("Notes/GetPage", _) => answer("Page", json!({ "note": note(), "number": 5 })),
            ("Notes/DeleteNote", _) => vec![Act::Send(bytes::Bytes::new()), Act::End],
            _ => answer("Note", note()),
        }
    })
}

fn note() -> Value {
    json!({ "name": "a", "text": "b".repeat(2000), "etag": "v3" })
}

fn note_bytes() -> Vec<u8> {
    message("Note", note()).encode_to_vec()
}

#[tokio::test]
async fn an_answer_is_json_or_protobuf_as_accept_says() {
    let site = Site::start(json!({}), &notes()).await;
    for (accept, expected) in [
        ("*/*", "application/json; charset=utf-8"),
        ("application/json;q=0.5, application/protobuf;q=0.6", "application/protobuf"),
        ("application/x-protobuf", "application/x-protobuf"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json; charset=utf-8"),
        ("application/json;q=0, */*", "application/x-protobuf"),
        ("application/problem+json", "application/json; charset=utf-8"),
        ("application/vnd.google.rpc.status+json, application/protobuf", "application/protobuf"),
    ] {
        for path in ["/v1/notes/a", "/v1/pages/a"] {
            let answer = site.get(path, &[("accept", accept)]).await;
            assert_eq!((answer.status, answer.header("content-type").as_str()), (200, expected), "{accept}");
            assert!(answer.header("vary").contains("Accept"), "{accept}");
            if expected.ends_with("protobuf") {
                assert_eq!(answer.body, note_bytes(), "{path} {accept}");
            }
        }
    }
    let refused = site.get("/v1/notes/a", &[("accept", "text/html")]).await;
    assert_eq!(refused.status, 406);
    let detail =
        "Ask with `Accept` for one of `application/json`, `application/x-protobuf`, `application/protobuf`.";
    assert_eq!(refused.json()["detail"], detail);
    let number = site.get("/v1/pages/a/number", &[("accept", "application/x-protobuf")]).await;
    assert_eq!(RpcCode::of(&number.body), 3, "a number is no message: {number:?}");
    assert_eq!(site.get("/v1/pages/a/number", &[]).await.line(), "200 5");
}

/// The code of an encoded google.rpc.Status.
struct RpcCode;

impl RpcCode {
    fn of(bytes: &[u8]) -> i32 {
        lastmile_proto::google::rpc::Status::decode(bytes).expect("a google.rpc.Status").code
    }
}

#[tokio::test]
async fn an_answer_that_is_known_is_304_in_every_coding() {
    let site = Site::start(json!({}), &notes()).await;
    let plain = site.get("/v1/notes/a", &[]).await;
    let tag = plain.header("etag");
    assert!(tag.starts_with("W/\"v3;lm="), "{tag}");
    assert_eq!(plain.header("cache-control"), "private, no-cache");
    for coding in ["gzip", "br", "zstd", "identity"] {
        let answer = site.get("/v1/notes/a", &[("accept-encoding", coding)]).await;
        assert_eq!(answer.header("etag"), tag, "{coding}");
        assert_eq!(answer.header("vary"), "Accept, Accept-Encoding, Origin", "{coding}");
        let known = [("accept-encoding", coding), ("if-none-match", tag.as_str())];
        let known = site.get("/v1/notes/a", &known).await;
        assert_eq!((known.line().as_str(), known.header("etag")), ("304", tag.clone()), "{coding}");
        assert_eq!(known.header("cache-control"), "private, no-cache");
        assert_eq!(known.header("vary"), "Accept, Accept-Encoding, Origin", "{known:?}");
        assert_eq!(known.header("content-type"), "");
    }
    assert_ne!(site.get("/v1/notes/a", &[("accept", "application/protobuf")]).await.header("etag"), tag);
    let changed = site.ask("POST /v1/notes", &[("if-none-match", &tag)], "{}").await;
    assert_eq!((changed.status, changed.header("etag").as_str()), (200, ""), "only what is read");
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let site = Site::start(json!({}), &notes()).await;
    for headers in [&[][..], &[("accept-encoding", "gzip")]] {
        let get = site.get("/v1/notes/a", headers).await;
        let head = site.ask("HEAD /v1/notes/a", headers, "").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-type", "etag", "cache-control", "vary", "content-encoding"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        if headers.is_empty() {
            assert_eq!(head.header("content-length"), get.body.len().to_string());
        }
    }
}

#[tokio::test]
async fn whole_answers_are_compressed_and_streams_are_not() {
    let backend = Backend::new(|method, request| match method {
        "Notes/GetNote" if request["name"] == "short" => answer("Note", json!({ "name": "short" })),
        "Notes/GetNote" => answer("Note", note()),
        _ => vec![crate::backend::response(json!({ "type": "x".repeat(4000) })), Act::End],
    });
    let site = Site::start(json!({}), &backend).await;
    let plain = site.get("/v1/notes/a", &[]).await;
    for (accept, path, expected) in [
        ("gzip", "/v1/notes/a", "gzip"),
        ("br", "/v1/notes/a", "br"),
        ("zstd", "/v1/notes/a", "zstd"),
        ("gzip;q=0.9, br;q=0.1, deflate", "/v1/notes/a", "gzip"),
        ("gzip, identity;q=0", "/v1/notes/short", "gzip"),
        ("gzip", "/v1/notes/short", ""),
        ("gzip;q=0", "/v1/notes/a", ""),
        ("deflate", "/v1/notes/a", ""),
        ("gzip", "/v1/tick", ""),
    ] {
        let answer = site.get(path, &[("accept-encoding", accept)]).await;
        assert_eq!(answer.header("content-encoding"), expected, "{path} {accept}");
        if expected.is_empty() {
            continue;
        }
        assert!(path != "/v1/notes/a" || answer.body.len() < 200, "{accept}: {} bytes", answer.body.len());
        if expected == "gzip" && path == "/v1/notes/a" {
            let mut text = Vec::new();
            GzDecoder::new(&*answer.body).read_to_end(&mut text).expect("gzip");
            assert_eq!(text, plain.body);
        }
    }
    for accept in ["text/event-stream", "application/json"] {
        let headers = [("accept", accept), ("accept-encoding", "gzip")];
        let stream = site.get("/v1/tick", &headers).await;
        assert_eq!(stream.header("content-encoding"), "", "{accept}");
        assert!(stream.text().contains("xxxx"), "{accept}");
    }
    let before = backend.calls().len();
    assert_eq!(site.ask("POST /v1/notes", &[("accept-encoding", "*;q=0")], "{}").await.status, 406);
    assert_eq!(backend.calls().len(), before, "it is refused before anything is changed");
}

#[tokio::test]
async fn files_and_own_paths_are_compressed_too() {
    let site = Site::start(json!({ "dev": true }), &notes()).await;
    for coding in ["gzip", "identity"] {
        let answer = site.get("/.well-known/lastmile/descriptors", &[("accept-encoding", coding)]).await;
        assert_eq!(answer.header("content-encoding"), coding.replace("identity", ""));
        assert_eq!(answer.header("vary"), "Accept-Encoding, Origin", "{coding}");
    }
}

#[tokio::test]
async fn if_match_is_bound_to_the_etag() {
    let backend = notes();
    let site = Site::start(json!({}), &backend).await;
    let tag = site.get("/v1/notes/a", &[]).await.header("etag");
    let paged = site.get("/v1/pages/a", &[]).await.header("etag");
    assert!(paged.starts_with("W/\"v3;lm="), "{paged}");
    for (given, status, bound) in [
        (tag.as_str(), 200, json!("v3")),
        ("\"v3\"", 200, json!("v3")),
        ("W/\"v3\"", 200, json!("v3")),
        ("*", 200, Value::Null),
        ("\"v2\"", 412, json!("v2")),
    ] {
        let headers = [("if-match", given)];
        let patched = site.ask("PATCH /v1/notes/a", &headers, r#"{"text":"new"}"#).await;
        assert_eq!(patched.status, status, "{given}: {}", patched.text());
        let call = backend.calls().pop().expect("a call");
        assert_eq!(call["note"].get("etag").cloned().unwrap_or_default(), bound, "{given}");
        assert_eq!(call["updateMask"], "text", "{given}");
        assert_eq!(site.ask("DELETE /v1/notes/a", &headers, "").await.status, status, "{given}");
        let call = backend.calls().pop().expect("a call");
        assert_eq!(call.get("etag").cloned().unwrap_or_default(), bound, "{given}");
    }
    let refused = site.ask("DELETE /v1/notes/a", &[("if-match", "\"a\", \"b\"")], "").await;
    assert_eq!(refused.json()["errors"][0]["field"], "if-match");
    // What the request itself says, counts.
    let own = site.ask("PATCH /v1/notes/a", &[("if-match", "\"v3\"")], r#"{"etag":"v2"}"#).await;
    assert_eq!((own.status, own.json()["reason"].clone()), (412, json!("ETAG_MISMATCH")));
    // Without the header there is no precondition of HTTP.
    assert_eq!(site.ask("PATCH /v1/notes/a", &[], r#"{"etag":"v2"}"#).await.status, 409);
    let read = site.get("/v1/notes/a", &[("if-match", "\"v2\"")]).await;
    assert_eq!(read.status, 200, "reading changes nothing");
}

#[tokio::test]
async fn only_a_refused_etag_is_412() {
    for (act, expected) in [
        (Act::Fail(tonic::Status::aborted("changed")), 412),
        (failure(Code::Aborted, "ETAG_MISMATCH"), 412),
        (failure(Code::FailedPrecondition, "STALE_ETAG"), 412),
        (failure(Code::Aborted, "DOCUMENT_CONFLICT"), 409),
        (failure(Code::FailedPrecondition, "LAST_ADMIN"), 400),
        (failure(Code::NotFound, "NOTE_MISSING"), 404),
    ] {
        let backend = Backend::new(move |_, _| vec![act.clone()]);
        let site = Site::start(json!({}), &backend).await;
        let answer = site.ask("DELETE /v1/notes/a", &[("if-match", "\"v1\"")], "").await;
        assert_eq!(answer.status, expected, "{}", answer.text());
    }
}

#[tokio::test]
async fn idempotency_key_is_bound_to_its_field() {
    let backend = notes();
    let site = Site::start(json!({}), &backend).await;
    let check = async |line: &str, given: &str, field: &str, expected: Value| {
        site.ask(line, &[("idempotency-key", given)], "{}").await;
        let call = backend.calls().pop().expect("a call");
        assert_eq!(call.get(field).cloned().unwrap_or_default(), expected, "{line} {given}");
    };
    check("POST /v1/notes", "k1", "idempotencyKey", json!("k1")).await;
    check("POST /v1/notes", "\"k 1\"", "idempotencyKey", json!("k 1")).await;
    check("POST /v1/notes?idempotencyKey=own", "k1", "idempotencyKey", json!("own")).await;
    check("PATCH /v1/notes/a", "k1", "requestId", json!("k1")).await;
    check("DELETE /v1/notes/a", "k1", "requestId", Value::Null).await;
    let twice = site.ask("POST /v1/notes", &[("idempotency-key", "a"), ("idempotency-key", "b")], "{}").await;
    assert_eq!(twice.json()["errors"][0]["field"], "idempotency-key");
}

#[tokio::test]
async fn a_long_poll_says_what_became_of_the_preference() {
    let backend = Backend::new(|method, _| match method {
        "Streams/Watch" => vec![position(0), event(1), event(2), Act::Hang],
        _ => answer("Note", note()),
    });
    let site = Site::start(json!({ "streams": { "coalesce": "20ms" } }), &backend).await;
    let ask = async |prefer: &str| {
        site.get("/v1/watch?topic=a", &[("prefer", prefer), ("accept", "application/json")]).await
    };
    for (prefer, applied) in
        [("wait=5", "wait=5"), ("respond-async, wait=7", "wait=7"), ("wait=600", "wait=60")]
    {
        let answer = ask(prefer).await;
        assert_eq!((answer.status, answer.header("preference-applied").as_str()), (200, applied), "{prefer}");
        assert_eq!(answer.json().as_array().map(Vec::len), Some(2), "{answer:?}");
        assert!(answer.header("link").ends_with("rel=\"next\""), "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let refused = site.get("/v1/watch?topic=a&heartbeat=foo", &[("prefer", "wait=1")]).await;
    assert_eq!(refused.json()["errors"][0]["field"], "heartbeat");
    let unary = site.get("/v1/notes/a", &[("prefer", "wait=5, respond-async")]).await;
    assert_eq!((unary.status, unary.header("preference-applied").as_str()), (200, ""));
}

#[tokio::test]
async fn a_poll_that_waits_for_nothing_answers_at_once() {
    let backend = Backend::new(|_, _| vec![position(0), Act::Hang]);
    let site = Site::start(json!({ "streams": { "peek": "1ms" } }), &backend).await;
    let answer = site.get("/v1/watch?topic=a", &[("prefer", "wait=0")]).await;
    assert_eq!((answer.status, answer.header("preference-applied").as_str()), (204, "wait=0"));
    assert!(answer.header("link").contains("cursor=lm1."), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn pages_read_the_numbers_where_they_may() {
    for (settings, is_served) in [
        (json!({}), false),
        (json!({ "dev": true }), true),
        (json!({ "paths": { "metrics": true, "prefix": "/lastmile" } }), true),
    ] {
        let site = Site::start(settings.clone(), &notes()).await;
        let prefix = settings["paths"]["prefix"].as_str().unwrap_or_default();
        let answer = site.get(&format!("{prefix}/.well-known/lastmile/metrics"), &[]).await;
        assert_eq!(answer.status, if is_served { 200 } else { 404 }, "{settings} {answer:?}");
        let said = if is_served { "lastmile_edge_readers 0\n" } else { "paths.metrics = true" };
        assert!(answer.text().contains(said), "{settings} {answer:?}");
    }
}

#[tokio::test]
async fn a_binding_is_never_hidden_by_a_file_of_the_console() {
    let rules = std::env::temp_dir().join(format!("lastmile-manners-{}.yaml", std::process::id()));
    std::fs::write(&rules, "http: { rules: [{ selector: shop.v1.Notes.GetNote, get: /index.html }] }")
        .expect("written");
    let site = Site::start(json!({ "rules": rules }), &notes()).await;
    std::fs::remove_file(&rules).expect("removed");
    let bound = site.get("/index.html", &[]).await;
    assert_eq!(bound.header("content-type"), "application/json; charset=utf-8");
    let console = site.get("/", &[]).await;
    assert!(
        console.header("content-type").starts_with("text/"),
        "the console, or that it is not built: {console:?}"
    );
}
