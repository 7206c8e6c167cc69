//! The processes of a run: a core, edges in front of it, and a proxy on every way between them.

use std::net::SocketAddr;
use std::path::Path;

use lastmile_tests::{Process, binary};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::core_client::CoreClient;
use crate::proxy::FaultProxy;
use crate::seed::Seed;
use crate::tally::Tally;
use crate::victim::{Victim, address};

/// Tokens that are over soon, and retention that does not wait.
const CORE: [(&str, &str); 2] =
    [("LASTMILE_ACCESS_TOKEN_LIFETIME", "6s"), ("LASTMILE_RETENTION_INTERVAL", "500ms")];
/// Subscribers come back soon, and each has an address of its own.
const EDGE: [(&str, &str); 3] = [
    ("LASTMILE_STREAMS__RETRY", "400ms"),
    ("LASTMILE_DRAIN__WINDOW", "1s"),
    ("LASTMILE_LIMITS__TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
];

/// What edges are told of streams, instead of what the core says.
const RULES: &str = include_str!("rules.yaml");

/// Bytes between two faults: few where each connection has one subscriber, many where all share one.
const FRONT_BYTES: u64 = 9000;
const BACK_BYTES: u64 = 400_000;
const PUBLISH_BYTES: u64 = 4000;

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
    /// Of another backend, which publishes and reads.
    pub(crate) token: String,
    proxies: Vec<FaultProxy>,
    folder: TempDir,
}

impl Stage {
    /// Starts a core and this many edges; none of them: both in one process.
    pub(crate) async fn start(edges: usize, seed: Seed, tally: &Tally) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data").display().to_string();
        let arguments = ["--dev", "--admin", "127.0.0.1:0", "--data", &data];
        let (core, line) = match edges {
            0 => Victim::start("lastmile", &arguments, &["http", "grpc"], &[&CORE[..], &EDGE].concat()).await,
            _ => Victim::start("lastmile-server", &arguments, &["grpc"], &CORE).await,
        };
        let grpc = address(&line, "grpc");
        let admin = CoreClient::admin(grpc).await.expect("an administrator");
        let tokens = admin.furnish().await.expect("topics and users");
        let mut stage = Self {
            core: Mutex::new(core),
            edges: Vec::new(),
            grpc,
            publish: grpc,
            fronts: Vec::new(),
            token: tokens.service,
            proxies: Vec::new(),
            folder,
        };
        stage.publish = stage.through("publish", grpc, seed, PUBLISH_BYTES, tally).await;
        if edges == 0 {
            let front = stage.through("front 0", address(&line, "http"), seed, FRONT_BYTES, tally).await;
            stage.fronts.push(front);
        }
        for number in 0..edges {
            let back = stage.through(&format!("back {number}"), grpc, seed, BACK_BYTES, tally).await;
            let http = stage.start_edge(number, back, &tokens.edge).await;
            let front = stage.through(&format!("front {number}"), http, seed, FRONT_BYTES, tally).await;
            stage.fronts.push(front);
        }
        stage
    }

    /// Starts an edge in front of `back`; returns where browsers reach it.
    async fn start_edge(&mut self, number: usize, back: SocketAddr, token: &str) -> SocketAddr {
        let (config, rules) =
            (self.folder.path().join(format!("edge-{number}.toml")), self.folder.path().join("rules.yaml"));
        let upstream = format!("[[upstream]]\nurl = \"http://{back}\"\ncredential = \"${{EDGE_TOKEN}}\"\n");
        std::fs::write(&config, upstream).expect("a file that can be written");
        std::fs::write(&rules, RULES).expect("a file that can be written");
        let (config, rules) = (config.display().to_string(), rules.display().to_string());
        let arguments = ["--dev", "--admin", "127.0.0.1:0", "--config", &config, "--rules", &rules];
        let variables = [&EDGE[..], &[("EDGE_TOKEN", token)]].concat();
        let (edge, line) = Victim::start("lastmile-edge", &arguments, &["http"], &variables).await;
        self.edges.push(Mutex::new(edge));
        address(&line, "http")
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
