//! One process that can be hurt; its ports stay the same.

use std::net::SocketAddr;
use std::time::Duration;

use lastmile_tests::{LogLine, Process, binary};

/// A process, and how to start it again.
#[derive(Debug)]
pub(crate) struct Victim {
    program: &'static str,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    process: Process,
    /// What it printed of panics, in all its lives.
    panics: Vec<String>,
}

impl Victim {
    /// Starts it on free ports for these flags, and keeps them; returns its first log line, which names them.
    pub(crate) async fn start(
        program: &'static str,
        arguments: &[&str],
        ports: &[&str],
        variables: &[(&'static str, &str)],
    ) -> (Self, LogLine) {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let fixed = arguments.len();
        for port in ports {
            arguments.extend([format!("--{port}"), "127.0.0.1:0".to_owned()]);
        }
        let (process, line) = start(program, &arguments, &variables).await;
        for (number, port) in ports.iter().enumerate() {
            arguments[fixed + 2 * number + 1] = address(&line, port).to_string();
        }
        (Self { program, arguments, variables, process, panics: Vec::new() }, line)
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
        self.process = start(self.program, &self.arguments, &self.variables).await.0;
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

async fn start(
    program: &str,
    arguments: &[String],
    variables: &[(&'static str, String)],
) -> (Process, LogLine) {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut process = Process::start(binary(program), arguments, &variables);
    let line = process.log("listening").await;
    (process, line)
}

/// An address that a process says it listens on.
pub(crate) fn address(line: &LogLine, name: &str) -> SocketAddr {
    let found = line[name].as_str().or(line["fields"][name].as_str());
    found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address {name} in {line}"))
}
