//! The processes of a run: a core, edges in front of it, and a proxy on every way between them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use lastmile_tests::{LogLine, Process, binary, edge_token};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::proxy::FaultProxy;
use crate::seed::Seed;
use crate::tally::Tally;

/// Tokens that are over soon, and retention that does not wait.
const CORE: [(&str, &str); 2] =
    [("LASTMILE_ACCESS_TOKEN_LIFETIME", "6s"), ("LASTMILE_RETENTION_INTERVAL", "500ms")];
/// Subscribers come back soon, and each has an address of its own.
const EDGE: [(&str, &str); 3] = [
    ("LASTMILE_STREAMS__RETRY", "400ms"),
    ("LASTMILE_DRAIN__WINDOW", "1s"),
    ("LASTMILE_LIMITS__TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
];

/// Bytes between two faults: few where each connection has one subscriber, many where all share one.
const FRONT_BYTES: u64 = 9000;
const BACK_BYTES: u64 = 400_000;
const PUBLISH_BYTES: u64 = 4000;

/// One process that can be hurt; its ports stay the same.
#[derive(Debug)]
pub(crate) struct Victim {
    program: &'static str,
    arguments: Vec<String>,
    process: Process,
    /// What it printed of panics, in all its lives.
    panics: Vec<String>,
}

/// A running core with its edges.
#[derive(Debug)]
pub(crate) struct Stage {
    /// With an edge in it when there are no others.
    pub(crate) core: Mutex<Victim>,
    pub(crate) edges: Vec<Mutex<Victim>>,
    /// Where the core's gRPC is, without faults on the way.
    pub(crate) grpc: SocketAddr,
    /// Where publishers go.
    pub(crate) publish: SocketAddr,
    /// Where browsers go: one way to each edge.
    pub(crate) fronts: Vec<SocketAddr>,
    proxies: Vec<FaultProxy>,
    folder: TempDir,
}

impl Stage {
    /// Starts a core and this many edges; none of them: both in one process.
    pub(crate) async fn start(edges: usize, seed: Seed, tally: &Tally) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data").display().to_string();
        let program = if edges == 0 { "lastmile" } else { "lastmile-server" };
        let mut arguments = vec!["--dev", "--admin", "127.0.0.1:0", "--data", &data];
        if edges == 0 {
            arguments.extend(["--http", "127.0.0.1:0"]);
        }
        let (core, line) = Victim::start(program, &arguments, &["--grpc", "--http"]).await;
        let grpc = address(&line, "grpc");
        let mut stage = Self {
            core: Mutex::new(core),
            edges: Vec::new(),
            grpc,
            publish: grpc,
            fronts: Vec::new(),
            proxies: Vec::new(),
            folder,
        };
        stage.publish = stage.through("publish", grpc, seed, PUBLISH_BYTES, tally).await;
        if edges == 0 {
            let front = address(&line, "http");
            let front = stage.through("front 0", front, seed, FRONT_BYTES, tally).await;
            stage.fronts.push(front);
        }
        for number in 0..edges {
            let back = stage.through(&format!("back {number}"), grpc, seed, BACK_BYTES, tally).await;
            let upstream = format!("http://{back}");
            let mut arguments = vec!["--dev", "--admin", "127.0.0.1:0", "--upstream", &upstream];
            // The first shares streams among its callers, the second cannot.
            let token = edge_token(grpc).await;
            if number == 0 {
                arguments.extend(["--credential", &token]);
            }
            let (edge, line) = Victim::start("lastmile-edge", &arguments, &["--http"]).await;
            stage.edges.push(Mutex::new(edge));
            let name = format!("front {number}");
            let front = stage.through(&name, address(&line, "http"), seed, FRONT_BYTES, tally).await;
            stage.fronts.push(front);
        }
        stage
    }

    async fn through(
        &mut self,
        name: &str,
        target: SocketAddr,
        seed: Seed,
        mean_bytes: u64,
        tally: &Tally,
    ) -> SocketAddr {
        let proxy = FaultProxy::start(target, seed.child(name), mean_bytes, tally.clone()).await;
        let address = proxy.address();
        self.proxies.push(proxy);
        address
    }

    /// No more faults on the ways.
    pub(crate) fn calm(&self) {
        self.proxies.iter().for_each(FaultProxy::calm);
    }

    /// What any process printed of panics.
    pub(crate) async fn panics(&self) -> Vec<String> {
        let mut panics = self.core.lock().await.panics();
        for edge in &self.edges {
            panics.extend(edge.lock().await.panics());
        }
        panics
    }

    /// Writes a backup of the running core.
    pub(crate) async fn back_up(&self) {
        self.maintain("backup").await;
    }

    /// Puts the last backup in the place of the core's data; the core must not be running.
    pub(crate) async fn restore(&self) {
        let data = self.folder.path().join("data");
        for file in std::fs::read_dir(&data).expect("the data folder") {
            let path = file.expect("a file").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lastmile.db")) {
                std::fs::remove_file(path).expect("a file that can be removed");
            }
        }
        self.maintain("restore").await;
    }

    async fn maintain(&self, command: &str) {
        let (file, data) = (self.folder.path().join("backup"), self.folder.path().join("data"));
        if command == "backup" {
            let _ = std::fs::remove_file(&file);
        }
        let arguments = [Path::new(command), &file, Path::new("--data"), &data];
        let mut process = Process::start(binary("lastmile-server"), arguments, &[]);
        assert!(process.ended().await.success(), "{command}: {:?}", process.lines());
    }
}

impl Victim {
    /// Starts on free ports, and remembers those that it is told to keep.
    async fn start(program: &'static str, arguments: &[&str], kept: &[&str]) -> (Self, LogLine) {
        let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        for flag in kept {
            if !arguments.iter().any(|argument| argument == flag)
                && (*flag != "--http" || program != "lastmile-server")
            {
                arguments.extend([(*flag).to_owned(), "127.0.0.1:0".to_owned()]);
            }
        }
        let (process, line) = start(program, &arguments).await;
        for pair in 1..arguments.len() {
            if kept.contains(&arguments[pair - 1].as_str()) {
                arguments[pair] = address(&line, &arguments[pair - 1][2..]).to_string();
            }
        }
        (Self { program, arguments, process, panics: Vec::new() }, line)
    }

    /// Kills it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Ends it in good order.
    pub(crate) async fn terminate(&mut self) {
        self.process.terminate();
        self.process.ended().await;
    }

    /// Starts it again, on the same ports and data.
    pub(crate) async fn start_again(&mut self) {
        self.panics = self.panics();
        self.process = start(self.program, &self.arguments).await.0;
    }

    /// Lets it do nothing for a while.
    pub(crate) async fn stop_for(&self, time: Duration) {
        self.process.signal("STOP");
        tokio::time::sleep(time).await;
        self.process.signal("CONT");
    }

    /// What it printed of panics, in this life and before.
    pub(crate) fn panics(&self) -> Vec<String> {
        let lines = self.process.lines().into_iter().map(|line| line.to_string());
        let panics = lines.filter(|line| line.contains("panicked"));
        self.panics.iter().cloned().chain(panics.map(|line| format!("{}: {line}", self.program))).collect()
    }
}

async fn start(program: &str, arguments: &[String]) -> (Process, LogLine) {
    let variables = [&CORE[..], &EDGE].concat();
    let variables: &[_] = match program {
        "lastmile-server" => &CORE,
        "lastmile-edge" => &EDGE,
        _ => &variables,
    };
    let mut process = Process::start(binary(program), arguments, variables);
    let line = process.log("listening").await;
    (process, line)
}

fn address(line: &LogLine, name: &str) -> SocketAddr {
    let found = line[name].as_str().or(line["fields"][name].as_str());
    found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address {name} in {line}"))
}
