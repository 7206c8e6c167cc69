//! What operators get wrong at the start.

use lastmile_tests::{App, Browser, ForeignBackend, Language, Process, Topology, binary, repository, soon};
use tokio::process::Command;

/// Runs a program that must refuse to start; gives what it says.
async fn refusal(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(binary(name));
    command.args(arguments).envs(variables.iter().copied()).kill_on_drop(true);
    let output = soon("a refusal", command.output()).await.expect("a program that starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!output.status.success(), "{name} {arguments:?} started: {said}");
    said
}

#[tokio::test]
async fn an_unknown_key_stops_the_start_with_the_nearest_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("lastmile.toml").display().to_string();
    let data = folder.path().join("data").display().to_string();
    std::fs::write(&file, "htpp = \"127.0.0.1:0\"\n").expect("a file");
    let said = refusal("lastmile", &["--config", &file, "--data", &data], &[]).await;
    assert!(said.contains("htpp") && said.contains("`http`"), "{said}");
    let said = refusal("lastmile-edge", &["--config", &file, "--upstream", "http://127.0.0.1:1"], &[]).await;
    assert!(said.contains("htpp") && said.contains("`http`"), "{said}");
    std::fs::write(&file, "grcp = \"127.0.0.1:0\"\n").expect("a file");
    let said = refusal("lastmile-server", &["--config", &file, "--data", &data], &[]).await;
    assert!(said.contains("grcp") && said.contains("`grpc`"), "{said}");
}

#[tokio::test]
async fn settings_come_from_file_environment_and_flags() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("lastmile.toml").display().to_string();
    let data = folder.path().join("data").display().to_string();
    let settings = "http = '127.0.0.1:0'\ngrpc = 'nonsense'\nadmin = 'nonsense'\n[rest]\nerrors = 'status'\n";
    std::fs::write(&file, settings).expect("a file");
    let variables =
        [("LASTMILE_GRPC", "127.0.0.1:0"), ("LASTMILE_ADMIN", "nonsense"), ("LASTMILE_DATA", &data)];
    let arguments = ["--config", &file, "--admin", "127.0.0.1:0", "--dev"];
    let mut process = Process::start(binary("lastmile"), arguments, &variables);
    let line = process.log("listening").await;
    let http = line["http"].as_str().and_then(|address| address.parse().ok()).expect("an address");
    assert_eq!(Browser::new(http).get("/api/v1/auth/me").await.json()["code"], 16);
}

#[tokio::test]
async fn data_in_use_and_ports_in_use_are_said() {
    let app = App::start(Topology::One).await;
    let data = app.data().display().to_string();
    let free = "127.0.0.1:0";
    let shared = ["--http", free, "--grpc", free, "--admin", free, "--data"];
    let said = refusal("lastmile", &[&shared[..], &[&data]].concat(), &[]).await;
    assert!(said.contains(&data) && said.contains("another"), "{said}");

    let taken = app.http().to_string();
    let other = tempfile::tempdir().expect("a temporary folder");
    let other = other.path().display().to_string();
    let arguments = ["--http", &taken, "--grpc", free, "--admin", free, "--data", &other];
    let said = refusal("lastmile", &arguments, &[]).await;
    assert!(said.contains(&taken), "{said}");
}

#[tokio::test]
async fn the_edge_explains_its_routes() {
    let app = App::start(Topology::Two).await;
    let upstream = format!("http://{}", app.grpc());
    let output =
        Command::new(binary("lastmile-edge")).args(["routes", "--upstream", &upstream]).output().await;
    let output = output.expect("a program that starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["/api/v1/topics/{topic}/events", "lastmile.v1.TopicService/Subscribe", "durable"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[tokio::test]
async fn rules_in_a_file_reach_a_backend_without_annotations() {
    let backend = ForeignBackend::start(Language::Python).await.expect("Python is always there");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("rules.yaml").display().to_string();
    let rules =
        "http:\n  rules:\n    - selector: acme.stock.v1.StockService.GetItem\n      get: /things/{sku}\n";
    std::fs::write(&file, rules).expect("a file");
    let (http, _edge) = App::edge(backend.address(), &[("LASTMILE_RULES", &file)]).await;
    let answer = Browser::new(http).get("/things/bolt").await;
    assert_eq!(answer.json()["title"], "Bolt", "{answer:?}");

    std::fs::write(&file, rules.replace("{sku}", "{nope}").replace("GetItem", "GetItem\n      body: nope"))
        .expect("a file");
    let upstream = format!("http://{}", backend.address());
    let said = refusal("lastmile-edge", &["check", "--upstream", &upstream, "--rules", &file], &[]).await;
    assert!(said.contains("GetItem") && said.contains("nope"), "{said}");
}

#[tokio::test]
async fn localhost_is_reached_by_both_families() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let data = data.path().display().to_string();
    let free = "localhost:0";
    let arguments = ["--http", free, "--grpc", free, "--admin", free, "--data", &data, "--dev"];
    let mut process = Process::start(binary("lastmile"), arguments, &[]);
    let line = process.log("listening").await;
    for name in ["http", "grpc", "admin"] {
        let address = line[name].as_str().unwrap_or_default();
        let (_, port) = address.rsplit_once(':').expect("an address");
        for host in ["127.0.0.1", "[::1]"] {
            let reached = tokio::net::TcpStream::connect(format!("{host}:{port}")).await;
            assert!(reached.is_ok(), "{name} at {host}:{port}: {reached:?}");
        }
    }
}

#[tokio::test]
async fn descriptors_come_from_a_file_too() {
    let backend = ForeignBackend::start(Language::Python).await.expect("Python is always there");
    let (http, _edge) = App::edge(backend.address(), &[]).await;
    let served = Browser::new(http).request("GET", "/.well-known/lastmile/descriptors").send().await;
    let descriptors = served.expect("an answer").bytes().await.expect("a descriptor set");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("acme.binpb").display().to_string();
    std::fs::write(&file, descriptors).expect("a file");
    let (http, _edge) = App::edge(backend.address(), &[("LASTMILE_DESCRIPTORS", &file)]).await;
    assert_eq!(Browser::new(http).get("/acme/v1/items/bolt").await.json()["title"], "Bolt");
}

#[tokio::test]
async fn annotations_are_written_out_for_other_backends() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = ["proto", &folder.path().display().to_string()];
    let output = Command::new(binary("lastmile-edge")).args(arguments).output().await;
    assert!(output.is_ok_and(|output| output.status.success()));
    for file in
        ["google/api/annotations.proto", "google/api/http.proto", "lastmile/edge/v1/annotations.proto"]
    {
        let written = std::fs::read(folder.path().join(file)).expect(file);
        let ours = std::fs::read(repository().join("proto").join(file)).expect(file);
        assert_eq!(written, ours, "{file}");
    }
}
