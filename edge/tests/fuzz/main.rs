//! Feeds kept and mutated bytes to what reads bytes from outside, each target with an oracle of its own.
//!
//! `cargo test` replays the kept inputs and tries a fixed number of mutations, the same every time; with
//! `LASTMILE_FUZZ_SECONDS` each target is fed for so long, and differently every time.

#![expect(clippy::print_stdout, reason = "a program of its own, without the test harness")]

#[path = "../edge/shop.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod shop;
mod targets;
mod mutate;
mod drive;

use std::process::ExitCode;

fn main() -> ExitCode {
    let budget = drive::Budget::from_env();
    let failures = targets::ALL.iter().filter(|target| !drive::drive(target, budget));
    if failures.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
