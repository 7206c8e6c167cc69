//! The core by the tools that people have: buf curl, grpcurl, a Python client of its own.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::path::Path;

use lastmile_tests::{App, Process, Topology, repository, soon, tool};
use serde_json::{Value, json};
use tokio::process::Command;

/// What a tool prints; it must end well.
async fn run(program: &Path, arguments: &[impl AsRef<OsStr> + Debug]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    let output = soon("a tool's end", command.output()).await.expect("a tool that starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program:?} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

async fn check_calls(topology: Topology) {
    let buf = tool("client-ts/node_modules/.bin/buf").expect("npm ci installs buf");
    let mut app = App::start(topology).await;
    let base = format!("http://{}", app.grpc());
    let curl = |arguments: &[&str]| {
        let fixed = ["curl", "--http2-prior-knowledge", "--protocol", "grpc"];
        [&fixed, arguments].concat().into_iter().map(String::from).collect::<Vec<_>>()
    };
    let call = |arguments: Vec<String>| {
        let buf = buf.clone();
        async move { run(&buf, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };

    let services = call(curl(&["--list-services", &base])).await;
    for service in ["lastmile.v1.AuthService", "lastmile.v1.TopicService", "lastmile.v1.UserService"] {
        assert!(services.contains(service), "{service} in {services}");
    }
    let login = format!("{base}/lastmile.v1.AuthService/Login");
    let login = call(curl(&["-d", r#"{"username":"alice","password":"lastmile-dev"}"#, &login])).await;
    let login: Value = serde_json::from_str(&login).expect("JSON");
    let credential = format!("authorization: Bearer {}", login["accessToken"].as_str().expect("a token"));

    // A subscriber by the tool sees what the tool publishes.
    let subscribe = format!("{base}/lastmile.v1.TopicService/Subscribe");
    let mut subscriber = Process::start(&buf, curl(&["-d", r#"{"topic":"news"}"#, &subscribe]), &[]);
    subscriber.line("a position", |line| line.to_string().contains("position").then_some(())).await;
    let publish = format!("{base}/lastmile.v1.TopicService/PublishEvent");
    let event = r#"{"topic":"news","type":"by:tool","data":{"n":1}}"#;
    call(curl(&["-H", &credential, "-d", event, &publish])).await;
    subscriber.line("the event", |line| line.to_string().contains("by:tool").then_some(())).await;

    // It reaches browsers too.
    let history = app.browser().get("/api/v1/topics/news/history").await.json();
    assert_eq!(history["events"][0]["data"], json!({"n": 1}));
    app.terminate_front().await;
}

#[tokio::test]
async fn buf_curl_lists_calls_and_streams() {
    check_calls(Topology::One).await;
    check_calls(Topology::Two).await;
}

#[tokio::test]
async fn grpcurl_lists_describes_calls_and_streams() {
    let Some(grpcurl) = tool("target/go/bin/grpcurl") else { return };
    let app = App::start(Topology::One).await;
    let address = app.grpc().to_string();
    let call = |arguments: &[&str]| {
        let arguments: Vec<String> =
            ["-plaintext"].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        let grpcurl = grpcurl.clone();
        async move { run(&grpcurl, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let services = call(&[&address, "list"]).await;
    assert!(services.lines().any(|line| line == "lastmile.v1.TopicService"), "{services}");
    assert!(services.lines().any(|line| line == "grpc.health.v1.Health"), "{services}");
    let described = call(&[&address, "describe", "lastmile.v1.TopicService.Subscribe"]).await;
    for option in
        ["google.api.http", "lastmile.edge.v1.stream", "/api/v1/topics/{topic}/events", "topics:topic"]
    {
        assert!(described.contains(option), "custom options survive: {option} in {described}");
    }
    let health = call(&[&address, "grpc.health.v1.Health/Check"]).await;
    assert!(health.contains("SERVING"), "{health}");
    let topics = call(&[&address, "lastmile.v1.TopicService/ListTopics"]).await;
    assert!(topics.contains("\"ticks\""), "{topics}");

    let arguments =
        ["-plaintext", "-d", r#"{"topic":"ticks"}"#, &address, "lastmile.v1.TopicService/Subscribe"];
    let mut stream = Process::start(&grpcurl, arguments, &[]);
    stream.line("a tick", |line| line.to_string().contains("\\\"tick\\\"").then_some(())).await;
}

#[tokio::test]
async fn the_edge_speaks_every_protocol_of_buf_curl_and_grpcurl() {
    for topology in [Topology::One, Topology::Two] {
        edge_speaks(topology).await;
    }
}

async fn edge_speaks(topology: Topology) {
    let buf = tool("client-ts/node_modules/.bin/buf").expect("npm ci installs buf");
    let app = App::start(topology).await;
    let edge = app.http().to_string();
    let credential = format!("authorization: Bearer {}", app.login("alice").await.token());
    for protocol in ["connect", "grpcweb", "grpc"] {
        let fixed = ["curl", "--http2-prior-knowledge", "--protocol", protocol];
        let services =
            run(&buf, &[&fixed[..], &["--list-services", &format!("http://{edge}")]].concat()).await;
        assert!(services.contains("lastmile.v1.TopicService"), "{topology:?} {protocol}: {services}");
        let call = |method: &str, request: &str| {
            let url = format!("http://{edge}/lastmile.v1.{method}");
            let arguments = [&fixed[..], &["-H", &credential, "-d", request, &url]].concat();
            arguments.into_iter().map(String::from).collect::<Vec<_>>()
        };
        let topics = run(&buf, &call("TopicService/ListTopics", "{}")).await;
        assert!(topics.contains("\"ticks\""), "{topology:?} {protocol}: {topics}");
        let subscribing = call("TopicService/Subscribe", r#"{"topic":"ticks"}"#);
        let mut stream = Process::start(&buf, subscribing, &[]);
        stream.line("a tick", |line| line.to_string().contains("\\\"tick\\\"").then_some(())).await;
        let ops = format!(r#"[{{"opId":"{protocol}","path":"/{protocol}","set":1}}]"#);
        let said = format!(r#"{{"watch":{{"id":"board"}}}}{{"commit":{{"baseVersion":1,"ops":{ops}}}}}"#);
        let answers = run(&buf, &call("DocumentService/SyncDocument", &said)).await;
        assert!(answers.contains("\"committed\""), "{topology:?} {protocol}: {answers}");
    }
    let Some(grpcurl) = tool("target/go/bin/grpcurl") else { return };
    let health = run(&grpcurl, &["-plaintext", &edge, "grpc.health.v1.Health/Check"]).await;
    assert!(health.contains("SERVING"), "{topology:?}: {health}");
}

#[tokio::test]
async fn another_backend_loses_nothing_across_a_restart_of_the_core() {
    for topology in [Topology::One, Topology::Two] {
        let python = tool("target/python/bin/python").expect("`make tools` makes the Python environment");
        let mut app = App::start(topology).await;
        let script = repository().join("tests/foreign/python/another_backend.py").display().to_string();
        let protos = repository().join("proto").display().to_string();
        let count = 100;
        let arguments = [script, app.grpc().to_string(), protos, count.to_string()];
        let mut client = Process::start(python, arguments, &[]);
        client.line("event 30", |line| (line == 30).then_some(())).await;
        app.kill_and_restart().await;
        assert!(client.ended().await.success(), "{topology:?}");
        client.line("the last event", |line| (line == count).then_some(())).await;
        let received: Vec<u64> = client.lines().iter().filter_map(Value::as_u64).collect();
        assert_eq!(received, (1..=count).collect::<Vec<_>>(), "{topology:?}");
    }
}

#[tokio::test]
async fn a_client_that_knows_only_the_address_uses_topics_and_documents() {
    let python = tool("target/python/bin/python").expect("`make tools` makes the Python environment");
    let app = App::start(Topology::One).await;
    let script = repository().join("tests/foreign/python/by_reflection.py").display().to_string();
    let said = run(&python, &[&script, &app.grpc().to_string()]).await;
    assert_eq!(said.lines().collect::<Vec<_>>(), ["topics", "documents"]);
}

#[tokio::test]
async fn buf_curl_changes_documents() {
    let buf = tool("client-ts/node_modules/.bin/buf").expect("npm ci installs buf");
    let app = App::start(Topology::One).await;
    let call = |method: &str, credential: &str, request: &str| {
        let url = format!("http://{}/lastmile.v1.{method}", app.grpc());
        let fixed = ["curl", "--http2-prior-knowledge", "--protocol", "grpc"];
        let arguments: Vec<String> = [&fixed[..], &["-H", credential, "-d", request, &url]]
            .concat()
            .into_iter()
            .map(String::from)
            .collect();
        let buf = buf.clone();
        async move { run(&buf, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let login = call("AuthService/Login", "x: y", r#"{"username":"bob","password":"lastmile-dev"}"#).await;
    let login: Value = serde_json::from_str(&login).expect("JSON");
    let credential = format!("authorization: Bearer {}", login["accessToken"].as_str().expect("a token"));
    let commit =
        r#"{"id":"board","baseVersion":1,"ops":[{"opId":"1","path":"/notes/first","set":"buy milk"}]}"#;
    let committed = call("DocumentService/CommitDocument", &credential, commit).await;
    assert!(committed.contains(r#""version": 2"#) || committed.contains(r#""version":2"#), "{committed}");
    let document = call("DocumentService/GetDocument", &credential, r#"{"id":"board"}"#).await;
    let document: Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!(document["document"]["content"]["notes"], json!({"first": "buy milk"}));
}
