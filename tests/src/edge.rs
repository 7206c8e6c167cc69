//! An edge of its own process, which is started again on the same ports.

use std::net::SocketAddr;

use crate::http::Browser;
use crate::patience::until;
use crate::process::{LogLine, Process, binary};

/// `lastmile-edge --dev` in front of a core.
#[derive(Debug)]
pub struct EdgeProcess {
    upstream: SocketAddr,
    variables: Vec<(String, String)>,
    http: SocketAddr,
    admin: SocketAddr,
    process: Process,
}

impl EdgeProcess {
    /// Starts on free ports, with a credential of its own, so that its callers share streams.
    pub async fn start(upstream: SocketAddr, credential: &str, variables: &[(&str, &str)]) -> Self {
        let credential = [("LASTMILE_CREDENTIAL", credential)];
        let variables: Vec<_> =
            variables.iter().chain(&credential).map(|(name, value)| owned(name, value)).collect();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (process, http, admin) = start(upstream, &variables, free, free).await;
        Self { upstream, variables, http, admin, process }
    }

    /// Where browsers go.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where operators go.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts it again, which must have ended, and waits until it takes calls.
    pub async fn restart(&mut self) {
        (self.process, ..) = start(self.upstream, &self.variables, self.http, self.admin).await;
    }

    /// A number that it tells operators.
    ///
    /// # Panics
    /// When it does not tell it.
    pub async fn metric(&self, name: &str) -> u64 {
        metric(self.admin, name).await
    }
}

/// A number that the edge at this admin address tells.
///
/// # Panics
/// When it does not tell it.
pub async fn metric(admin: SocketAddr, name: &str) -> u64 {
    let text = Browser::new(admin).get("/metrics").await.text;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// Waits until the edge at this admin address has learnt its backend.
pub(crate) async fn ready(admin: SocketAddr) {
    let browser = Browser::new(admin);
    until("the edge to be ready", || async { (browser.get("/readyz").await.status == 200).then_some(()) })
        .await;
}

fn owned(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

async fn start(
    upstream: SocketAddr,
    variables: &[(String, String)],
    http: SocketAddr,
    admin: SocketAddr,
) -> (Process, SocketAddr, SocketAddr) {
    let (http, admin, upstream) = (http.to_string(), admin.to_string(), format!("http://{upstream}"));
    let arguments = ["--http", &http, "--admin", &admin, "--upstream", &upstream, "--dev"];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut process = Process::start(binary("lastmile-edge"), arguments, &variables);
    let line = process.log("listening").await;
    let (http, admin) = (address(&line, "http"), address(&line, "admin"));
    ready(admin).await;
    (process, http, admin)
}

/// An address that a process has chosen.
///
/// # Panics
/// When it did not say so.
pub(crate) fn address(line: &LogLine, name: &str) -> SocketAddr {
    let found = line[name].as_str().or(line["fields"][name].as_str());
    found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address {name} in {line}"))
}
