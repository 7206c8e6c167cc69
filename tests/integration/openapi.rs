//! The OpenAPI document as browsers and tools get it, and whether the edge does what it says.

use std::process::Stdio;
use std::time::Duration;

use lastmile_tests::{Answer, App, Topology, tool};
use tokio::process::Command;
use tokio::time::timeout;

/// What schemathesis looks at. Not whether each value is accepted: only the core knows which names are good, and the
/// edge takes more spellings than it writes.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,ignored_auth,unsupported_method,missing_required_header";
const LIMIT: Duration = Duration::from_secs(150);

#[tokio::test]
async fn the_document_is_served_to_anyone_and_asked_about_before_it_is_sent_again() {
    let app = App::start(Topology::One).await;
    let first = app.browser().get("/openapi.json").await;
    assert_eq!(
        (first.status.as_u16(), first.header("content-type")),
        (200, "application/json; charset=utf-8")
    );
    assert_eq!(first.json()["openapi"], "3.1.0");
    assert_eq!(
        first.json()["paths"]["/api/v1/users"]["get"]["summary"],
        "Returns a page of users in the order of their ids",
        "the core brings its comments along"
    );
    let etag = first.header("etag");
    assert!(etag.starts_with("W/\""), "{first:?}");
    let again = Answer::to(app.browser().request("GET", "/openapi.json").header("if-none-match", etag)).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    let other = app.browser().request("GET", "/openapi.json").header("origin", "http://localhost:1");
    let other = Answer::to(other).await;
    assert_eq!(other.header("access-control-allow-origin"), "http://localhost:1");
}

#[tokio::test]
async fn it_moves_with_the_prefix_and_can_be_turned_off() {
    let app = App::start_with(Topology::One, &[("LASTMILE_PATHS__PREFIX", "/edge")]).await;
    assert_eq!(app.browser().get("/edge/openapi.json").await.status, 200);
    let app = App::start_with(Topology::One, &[("LASTMILE_PATHS__OPENAPI", "false")]).await;
    assert_eq!(app.browser().get("/openapi.json").await.problem(), "404 NOT_SERVED");
}

/// Calls every operation with what the document allows and with what it does not; fails when an answer is not as told.
async fn explore(app: &App, token: Option<&str>) {
    let schemathesis =
        tool("target/python/bin/schemathesis").expect("`make tools` makes the Python environment");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(schemathesis);
    command.args(["--no-color", "run"]).arg(format!("http://{}/openapi.json", app.http()));
    // Streams without an end are asked for as long polls.
    command.args(["-H", "Accept: application/json", "-H", "Prefer: wait=0"]);
    if let Some(token) = token {
        command.args(["-H".to_owned(), format!("Authorization: Bearer {token}")]);
    }
    command.args(["--checks", CHECKS]);
    command.args(["--phases", "examples,coverage,fuzzing", "--seed", "1", "--max-examples", "15"]);
    command.args(["--continue-on-failure", "--request-timeout", "10", "--warnings", "off"]);
    command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.expect("an end in time").expect("schemathesis");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Fuzzing"), "it looked at nothing: {said}");
}

#[tokio::test]
async fn every_answer_to_an_administrator_is_as_described() {
    let app = App::start(Topology::One).await;
    let admin = app.login("admin").await;
    explore(&app, Some(admin.token())).await;
}

#[tokio::test]
async fn every_answer_to_a_stranger_is_as_described() {
    let app = App::start(Topology::Two).await;
    explore(&app, None).await;
}
