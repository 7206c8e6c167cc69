//! Runs a model in many orders.

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, MaxSteps, Runner};

/// Finds each fault that has been planted, within a second or two.
const RUNS: usize = 1000;
/// Changes of the running task by which a fault may be reached.
const DEPTH: usize = 3;

/// Runs a model in many orders: by chance, and with few changes of the running task, which finds what needs a long wait in
/// one place. `LASTMILE_MODEL_RUNS` sets how many.
pub(crate) fn explore(model: impl Fn() + Clone + Send + Sync + 'static) {
    let runs = std::env::var("LASTMILE_MODEL_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    // A task that spins instead of waiting shall be seen.
    config.max_steps = MaxSteps::FailAfter(100_000);
    Runner::new(RandomScheduler::new(runs), config.clone()).run(model.clone());
    Runner::new(PctScheduler::new(DEPTH, runs), config).run(model);
}

/// A number below `bound`, of the order that is explored.
pub(crate) fn any_below(bound: u32) -> u32 {
    use shuttle::rand::Rng;
    shuttle::rand::thread_rng().gen_range(0..bound)
}
