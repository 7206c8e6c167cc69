//! A bench and all that it starts in a session of its own.
//!
//! Where the scheduler groups processes by session, `nice` counts only inside one: whatever else runs on the machine
//! would get as much as the bench. The session's own priority is what helps.

use std::process::{Command, ExitCode};

use rustix::process::{Resource, Rlimit, Signal};

/// How much this session goes before others, as `nice` counts.
const PRIORITY: &str = "-15";

/// Starts the bench again, with `in-session` before its arguments, and waits for it.
///
/// # Panics
/// When it cannot be started.
pub fn run_apart(arguments: &[String]) -> ExitCode {
    let itself = std::env::current_exe().expect("a bench knows its own path");
    let status = Command::new(itself).arg("in-session").args(arguments).status().expect("it starts again");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes this process the first of a new session with as many sockets as it may have.
///
/// # Panics
/// When it is the leader of a group of processes.
#[expect(clippy::print_stderr, reason = "the reader of the figures should know")]
pub fn enter_session() {
    // Ctrl-C ends the process that waits; this one then tidies up.
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).expect("a signal");
    rustix::process::setsid().expect("the child is no leader of a group");
    if let Err(error) = std::fs::write("/proc/self/autogroup", PRIORITY) {
        eprintln!(
            "figures may be disturbed by what else runs: the session's priority is not raised: {error}"
        );
    }
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .expect("up to the maximum");
}
