//! What several backends declare becomes one schema, and stays fresh while they change.

use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use lastmile_edge::app::Edge;
use lastmile_edge::config::{EdgeConfig, UpstreamConfig, Upstreams};
use lastmile_edge::schema::Source;
use lastmile_edge::schema::descriptors::join_set;
use lastmile_edge::schema::merge::{Part, merge};
use lastmile_edge::upstream::Upstream;
use serde_json::Value;
use tower::ServiceExt;

use crate::backend::{Act, Backend, response};
use crate::host::{Host, Told, reflecting, saying, scripted, soon};
use crate::shop::compile;

/// A service with a method `Get` at the path, whose answer has one field.
fn proto(package: &str, service: &str, path: &str, field: &str) -> String {
    format!(
        "syntax = \"proto3\"; package {package}; import \"google/api/annotations.proto\"; \
         message {service}Request {{}} message {service}Answer {{ string {field} = 1; }} \
         service {service} {{ rpc Get({service}Request) returns ({service}Answer) {{ \
         option (google.api.http) = {{ get: \"{path}\" }}; }} }}"
    )
}

async fn host(told: &Told, message: &'static [u8]) -> Host {
    Host::at(([127, 0, 0, 1], 0).into(), reflecting(told, saying(message))).await
}

fn named(name: &str, url: String) -> UpstreamConfig {
    UpstreamConfig { name: Some(name.into()), url: vec![url], ..UpstreamConfig::default() }
}

fn edge(upstreams: Vec<UpstreamConfig>) -> Edge {
    let upstream = Upstream::connect(&upstreams).expect("a good configuration");
    let mut config = EdgeConfig { upstream: Upstreams(upstreams), ..EdgeConfig::default() };
    config.paths.descriptors = true;
    config.auth.keys = "none".into();
    Edge::new(config, upstream, Source::Reflection, None).expect("a good configuration")
}

async fn send(router: axum::Router, method: &str, path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "edge");
    if let Some(known) = known {
        request = request.header("if-none-match", known);
    }
    router.oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer")
}

async fn get(edge: &Edge, path: &str) -> (u16, Value) {
    let response = send(edge.router(), "GET", path, None).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn reload(edge: &Edge) -> (u16, Value) {
    let response = send(edge.admin(), "POST", "/reload", None).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).expect("JSON"))
}

fn renamed(text: &str, file: &str) -> Vec<bytes::Bytes> {
    use prost::Message;
    let rename = |encoded: bytes::Bytes| {
        let mut parsed = prost_types::FileDescriptorProto::decode(encoded.clone()).expect("a file");
        if parsed.name() != "test.proto" {
            return encoded;
        }
        parsed.name = Some(file.to_owned());
        parsed.encode_to_vec().into()
    };
    compile(text).into_iter().map(rename).collect()
}

fn part(upstream: &str, files: Vec<bytes::Bytes>) -> Part {
    Part { upstream: upstream.into(), files, ..Part::default() }
}

#[test]
fn what_upstreams_do_not_agree_on_is_said() {
    let stock = || renamed(&proto("acme", "Stock", "/a", "title"), "stock.proto");
    let other = || renamed(&proto("acme", "Stock", "/a", "name"), "stock.proto");
    let moved = || renamed(&proto("acme", "Stock", "/a", "title"), "moved.proto");
    let orders = || renamed(&proto("acme", "Orders", "/b", "title"), "orders.proto");
    let health = || renamed(&proto("grpc.health.v1", "Health", "/c", "status"), "health.proto");
    let only = |part: Part, names: &[&str]| Part {
        services: names.iter().map(ToString::to_string).collect(),
        ..part
    };
    let prefer =
        |part: Part, names: &[&str]| Part { prefer: names.iter().map(ToString::to_string).collect(), ..part };
    let shared = |field: &str, file: &str| {
        let text = format!("syntax = \"proto3\"; package acme; message Shared {{ string {field} = 1; }}");
        renamed(&text, file)
    };
    let both = || [stock(), orders()].concat();
    for (first, second, expected) in [
        (part("a", stock()), part("b", orders()), Ok("acme.Orders=1 acme.Stock=0")),
        (
            part("a", stock()),
            part("b", stock()),
            Err("service `acme.Stock` is served by `a` and `b`; name it in"),
        ),
        (part("a", stock()), prefer(part("b", stock()), &["acme.*"]), Ok("acme.Stock=1")),
        (
            prefer(part("a", stock()), &["*"]),
            prefer(part("b", stock()), &["*"]),
            Err("is served by `a` and `b`"),
        ),
        (
            part("a", [stock(), shared("title", "shared.proto")].concat()),
            part("b", [orders(), shared("name", "shared.proto")].concat()),
            Err("file `shared.proto` is not the same at `a` and `b`: `acme.Shared` differs"),
        ),
        (
            part("a", [stock(), shared("title", "shared.proto")].concat()),
            part("b", [orders(), shared("title", "elsewhere.proto")].concat()),
            Err("`acme.Shared` is declared in `elsewhere.proto` of `b` and in `shared.proto` of `a`"),
        ),
        (
            part("a", [stock(), shared("title", "shared.proto")].concat()),
            part("b", [orders(), shared("title", "shared.proto")].concat()),
            Ok("acme.Orders=1 acme.Stock=0"),
        ),
        (prefer(part("a", stock()), &["acme.Stock"]), part("b", other()), Ok("acme.Stock=0")),
        (part("a", stock()), part("b", moved()), Err("service `acme.Stock` is served by `a` and `b`")),
        (only(part("a", both()), &["acme.Orders"]), part("b", other()), Ok("acme.Orders=0 acme.Stock=1")),
        (
            only(part("a", both()), &["acme.Nope"]),
            part("b", other()),
            Err("upstream `a`: services: it has no `acme.Nope`"),
        ),
        (
            part("a", [stock(), health()].concat()),
            part("b", [orders(), health()].concat()),
            Ok("acme.Orders=1 acme.Stock=0"),
        ),
        (
            part("a", vec![bytes::Bytes::from_static(b"\xff")]),
            part("b", orders()),
            Err("upstream `a`: not a FileDescriptorProto"),
        ),
    ] {
        let merged = merge(&[Some(&first), Some(&second)], &[]).map(|merged| {
            let mut services: Vec<_> =
                merged.services.iter().map(|(name, place)| format!("{name}={place}")).collect();
            services.sort();
            services.join(" ")
        });
        match (merged, expected) {
            (Ok(merged), Ok(expected)) => assert_eq!(merged, expected),
            (Err(conflicts), Err(expected)) => {
                assert!(conflicts.to_string().contains(expected), "{expected}\n{conflicts}");
            }
            (merged, expected) => panic!("{expected:?}: {merged:?}"),
        }
    }
}

#[tokio::test]
async fn several_backends_are_one_api() {
    let stock = Told::new(&proto("acme.stock", "Stock", "/stock", "title"));
    let orders = Told::default();
    let stock_host = host(&stock, b"\x0a\x04bolt").await;
    let order_host = Host::at(([127, 0, 0, 1], 0).into(), saying(b"")).await;
    let address = order_host.address;
    order_host.kill().await;
    let edge = edge(vec![named("stock", stock_host.url()), named("orders", format!("http://{address}"))]);
    edge.begin().await.expect("one of two is enough");
    assert_eq!(get(&edge, "/stock").await, (200, serde_json::json!({ "title": "bolt" })));
    assert_eq!(get(&edge, "/orders").await.0, 404);
    let (status, change) = reload(&edge).await;
    assert_eq!((status, &change["missing"]), (200, &serde_json::json!(["orders"])), "{change}");

    // The test compiler calls every file the same: the second declares the first's too, but serves only its own.
    orders.change(&proto("acme.stock", "Stock", "/stock", "title"));
    let _order_host = Host::at(address, reflecting(&orders, saying(b"\x0a\x03o-1"))).await;
    let (status, refused) = soon("the other backend", async {
        loop {
            let answer = reload(&edge).await;
            if answer.0 != 200 {
                break answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(status, 422, "{refused}");
    let said = refused["error"].as_str().unwrap_or_default();
    assert!(said.contains("`acme.stock.Stock` is served by `stock` and `orders`"), "{said}");
    assert_eq!(get(&edge, "/stock").await.0, 200, "the last good schema stays");
}

#[tokio::test]
async fn streams_read_on_while_the_schema_changes() {
    let told = Told::new(include_str!("shop.proto"));
    let pause = Act::Pause(Duration::from_millis(400));
    let first = response(serde_json::json!({ "number": 1 }));
    let second = response(serde_json::json!({ "number": 2 }));
    let backend = Backend::new(move |_, _| vec![first.clone(), pause.clone(), second.clone(), Act::End]);
    let host = Host::at(([127, 0, 0, 1], 0).into(), reflecting(&told, scripted(&backend))).await;
    let edge = edge(vec![named("shop", host.url())]);
    edge.begin().await.expect("a schema");

    let request =
        Request::get("/v1/tick?topic=a").header("host", "edge").header("accept", "application/x-ndjson");
    let stream =
        edge.router().oneshot(request.body(Body::empty()).expect("a request")).await.expect("a stream");
    assert_eq!(stream.status(), StatusCode::OK);
    told.change(&proto("acme", "Stock", "/stock", "title"));
    let (status, change) = reload(&edge).await;
    assert_eq!((status, &change["changed"]), (200, &true.into()), "{change}");
    assert_eq!(change["methods_added"], serde_json::json!(["acme.Stock/Get"]));
    assert!(change["files"].as_array().is_some_and(|files| files.contains(&"test.proto".into())), "{change}");
    assert_eq!(get(&edge, "/v1/tick").await.0, 404, "the new schema serves new calls");
    let text = soon("the end", stream.into_body().collect()).await.expect("a clean end").to_bytes();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("\"number\":1") && text.contains("\"number\":2"), "{text}");
    assert_eq!(reload(&edge).await.1["changed"], false);

    told.change("syntax = \"proto3\"; package acme; import \"google/api/annotations.proto\"; message M { string a = 1; } \
         service Stock { rpc Get(M) returns (M) { option (google.api.http) = { get: \"/{nope}\" }; } }");
    let (status, refused) = reload(&edge).await;
    assert_eq!(status, 422, "{refused}");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("nope")), "{refused}");
    assert_ne!(get(&edge, "/stock").await.0, 404, "the last good schema stays");
}

#[tokio::test]
async fn descriptors_have_a_strong_tag_that_follows_them() {
    let told = Told::new(&proto("acme", "Stock", "/stock", "title"));
    let host = host(&told, b"").await;
    let edge = edge(vec![named("stock", host.url())]);
    let path = "/.well-known/lastmile/descriptors";
    assert_eq!(send(edge.router(), "GET", path, None).await.status(), 503, "nothing is known yet");
    edge.begin().await.expect("a schema");
    let first = send(edge.router(), "GET", path, None).await;
    let tag = first.headers()["etag"].to_str().expect("text").to_owned();
    assert!(tag.starts_with('"'), "{tag}");
    assert_eq!(first.headers()["cache-control"], "no-cache");
    let again = send(edge.router(), "GET", path, Some(&tag)).await;
    assert_eq!((again.status().as_u16(), &again.headers()["etag"]), (304, &first.headers()["etag"]));
    told.change(&proto("acme", "Stock", "/stock", "name"));
    reload(&edge).await;
    assert_eq!(send(edge.router(), "GET", path, Some(&tag)).await.status(), 200);
}

#[tokio::test]
async fn a_backend_that_forgot_a_method_is_asked_what_it_has() {
    let told = Told::new(&proto("acme", "Stock", "/stock", "title"));
    let backend = Backend::new(|_, _| Vec::new());
    // Says UNIMPLEMENTED to everything but reflection.
    let host = Host::at(([127, 0, 0, 1], 0).into(), reflecting(&told, scripted(&backend))).await;
    let edge = edge(vec![named("stock", host.url())]);
    edge.begin().await.expect("a schema");
    let keeper = tokio::spawn({
        let edge = edge.clone();
        async move { edge.keep_fresh().await }
    });
    told.change(&proto("acme", "Stock", "/new", "title"));
    let fresh = async {
        while get(&edge, "/new").await.0 == 404 {
            get(&edge, "/stock").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // By time alone it would take 30 s.
    soon("the new schema", fresh).await;
    edge.drain().cancel();
    keeper.await.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn a_descriptor_file_is_read_again_when_it_changes() {
    let file = std::env::temp_dir().join(format!("lastmile-learning-{}.binpb", std::process::id()));
    let write = |path: &str| {
        let set = join_set(compile(&proto("acme", "Stock", path, "title")));
        std::fs::write(&file, set).expect("a file");
    };
    write("/stock");
    let stock = named("stock", "http://127.0.0.1:1".into());
    let edge = edge(vec![UpstreamConfig { descriptors: Some(file.clone()), ..stock }]);
    edge.begin().await.expect("a schema");
    let keeper = tokio::spawn({
        let edge = edge.clone();
        async move { edge.keep_fresh().await }
    });
    write("/another");
    let fresh = async {
        while get(&edge, "/another").await.0 == 404 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the new schema", fresh).await;
    std::fs::write(&file, "half a fi").expect("a file");
    assert_eq!(reload(&edge).await.0, 422);
    assert_eq!(get(&edge, "/another").await.0, 503, "the last good schema stays, and its backend is away");
    edge.drain().cancel();
    keeper.await.expect("no panic").expect("a clean end");
    std::fs::remove_file(&file).expect("a file");
}
