//! The process itself: start, flags, SIGTERM, `kill -9`.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lastmile_proto::v1;
use lastmile_proto::v1::auth_service_client::AuthServiceClient;
use lastmile_proto::v1::topic_service_client::TopicServiceClient;
use serde_json::Value;
use tonic::Code;

use crate::harness::{PASSWORD, Server, assert_refused, next, publication, text_of, with_token};

struct Process {
    child: Child,
    url: String,
    admin: String,
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile-server"));
    command.args(["--grpc", "localhost:0", "--admin", "localhost:0", "--data"]).arg(folder);
    command.stderr(Stdio::piped());
    command
}

/// The log line with the key, parsed.
fn find_line(lines: &mut Lines<BufReader<ChildStderr>>, key: &str) -> Value {
    let lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    lines.into_iter().find(|line| line.get(key).is_some()).expect("the process ended first")
}

/// What a process says that does not start.
fn refusal(command: &mut Command) -> String {
    let mut child = command.spawn().unwrap();
    let mut log = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        log += &line.unwrap();
        log.push('\n');
        if log.contains("listening") {
            child.kill().unwrap();
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(1), "{log}");
    log
}

impl Process {
    fn start(folder: &Path) -> Self {
        let mut child = command(folder).arg("--dev").spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = find_line(&mut lines, "grpc");
        assert_eq!(listening["message"], "listening");
        // Somebody has to read the rest, or the process blocks.
        std::thread::spawn(move || lines.for_each(drop));
        let address = |key: &str| format!("http://{}", listening[key].as_str().unwrap());
        Self { url: address("grpc"), admin: address("admin"), child }
    }

    fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

async fn login(url: &str) -> String {
    let request = v1::LoginRequest { username: "alice".into(), password: PASSWORD.into() };
    let mut auth = AuthServiceClient::connect(url.to_owned()).await.unwrap();
    auth.login(request).await.unwrap().into_inner().access_token
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_minus_nine_loses_no_answered_event() {
    static KILLED: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let token = login(&process.url).await;
    let publishers: Vec<_> = (0..8)
        .map(|publisher| {
            let (url, token) = (process.url.clone(), token.clone());
            tokio::spawn(async move {
                let mut topics = TopicServiceClient::connect(url).await.unwrap();
                let mut answered = Vec::new();
                for n in 0.. {
                    let text = format!("{publisher}/{n}");
                    let event = with_token(publication("news", "note", &text), &token);
                    match topics.publish_event(event).await {
                        Ok(_) => answered.push(text),
                        Err(_) if KILLED.load(Ordering::SeqCst) => break,
                        Err(status) => panic!("{status:?}"),
                    }
                }
                answered
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    KILLED.store(true, Ordering::SeqCst);
    process.signal("-KILL");
    process.wait();

    let mut answered = Vec::new();
    for publisher in publishers {
        answered.extend(publisher.await.unwrap());
    }
    assert!(answered.len() > 50, "only {} events were answered", answered.len());
    let server = Server::start_in(folder.path()).await;
    let mut kept = Vec::new();
    let mut page = v1::ListEventsRequest { topic: "news".into(), page_size: 1000, ..Default::default() };
    loop {
        let found = server.topics().list_events(page.clone()).await.unwrap().into_inner();
        kept.extend(found.events.iter().map(text_of));
        if found.next_page_token.is_empty() {
            break;
        }
        page.after = found.next_page_token;
    }
    let lost: Vec<_> = answered.iter().filter(|text| !kept.contains(text)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_the_process_though_streams_are_open() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let mut topics = TopicServiceClient::connect(process.url.clone()).await.unwrap();
    let request = v1::SubscribeRequest { topic: "news".into(), ..Default::default() };
    let mut stream = topics.subscribe(request).await.unwrap().into_inner();
    assert!(next(&mut stream).await.position);
    let started = Instant::now();
    process.signal("-TERM");
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let ended = tokio::task::spawn_blocking(move || process.wait()).await.unwrap();
    assert!(ended.success());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn sigterm_right_after_the_start_is_a_clean_end() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..8 {
        let process = Process::start(folder.path());
        process.signal("-TERM");
        let status = process.wait();
        assert!(status.success(), "start {n}: {status}");
    }
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(folder.path());
    let log = refusal(command(folder.path()).arg("--dev"));
    assert!(log.contains("is in use by another lastmile process"), "{log}");
    first.signal("-TERM");
    assert!(first.wait().success());
}

#[test]
fn demo_users_and_other_data_never_share_a_folder() {
    let demo = tempfile::tempdir().unwrap();
    let first = Process::start(demo.path());
    first.signal("-KILL");
    first.wait();
    let other = tempfile::tempdir().unwrap();
    let mut second = command(other.path()).spawn().unwrap();
    find_line(&mut BufReader::new(second.stderr.take().unwrap()).lines(), "grpc");
    second.kill().unwrap();
    second.wait().unwrap();

    for (folder, flag, reason) in [
        (&demo, "--dev=false", "was filled by --dev, with users whose password everyone knows"),
        (&other, "--dev", "was made without --dev"),
    ] {
        let log = refusal(command(folder.path()).arg(flag));
        assert!(log.contains(&format!("the data folder {} {reason}", folder.path().display())), "{log}");
    }
    let db = rusqlite::Connection::open(other.path().join("lastmile.db")).unwrap();
    let users: i64 = db.query_row("SELECT count(*) FROM user", [], |row| row.get(0)).unwrap();
    assert_eq!(users, 0);
    // Whoever means it may go on with the demo data.
    let again = Process::start(demo.path());
    again.signal("-TERM");
    assert!(again.wait().success());
}

#[test]
fn an_unknown_key_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, "gprc = 'localhost:0'\n").unwrap();
    let log = refusal(command(folder.path()).arg("--config").arg(&file));
    assert!(log.contains("server.toml: unknown key `gprc`: did you mean `grpc`?"), "{log}");
}

#[test]
fn a_start_without_telemetry_says_why() {
    // The second one is built only with the edge.
    let binaries = [Some(env!("CARGO_BIN_EXE_lastmile-server")), option_env!("CARGO_BIN_EXE_lastmile")];
    for binary in binaries.into_iter().flatten() {
        let mut command = Command::new(binary);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "not an address").stderr(Stdio::piped());
        let log = refusal(&mut command);
        let name = Path::new(binary).file_name().unwrap().display();
        assert!(log.starts_with(&format!("{name}: telemetry cannot start: ")), "{log}");
        assert!(log.contains("invalid uri"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer_on_the_admin_listener() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    for path in ["/livez", "/readyz"] {
        let answer = reqwest::get(format!("{}{path}", process.admin)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    // `localhost` means both families.
    let ipv6 = process.admin.replace("127.0.0.1", "[::1]");
    assert_eq!(reqwest::get(format!("{ipv6}/livez")).await.unwrap().status(), 200);
    process.signal("-TERM");
    assert!(process.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_prints_a_token_that_makes_the_administrator_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let setup_token = find_line(&mut lines, "setup_token")["setup_token"].as_str().unwrap().to_owned();
    let url = format!("http://{}", find_line(&mut lines, "grpc")["grpc"].as_str().unwrap());
    std::thread::spawn(move || lines.for_each(drop));

    let mut auth = AuthServiceClient::connect(url).await.unwrap();
    let setup = v1::SetUpRequest { setup_token, password: "a long password".into(), ..Default::default() };
    let wrong = v1::SetUpRequest { setup_token: "guess".into(), ..setup.clone() };
    let refused = auth.set_up(wrong).await;
    assert_refused(refused, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    let weak = v1::SetUpRequest { password: "short".into(), ..setup.clone() };
    assert_refused(auth.set_up(weak).await, Code::InvalidArgument, "FIELD_INVALID", &["password"]);
    assert_eq!(auth.set_up(setup.clone()).await.unwrap().into_inner().role, "admin");
    assert_refused(auth.set_up(setup).await, Code::Unauthenticated, "TOKEN_INVALID", &[]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weak_first_password_is_refused_and_makes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for weak in ["", "too short"] {
        let log = refusal(command(folder.path()).env("LASTMILE_ADMIN_PASSWORD", weak));
        assert!(log.contains("LASTMILE_ADMIN_PASSWORD: must have 10-256 bytes"), "{log}");
    }
    // Nobody was made, so there is still a first start to come.
    let mut child = command(folder.path()).spawn().unwrap();
    find_line(&mut BufReader::new(child.stderr.take().unwrap()).lines(), "setup_token");
    child.kill().unwrap();
    child.wait().unwrap();
}
