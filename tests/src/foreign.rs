//! Backends in other languages, which know nothing of lastmile but its annotations.

use std::net::SocketAddr;

use crate::process::{Process, repository, tool};

/// What a backend is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Python,
    Go,
}

/// A running `acme.stock.v1.StockService`.
#[derive(Debug)]
pub struct ForeignBackend {
    language: Language,
    address: SocketAddr,
    process: Process,
}

impl ForeignBackend {
    /// Starts one; none where its language is not installed.
    pub async fn start(language: Language) -> Option<Self> {
        let mut process = spawn(language, 0)?;
        let port = process.line("its port", |line| line.as_u64()).await;
        let port = u16::try_from(port).expect("a port");
        Some(Self { language, address: ([127, 0, 0, 1], port).into(), process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it and starts it again on the same port.
    ///
    /// # Panics
    /// When it does not come back.
    pub async fn restart(&mut self) {
        self.process.kill().await;
        self.process = spawn(self.language, self.address.port()).expect("it was installed before");
        self.process.line("its port", |line| line.as_u64()).await;
    }
}

fn spawn(language: Language, port: u16) -> Option<Process> {
    let fixtures = repository().join("tests/foreign");
    let script = fixtures.join("python/backend.py").display().to_string();
    let protos = [fixtures, repository().join("proto")].map(|folder| folder.display().to_string());
    let [fixture_protos, our_protos] = protos;
    let port = port.to_string();
    match language {
        Language::Python => {
            let python = tool("target/python/bin/python").expect("`make tools` makes the Python environment");
            Some(Process::start(python, [script, port, fixture_protos, our_protos], &[]))
        }
        Language::Go => {
            let backend = tool("target/go/bin/backend")?;
            Some(Process::start(backend, [port, fixture_protos, our_protos], &[]))
        }
    }
}
