//! A running lastmile, as one process or as two.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;

use lastmile_proto::v1::auth_service_client::AuthServiceClient;
use lastmile_proto::v1::{CreateServiceTokenRequest, LoginRequest};
use tempfile::TempDir;
use tonic::IntoRequest;
use tonic::transport::Channel;

use crate::edge::{address, ready};
use crate::http::Browser;
use crate::process::{Process, binary};

/// How core and edge are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// `lastmile`: both in one process.
    One,
    /// `lastmile-server` behind `lastmile-edge`.
    Two,
}

/// A running lastmile in dev mode, with its data in a folder of its own.
#[derive(Debug)]
pub struct App {
    topology: Topology,
    data: TempDir,
    variables: Vec<(&'static str, String)>,
    /// The edge's own, where it is a process of its own.
    credential: Option<String>,
    http: SocketAddr,
    grpc: SocketAddr,
    admin: SocketAddr,
    core: Process,
    edge: Option<Process>,
}

impl App {
    /// Starts on free ports.
    pub async fn start(topology: Topology) -> Self {
        Self::start_with(topology, &[]).await
    }

    /// The same with environment variables.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_with(topology: Topology, variables: &[(&'static str, &str)]) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut core = start_core(topology, data.path(), &variables, [free; 3]);
        let line = core.log("listening").await;
        let (grpc, admin) = (address(&line, "grpc"), address(&line, "admin"));
        let (http, admin, credential, edge) = match topology {
            Topology::One => (address(&line, "http"), admin, None, None),
            Topology::Two => {
                let credential = edge_token(grpc).await;
                let mut edge = start_edge(grpc, &variables, Some(&credential), [free; 2]);
                let line = edge.log("listening").await;
                (address(&line, "http"), address(&line, "admin"), Some(credential), Some(edge))
            }
        };
        ready(admin).await;
        Self { topology, data, variables, credential, http, grpc, admin, core, edge }
    }

    /// Only an edge, in front of `upstream`; the core's place is taken by the edge's own process.
    pub async fn edge(upstream: SocketAddr, variables: &[(&'static str, &str)]) -> (SocketAddr, Process) {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut edge = start_edge(upstream, &variables, None, [([127, 0, 0, 1], 0).into(); 2]);
        let line = edge.log("listening").await;
        ready(address(&line, "admin")).await;
        (address(&line, "http"), edge)
    }

    /// Where browsers go.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where other backends go.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where operators go: the edge's, when there are two.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The process that browsers are connected to.
    pub fn front(&mut self) -> &mut Process {
        self.edge.as_mut().unwrap_or(&mut self.core)
    }

    /// The process that holds the data.
    pub fn core(&mut self) -> &mut Process {
        &mut self.core
    }

    /// Someone without a credential.
    pub fn browser(&self) -> Browser {
        Browser::new(self.http)
    }

    /// One of the demo users.
    pub async fn login(&self, username: &str) -> Browser {
        self.browser().login(username).await
    }

    /// Ends the process that browsers are connected to, in good order.
    pub async fn terminate_front(&mut self) {
        self.front().terminate();
        self.front().ended().await;
    }

    /// Kills all processes as a power cut would.
    pub async fn kill(&mut self) {
        self.core.kill().await;
        if let Some(edge) = &mut self.edge {
            edge.kill().await;
        }
    }

    /// Kills all processes, then starts them on the same ports and data.
    pub async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.restart_core().await;
        if let Some(edge) = &mut self.edge {
            let credential = self.credential.as_deref();
            *edge = start_edge(self.grpc, &self.variables, credential, [self.http, self.admin]);
            edge.log("listening").await;
        }
        ready(self.admin).await;
    }

    /// Starts the core, which must have ended, on the same ports and data.
    pub async fn restart_core(&mut self) {
        let admin = match self.topology {
            Topology::One => self.admin,
            Topology::Two => ([127, 0, 0, 1], 0).into(),
        };
        self.core =
            start_core(self.topology, self.data.path(), &self.variables, [self.http, self.grpc, admin]);
        self.core.log("listening").await;
    }
}

/// Runs a scenario against both topologies; the transcripts it returns must be equal.
///
/// # Panics
/// When they are not.
pub async fn both<T, F>(scenario: impl Fn(App) -> F)
where
    T: std::fmt::Debug + PartialEq,
    F: Future<Output = T>,
{
    let one = scenario(App::start(Topology::One).await).await;
    let two = scenario(App::start(Topology::Two).await).await;
    assert_eq!(one, two, "left: one process, right: two processes");
}

fn start_core(
    topology: Topology,
    data: &Path,
    variables: &[(&str, String)],
    addresses: [SocketAddr; 3],
) -> Process {
    let [http, grpc, admin] = addresses.map(|address| address.to_string());
    let data = data.display().to_string();
    let shared = ["--grpc", &grpc, "--admin", &admin, "--data", &data, "--dev"];
    match topology {
        Topology::One => start("lastmile", &[&["--http", &http], &shared[..]].concat(), variables),
        Topology::Two => start("lastmile-server", &shared, variables),
    }
}

/// A token with which an edge opens the streams that its callers share.
///
/// # Panics
/// When the core gives none.
pub async fn edge_token(grpc: SocketAddr) -> String {
    let channel = Channel::from_shared(format!("http://{grpc}")).expect("a URL").connect_lazy();
    let mut auth = AuthServiceClient::new(channel);
    let login = LoginRequest { username: "admin".to_owned(), password: "lastmile-dev".to_owned() };
    let token = auth.login(login).await.expect("a login").into_inner().access_token;
    let role = "edge".to_owned();
    let mut request =
        CreateServiceTokenRequest { name: "edge".to_owned(), role, ..Default::default() }.into_request();
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ASCII"));
    auth.create_service_token(request).await.expect("a token").into_inner().token
}

fn start_edge(
    upstream: SocketAddr,
    variables: &[(&'static str, String)],
    credential: Option<&str>,
    addresses: [SocketAddr; 2],
) -> Process {
    let mut variables = variables.to_vec();
    variables.extend(credential.map(|credential| ("LASTMILE_CREDENTIAL", credential.to_owned())));
    let variables = &variables[..];
    let [http, admin] = addresses.map(|address| address.to_string());
    let upstream = format!("http://{upstream}");
    start("lastmile-edge", &["--http", &http, "--admin", &admin, "--upstream", &upstream, "--dev"], variables)
}

fn start(name: &str, arguments: &[&str], variables: &[(&str, String)]) -> Process {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Process::start(binary(name), arguments, &variables)
}
