//! A core of its own process, on a data folder that outlives it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tonic::transport::Channel;

use crate::process::{LogLine, Process, binary};

/// `lastmile-server --dev` on a folder.
#[derive(Debug)]
pub struct CoreProcess {
    data: PathBuf,
    variables: Vec<(String, String)>,
    grpc: SocketAddr,
    process: Process,
}

impl CoreProcess {
    /// Starts on a free port.
    pub async fn start(data: &Path, variables: &[(&str, &str)]) -> Self {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (process, grpc) = start(data, &variables, ([127, 0, 0, 1], 0).into()).await;
        Self { data: data.to_owned(), variables, grpc, process }
    }

    /// Where other backends go.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// A channel that connects when it is used, again after each restart.
    ///
    /// # Panics
    /// Never: an address makes a URL.
    pub fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.grpc)).expect("a URL").connect_lazy()
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it as a power cut would, then starts it on the same port and data.
    pub async fn kill_and_restart(&mut self) {
        self.process.kill().await;
        (self.process, self.grpc) = start(&self.data, &self.variables, self.grpc).await;
    }
}

async fn start(data: &Path, variables: &[(String, String)], grpc: SocketAddr) -> (Process, SocketAddr) {
    let (address, folder) = (grpc.to_string(), data.display().to_string());
    let arguments = ["--grpc", &address, "--admin", "127.0.0.1:0", "--data", &folder, "--dev"];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut process = Process::start(binary("lastmile-server"), arguments, &variables);
    let line: LogLine = process.log("listening").await;
    let grpc = line["grpc"].as_str().and_then(|text| text.parse().ok()).expect("the address it listens on");
    (process, grpc)
}
