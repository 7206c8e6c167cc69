//! Runs a target over its kept inputs and mutations of them, and keeps what makes it fail.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::mutate::mutate;
use crate::targets::Target;

/// Inputs that were accepted and are mutated further, beside the kept ones.
const POOL: usize = 512;

/// How long a target is fed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budget {
    /// So often, the same every time.
    Executions(u64),
    Time(Duration),
}

impl Budget {
    pub(crate) fn from_env() -> Self {
        let seconds = std::env::var("LASTMILE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
        seconds.map_or(Self::Executions(40_000), |seconds| Self::Time(Duration::from_secs(seconds)))
    }

    fn rng(self) -> StdRng {
        match self {
            Self::Executions(_) => StdRng::seed_from_u64(4),
            Self::Time(_) => StdRng::from_os_rng(),
        }
    }

    fn is_spent(self, executions: u64, start: Instant) -> bool {
        match self {
            Self::Executions(limit) => executions >= limit,
            Self::Time(limit) => start.elapsed() >= limit,
        }
    }
}

/// Whether the target held; says how often it was tried.
pub(crate) fn drive(target: &Target, budget: Budget) -> bool {
    let (mut rng, start) = (budget.rng(), Instant::now());
    let mut inputs = kept(target);
    let kept = inputs.len();
    let (mut executions, mut accepted) = (0_u64, 0_u64);
    for input in &inputs {
        if attempt(target, input).is_none() {
            return false;
        }
    }
    while !budget.is_spent(executions, start) {
        let any = |rng: &mut StdRng| rng.random_range(0..inputs.len());
        let (base, other) = (any(&mut rng), any(&mut rng));
        let input = mutate(&mut rng, &inputs[base], &inputs[other], target.words);
        let Some(is_accepted) = attempt(target, &input) else { return false };
        executions += 1;
        accepted += u64::from(is_accepted);
        if is_accepted && inputs.len() < kept + POOL {
            inputs.push(input);
        } else if is_accepted {
            let place = rng.random_range(kept..inputs.len());
            inputs[place] = input;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "fuzz: {}: {kept} kept inputs, {executions} mutations, {accepted} of them accepted, {seconds:.1} s",
        target.name
    );
    true
}

/// Whether the input is accepted; nothing when the target fails.
fn attempt(target: &Target, input: &[u8]) -> Option<bool> {
    let result = catch_unwind(|| (target.run)(input));
    if result.is_err() {
        let path = root().join("../target").join(format!("fuzz-{}", target.name));
        let saved = fs::write(&path, input);
        println!("fuzz: {}: failed on {}", target.name, input.escape_ascii());
        println!(
            "fuzz: the input is in {}{}",
            path.display(),
            if saved.is_ok() { "" } else { " (not written)" }
        );
    }
    result.ok()
}

/// The inputs in the target's folder, in the order of their names.
fn kept(target: &Target) -> Vec<Vec<u8>> {
    let folder = root().join("tests/fuzz/corpus").join(target.name);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no inputs", folder.display());
    paths.iter().map(|path| fs::read(path).expect("an input")).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}
