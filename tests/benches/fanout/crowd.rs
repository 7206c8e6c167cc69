//! The bench's side of a process of subscribers.

use std::net::SocketAddr;

use lastmile_tests::Process;

use crate::control::Control;
use crate::readers::Tally;

/// Subscribers of one server.
pub(crate) struct Crowd {
    control: Control,
    size: usize,
    delivered: u64,
    _process: Process,
}

impl Crowd {
    pub(crate) async fn start() -> Self {
        let itself = std::env::current_exe().expect("a bench knows its own path");
        let mut process = Process::start(itself, ["readers"], &[]);
        Self { control: Control::of(&mut process).await, size: 0, delivered: 0, _process: process }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Grows to `size` subscribers, all of them answered; `{}` in the path is the number of each.
    pub(crate) async fn grow(&mut self, size: usize, address: SocketAddr, path: &str) {
        let more = size - self.size;
        self.control.tell(&format!("open {more} {address} {path}")).await;
        self.answer("opened").await;
        self.size = size;
    }

    /// From now on they look for themselves, and cost the server least.
    pub(crate) async fn poll(&mut self) {
        self.control.tell("poll").await;
    }

    /// From now on they sleep until something comes.
    pub(crate) async fn sleep(&mut self) {
        self.control.tell("sleep").await;
    }

    /// Waits until everyone has `events` since the last tally; how many it is by then.
    pub(crate) async fn delivered(&mut self, events: u64) -> u64 {
        while self.delivered < events {
            let line = self.control.hear().await;
            self.delivered =
                line.strip_prefix("delivered ").and_then(|count| count.parse().ok()).expect("a count");
        }
        self.delivered
    }

    /// What was read since the last tally.
    pub(crate) async fn tally(&mut self) -> Tally {
        self.control.tell("tally").await;
        let line = self.answer("{").await;
        self.delivered = 0;
        serde_json::from_str(&line).expect("a tally")
    }

    /// Closes every connection.
    pub(crate) async fn close(&mut self) {
        self.control.tell("close").await;
        self.answer("closed").await;
        self.size = 0;
    }

    async fn answer(&mut self, beginning: &str) -> String {
        loop {
            let line = self.control.hear().await;
            if line.starts_with(beginning) {
                return line;
            }
        }
    }
}
