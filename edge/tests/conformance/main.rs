//! The official conformance suite of protobuf against the edge's own reader and writer.
//!
//! This program is both sides: started by the suite's runner with the argument `testee` it answers requests on stdin;
//! started by `cargo test` it starts the runner.

#![expect(clippy::print_stdout, reason = "a program of its own, without the test harness")]

mod reencode;
mod testee;
mod runner;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().collect::<Vec<_>>().as_slice() {
        [_, argument, form] if argument == "testee" => testee::serve(form),
        _ => runner::run(&testee::FORMS),
    }
}
