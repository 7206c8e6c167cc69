//! What is done to the processes and to the callers' rights, and when: all of it known before the run begins.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use crate::seed::Seed;

/// Something that happens after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step<A> {
    pub(crate) pause: Duration,
    pub(crate) act: A,
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// SIGKILL, and a start after a while.
    Kill { away: Duration },
    /// SIGSTOP, and SIGCONT after a while.
    Stop { away: Duration },
    /// SIGTERM, and a start once it has ended.
    Terminate,
    /// The core is killed and gets an older state from a backup.
    Restore,
}

/// What is taken from callers, and given back after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The rules of a guarded topic leave only administrators.
    Rules { topic: usize, away: Duration },
    /// A user who reads what only administrators may read is none for a while.
    Role { user: usize, away: Duration },
}

/// The plan of one run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) core: Vec<Step<Blow>>,
    /// Of each edge.
    pub(crate) edges: Vec<Vec<Step<Blow>>>,
    pub(crate) losses: Vec<Step<Loss>>,
}

impl Plan {
    /// The plan that a seed stands for.
    pub(crate) fn new(seed: Seed, length: Duration, edges: usize) -> Self {
        let mut core = blows(seed.part("core"), length, 3000..9000);
        restore_now_and_then(&mut core);
        let edges =
            (0..edges).map(|edge| blows(seed.part(&format!("edge {edge}")), length, 4000..12_000)).collect();
        Self { core, edges, losses: losses(seed.part("losses"), length) }
    }
}

fn millis(random: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.random_range(range))
}

fn blows(mut random: StdRng, length: Duration, pauses: std::ops::Range<u64>) -> Vec<Step<Blow>> {
    let (mut steps, mut at) = (Vec::new(), Duration::ZERO);
    loop {
        let pause = millis(&mut random, pauses.clone());
        let (down, short, long) = (
            millis(&mut random, 0..1500),
            millis(&mut random, 200..2500),
            // Longer than an edge waits for a position.
            millis(&mut random, 10_500..13_000),
        );
        let act = match random.random_range(0..20) {
            0..9 => Blow::Kill { away: down },
            9..16 => Blow::Stop { away: short },
            16 => Blow::Stop { away: long },
            _ => Blow::Terminate,
        };
        at += pause;
        if at > length {
            return steps;
        }
        if let Blow::Kill { away } | Blow::Stop { away } = act {
            at += away;
        }
        steps.push(Step { pause, act });
    }
}

/// One of about eight blows to the core, and one of every run, takes it back to a backup.
fn restore_now_and_then(steps: &mut [Step<Blow>]) {
    let count = steps.len();
    let middle = count / 2;
    for (number, step) in steps.iter_mut().enumerate() {
        if number == middle || (number % 8 == 7 && number.abs_diff(middle) > 4) {
            step.act = Blow::Restore;
        }
    }
}

fn losses(mut random: StdRng, length: Duration) -> Vec<Step<Loss>> {
    let (mut steps, mut at) = (Vec::new(), Duration::ZERO);
    loop {
        let pause = millis(&mut random, 1500..6000);
        // Now and then for longer than an admission lasts.
        let away = millis(&mut random, 300..10_000);
        let act = if random.random_bool(0.6) {
            Loss::Rules { topic: random.random_range(0..2), away }
        } else {
            Loss::Role { user: random.random_range(0..2), away }
        };
        at += pause + away;
        if at > length {
            return steps;
        }
        steps.push(Step { pause, act });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_stands_for_one_plan_with_a_restore_in_it() {
        let plan = |seed| Plan::new(Seed(seed), Duration::from_secs(40), 2);
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
        for seed in 0..50 {
            assert!(plan(seed).core.iter().any(|step| step.act == Blow::Restore), "{seed}");
        }
    }
}
