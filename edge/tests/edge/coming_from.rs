//! The page "Coming from grpc-gateway, Envoy or Connect": each of its rows, shown over a real socket.

use std::collections::BTreeSet;
use std::pin::Pin;

use lastmile_edge::front::rpc::base64_text::{self, Base64Text};
use lastmile_edge::front::rpc::envelope::{END_STREAM, Envelopes};
use serde_json::{Value, json};
use tonic::Code;

use crate::backend::{Act, Backend, answer, detail, event, failure, failure_with, position, response};
use crate::shop::{compile, load, load_with, message};
use crate::site::{Answer, Site};

const PAGE: &str = include_str!("../../COMING-FROM.md");

type Row = (&'static str, fn() -> Pin<Box<dyn Future<Output = ()>>>);

/// The row's name and what shows it.
macro_rules! rows {
    ($($name:literal $shown:ident)*) => { &[$(($name, || Box::pin($shown()))),*] };
}

const ROWS: &[Row] = rows! {
    "gateway-annotations" annotations
    "gateway-rules" rules
    "gateway-defaults" defaults
    "gateway-emit-unpopulated" omitted_defaults
    "gateway-int64" int64
    "gateway-enums" enums
    "gateway-enum-numbers" enum_numbers
    "gateway-names" names
    "gateway-proto-names" proto_names
    "gateway-unknown-json" unknown_json
    "gateway-discard-unknown" discarded_json
    "gateway-query" query
    "gateway-unknown-query" ignored_query
    "gateway-query-maps" query_maps
    "gateway-query-duration" query_duration
    "gateway-patch" patch
    "gateway-errors" errors
    "gateway-own-errors" own_errors
    "gateway-streams" streams
    "gateway-request-metadata" request_metadata
    "gateway-answer-metadata" answer_metadata
    "gateway-authorization" authorization
    "gateway-deadline" deadline
    "gateway-cookies" cookies
    "gateway-duplicates" duplicates
    "gateway-override" method_override
    "gateway-etag" etag
    "envoy-descriptors" annotations
    "envoy-auto-mapping" implicit_bindings
    "envoy-errors" unknown_details
    "envoy-first-error" first_error
    "envoy-late-error" late_error
    "envoy-streams" faces
    "envoy-query" unknown_query
    "envoy-path" path
    "envoy-wrong-method" own_errors
    "envoy-deadline" deadline
    "envoy-headers" headers
    "envoy-compressor" compressor
    "envoy-large-body" large_body
    "envoy-print-options" defaults
    "envoy-int64" int64_numbers
    "connect-unary" connect_unary
    "connect-errors" connect_errors
    "connect-streams" connect_streams
    "connect-grpc-web" grpc_web
    "connect-codes" codes
    "connect-timeout" connect_timeout
    "connect-get" etag
    "connect-proto" protobuf
    "connect-browser-streams" faces
};

#[tokio::test]
async fn every_row_of_the_page_holds() {
    let cells = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let told: Vec<&str> = cells.collect();
    let shown: Vec<&str> = ROWS.iter().map(|row| row.0).collect();
    let (told_once, shown_once): (BTreeSet<_>, BTreeSet<_>) = (told.iter().collect(), shown.iter().collect());
    assert_eq!(told_once, shown_once, "rows of the page, and rows that are tested");
    assert_eq!((told.len(), shown.len()), (told_once.len(), shown_once.len()), "each name once");
    for (_, show) in ROWS {
        show().await;
    }
}

async fn site(backend: &Backend) -> Site {
    Site::start(json!({}), backend).await
}

async fn compat(backend: &Backend) -> Site {
    Site::start(json!({ "rest": { "compat": "grpc-gateway" } }), backend).await
}

/// A backend that gives its requests back where it can.
fn echo() -> Backend {
    Backend::new(|method, request| match method {
        "Shop/Echo" => answer("Kinds", request.clone()),
        "Shop/UpdateItem" => answer("Item", request["item"].clone()),
        _ => answer("Note", json!({ "name": "a", "text": "x".repeat(2000), "etag": "v3" })),
    })
}

async fn echoed(body: Value) -> Answer {
    let answer = site(&echo()).await.ask("POST /v1/kinds:echo", &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// 400 that names this field.
async fn refused(line: &str, body: &str, field: &str) {
    let answer = site(&echo()).await.ask(line, &[], body).await;
    assert_eq!(answer.status, 400, "{line}: {}", answer.text());
    assert_eq!(answer.json()["errors"][0]["field"], field, "{line}");
}

async fn annotations() {
    assert_eq!(site(&echo()).await.get("/v1/notes/a", &[]).await.json()["name"], "a");
}

async fn rules() {
    let yaml = "http:\n  rules:\n    - selector: t.S.M\n      get: /v1/plain/{name}\n";
    let proto =
        "syntax = \"proto3\"; package t; message R { string name = 1; } service S { rpc M(R) returns (R); }";
    let schema = load_with(compile(proto), yaml).expect("a good rule");
    assert!(schema.bindings.iter().any(|binding| binding.template == "/v1/plain/{name}"));
}

async fn defaults() {
    let kinds = echoed(json!({})).await.json();
    assert_eq!((&kinds["text"], &kinds["flag"], &kinds["numbers"]), (&json!(""), &json!(false), &json!([])));
}

async fn int64() {
    assert_eq!(
        echoed(json!({ "int64Value": 9_007_199_254_740_993_u64 })).await.json()["int64Value"],
        "9007199254740993"
    );
}

async fn enums() {
    assert_eq!(
        echoed(json!({ "colors": ["RED", 2, 77] })).await.json()["colors"],
        json!(["RED", "BLUE", 77])
    );
}

async fn names() {
    assert_eq!(echoed(json!({ "int32_value": 1, "maybeText": "x" })).await.json()["int32Value"], 1);
    refused("POST /v1/kinds:echo", r#"{"int32Value":1,"int32_value":1}"#, "int32_value").await;
}

async fn unknown_json() {
    refused("POST /v1/kinds:echo", r#"{"child":{"nope":1}}"#, "child.nope").await;
}

async fn query() {
    let site = site(&echo()).await;
    let kinds = site.get("/v1/kinds?child.text=x&texts=a&texts=b", &[]).await.json();
    assert_eq!((&kinds["child"]["text"], &kinds["texts"]), (&json!("x"), &json!(["a", "b"])));
    refused("POST /v1/kinds:echo?text=x", "{}", "text").await;
}

async fn query_duration() {
    assert_eq!(site(&echo()).await.get("/v1/kinds?duration=3720s", &[]).await.json()["duration"], "3720s");
    refused("GET /v1/kinds?duration=1h2m", "", "duration").await;
}

async fn patch() {
    let backend = echo();
    site(&backend).await.ask("PATCH /v1/items/7", &[], r#"{"amount":1,"maker":{"name":"n"}}"#).await;
    assert_eq!(backend.calls()[0]["updateMask"], "amount,maker.name");
}

async fn errors() {
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

async fn own_errors() {
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

/// Two events, then this.
fn stream(last: Act) -> Backend {
    Backend::new(move |method, _| match method {
        "Streams/Watch" => vec![position(0), event(1), event(2), last.clone()],
        _ => vec![response(json!({ "number": 1 })), response(json!({ "number": 2 })), last.clone()],
    })
}

async fn streams() {
    let failing = stream(failure(Code::OutOfRange, "TOO_FAR"));
    let lines = compat(&failing).await.get("/v1/tick", &[]).await;
    let starts: Vec<&str> = lines.text().lines().map(|line| &line[..9]).collect();
    assert_eq!(starts, [r#"{"result""#, r#"{"result""#, r#"{"error":"#]);
    faces().await;
}

async fn faces() {
    let site = site(&stream(Act::End)).await;
    let lines = site.get("/v1/tick", &[("accept", "application/x-ndjson")]).await;
    assert!(lines.text().ends_with("{\"@end\":{}}\n"), "{lines:?}");
    let array = site.get("/v1/tick", &[("accept", "application/json")]).await.json();
    assert_eq!(array.as_array().map(Vec::len), Some(2));
    let sse = site.get("/v1/watch?topic=a", &[("accept", "text/event-stream")]).await;
    assert!(sse.text().contains("id: lm1.") && sse.text().contains("event: lm-end"), "{sse:?}");
}

/// What reaches the backend of this header, with and without compatibility and lists.
async fn passed(settings: Value, header: (&str, &str), name: &str) -> Option<String> {
    let backend = echo();
    Site::start(settings, &backend).await.get("/v1/notes/a", &[header]).await;
    let head = backend.heads().pop().expect("a call");
    head.get(name).map(|value| value.to_str().expect("text").to_owned())
}

async fn request_metadata() {
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

async fn headers() {
    let listed = json!({ "calls": { "request_headers": ["x-forwarded-for", "foo"] } });
    assert_eq!(passed(json!({}), ("foo", "x"), "foo").await, None);
    assert_eq!(passed(listed.clone(), ("foo", "x"), "foo").await.as_deref(), Some("x"));
    assert_eq!(passed(listed, ("x-forwarded-for", "1.2.3.4"), "x-forwarded-for").await, None);
}

async fn authorization() {
    let bearer = Some("Bearer t");
    for settings in [json!({}), json!({ "rest": { "compat": "grpc-gateway" } })] {
        let forged = ("Grpc-Metadata-Authorization", "Bearer t");
        assert_eq!(passed(settings.clone(), forged, "authorization").await, None);
        // Without an issuer of tokens, the backend verifies.
        assert_eq!(passed(settings, ("authorization", "Bearer t"), "authorization").await.as_deref(), bearer);
    }
}

/// A backend whose answers have metadata.
fn talkative() -> Backend {
    Backend::new(|_, _| {
        let metadata = [Act::Metadata("x-shard", "7"), Act::Metadata("set-cookie", "a=b")];
        metadata.into_iter().chain(answer("Note", json!({ "name": "a" }))).collect()
    })
}

async fn answer_metadata() {
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

async fn cookies() {
    let listed =
        json!({ "calls": { "response_headers": ["set-cookie"] }, "rest": { "compat": "grpc-gateway" } });
    let answer = Site::start(listed, &talkative()).await.get("/v1/notes/a", &[]).await;
    assert!(!answer.text().is_empty() && !format!("{:?}", answer.headers).contains("a=b"), "{answer:?}");
}

async fn deadline() {
    let site = site(&stream(Act::Hang)).await;
    let (timeout, lines) = (("grpc-timeout", "300m"), ("accept", "application/x-ndjson"));
    let late = site.get("/v1/tick", &[timeout, lines]).await;
    assert!(late.text().lines().last().is_some_and(|line| line.contains("DEADLINE_EXCEEDED")), "{late:?}");
    let hanging = Backend::new(|_, _| vec![Act::Hang]);
    assert_eq!(compat(&hanging).await.get("/v1/notes/a", &[("Grpc-Timeout", "30m")]).await.status, 504);
}

async fn connect_timeout() {
    let hanging = Backend::new(|_, _| vec![Act::Hang]);
    assert_eq!(site(&hanging).await.get("/v1/notes/a", &[("connect-timeout-ms", "30")]).await.status, 504);
}

async fn duplicates() {
    let rpc = |name: &str| {
        format!("rpc {name}(R) returns (R) {{ option (google.api.http) = {{ get: \"/v1/x\" }}; }}")
    };
    let proto =
        "syntax = \"proto3\"; package t; import \"google/api/annotations.proto\"; message R {} service S {";
    let mistakes =
        load(&format!("{proto} {} {} }}", rpc("One"), rpc("Two"))).expect_err("one route twice").to_string();
    assert!(mistakes.contains("t.S/One") && mistakes.contains("t.S.Two"), "{mistakes}");
}

async fn method_override() {
    let backend = echo();
    let site = site(&backend).await;
    assert_eq!(site.ask("POST /v1/notes/a", &[("x-http-method-override", "DELETE")], "").await.status, 405);
    assert!(backend.calls().is_empty());
}

async fn etag() {
    let backend = echo();
    let site = site(&backend).await;
    let tag = site.get("/v1/notes/a", &[]).await.header("etag");
    assert_eq!(site.get("/v1/notes/a", &[("if-none-match", &tag)]).await.line(), "304");
    site.ask("PATCH /v1/notes/a", &[("if-match", &tag)], r#"{"text":"y"}"#).await;
    assert_eq!(backend.calls().pop().expect("a call")["note"]["etag"], "v3");
}

async fn unknown_details() {
    let known = detail("shop.v1.Maker", &message("Maker", json!({ "name": "n" })));
    let unknown = prost_types::Any { type_url: "x/other.Thing".into(), value: vec![1, 2, 3] };
    let act = failure_with(Code::NotFound, "no", vec![known, unknown]);
    let site = site(&Backend::new(move |_, _| vec![act.clone()])).await;
    let details = site.get("/v1/notes/a", &[]).await.json()["details"].take();
    assert_eq!((&details[0]["name"], &details[1]["value"]), (&json!("n"), &json!("AQID")));
    assert_eq!(site.get("/nowhere", &[]).await.header("content-type"), "application/problem+json");
}

async fn first_error() {
    let site = site(&Backend::new(|_, _| vec![failure(Code::PermissionDenied, "SECRET")])).await;
    for accept in ["application/x-ndjson", "text/event-stream", "application/json"] {
        assert_eq!(site.get("/v1/tick", &[("accept", accept)]).await.status, 403, "{accept}");
    }
}

async fn late_error() {
    let site = site(&stream(failure(Code::OutOfRange, "TOO_FAR"))).await;
    let text = async |accept: &str| site.get("/v1/tick", &[("accept", accept)]).await.text().to_owned();
    assert!(text("text/event-stream").await.contains("event: lm-error"));
    assert!(
        text("application/x-ndjson").await.lines().last().is_some_and(|line| line.starts_with("{\"@error\""))
    );
    assert!(!text("application/json").await.ends_with(']'));
}

async fn unknown_query() {
    refused("GET /v1/kinds?nope=1", "", "nope").await;
}

async fn path() {
    refused("GET /v1/items/7?id=8", "", "id").await;
}

async fn compressor() {
    let answer = site(&echo()).await.get("/v1/notes/a", &[("accept-encoding", "gzip")]).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    let stream = site(&stream(Act::End)).await.get("/v1/tick", &[("accept-encoding", "gzip")]).await;
    assert_eq!(stream.header("content-encoding"), "");
}

async fn large_body() {
    let site = Site::start(json!({ "limits": { "body_bytes": 8 } }), &echo()).await;
    let answer = site.ask("POST /v1/kinds:echo", &[], r#"{"text":"long"}"#).await;
    assert_eq!((answer.status, answer.json()["reason"].clone()), (413, json!("BODY_TOO_LARGE")));
}

async fn codes() {
    let site = site(&Backend::new(|_, _| vec![failure(Code::NotFound, "NOTE_MISSING")])).await;
    let problem = site.get("/v1/notes/a", &[]).await.json();
    assert_eq!((&problem["code"], &problem["reason"]), (&json!("NOT_FOUND"), &json!("NOTE_MISSING")));
}

async fn protobuf() {
    let answer = site(&echo()).await.get("/v1/notes/a", &[("accept", "application/x-protobuf")]).await;
    assert_eq!(answer.header("content-type"), "application/x-protobuf");
    assert!(answer.body.starts_with(b"\x0a\x01a"));
}

/// What comes back of a body that is sent with these settings of REST; null asks by GET.
async fn with_rest(rest: Value, target: &str, body: Value) -> Value {
    let site = Site::start(json!({ "rest": rest }), &echo()).await;
    let line = if body.is_null() { format!("GET {target}") } else { format!("POST {target}") };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = site.ask(&line, &[], body).await;
    assert_eq!(answer.status, 200, "{line}: {}", answer.text());
    answer.json()
}

async fn discarded_json() {
    let body = json!({ "nope": 1, "text": "x" });
    let kinds = with_rest(json!({ "unknown_fields": "ignore" }), "/v1/kinds:echo", body).await;
    assert_eq!(kinds["text"], "x");
}

async fn ignored_query() {
    for rest in [json!({ "unknown_query": "ignore" }), json!({ "compat": "grpc-gateway" })] {
        assert_eq!(with_rest(rest, "/v1/kinds?nope=1&text=x", Value::Null).await["text"], "x");
    }
    refused("GET /v1/kinds?nope=1&text=x", "", "nope").await;
}

async fn query_maps() {
    let kinds = with_rest(json!({ "query_maps": true }), "/v1/kinds?labels%5Ba%5D=x", Value::Null).await;
    assert_eq!(kinds["labels"], json!({ "a": "x" }));
}

/// Some fields, written so.
async fn written(json: Value) -> Value {
    let body = json!({ "color": "RED", "int64Value": "5" });
    with_rest(json!({ "json": json }), "/v1/kinds:echo", body).await
}

async fn omitted_defaults() {
    let kinds = written(json!({ "defaults": "omit" })).await;
    assert_eq!(kinds, json!({ "int64Value": "5", "color": "RED" }));
}

async fn enum_numbers() {
    assert_eq!(written(json!({ "enums": "number" })).await["color"], 1);
}

async fn proto_names() {
    assert_eq!(written(json!({ "names": "proto" })).await["int64_value"], "5");
}

async fn int64_numbers() {
    assert_eq!(written(json!({ "int64": "number" })).await["int64Value"], 5);
}

/// A call by its own path.
async fn rpc(backend: &Backend, method: &str, kind: &str, body: impl AsRef<[u8]>) -> Answer {
    let headers = [("connect-protocol-version", "1"), ("content-type", kind)];
    site(backend).await.ask(&format!("POST /shop.v1.{method}"), &headers, body).await
}

async fn implicit_bindings() {
    let answer = site(&echo()).await.ask("POST /shop.v1.Notes/GetNote", &[], r#"{"name":"a"}"#).await;
    assert_eq!((answer.status, answer.json()["name"].clone()), (200, json!("a")));
}

async fn connect_unary() {
    let answer = rpc(&echo(), "Notes/GetNote", "application/json", r#"{"name":"a"}"#).await;
    assert_eq!((answer.status, answer.json()["name"].clone()), (200, json!("a")));
}

async fn connect_errors() {
    let backend = Backend::new(|_, _| vec![failure(Code::NotFound, "NOTE_MISSING")]);
    let error = rpc(&backend, "Notes/GetNote", "application/json", "{}").await;
    assert_eq!((error.status, error.json()["code"].clone()), (404, json!("not_found")));
    assert_eq!(error.json()["details"][0]["type"], "google.rpc.ErrorInfo");
}

async fn connect_streams() {
    let streamed =
        rpc(&stream(Act::End), "Streams/Tick", "application/connect+json", b"\0\0\0\0\x02{}").await;
    assert_eq!(streamed.status, 200, "{streamed:?}");
    let mut envelopes = Envelopes::new(1 << 20);
    envelopes.push(streamed.body.into());
    let flags =
        std::iter::from_fn(|| envelopes.take().expect("small messages")).map(|envelope| envelope.flags);
    assert_eq!(flags.collect::<Vec<_>>(), [0, 0, END_STREAM]);
}

async fn grpc_web() {
    let request = [&b"\0\0\0\0\x03"[..], b"\x0a\x01a"].concat();
    let binary = rpc(&echo(), "Notes/GetNote", "application/grpc-web+proto", &request).await;
    let mut envelopes = Envelopes::new(1 << 20);
    envelopes.push(binary.body.clone().into());
    let message = envelopes.take().expect("a small message").expect("a message");
    assert!(message.message.starts_with(b"\x0a\x01a"), "{binary:?}");
    let text =
        rpc(&echo(), "Notes/GetNote", "application/grpc-web-text", base64_text::encode(&request)).await;
    let mut decoder = Base64Text::default();
    assert_eq!(decoder.decode(&text.body).expect("base64"), binary.body);
}
