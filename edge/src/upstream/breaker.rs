//! Keeps calls from an endpoint that fails most of them, and finds out when it is well again.
//!
//! Pure: whoever asks says what time it is. Closed, it lets all calls through and counts them in a window that slides.
//! Open, it lets none through for a while, longer each time. Half open, it lets a few try.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::BreakerConfig;

use super::verdict::Verdict;

/// Parts of the window: what leaves it at once is one part.
const PARTS: usize = 10;
/// How often the pause is doubled.
const MOST_DOUBLED: u32 = 4;

/// Whether calls are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// All of them.
    Closed,
    /// None.
    Open,
    /// A few, which decide what follows.
    HalfOpen,
}

/// The breaker of one endpoint.
#[derive(Debug)]
pub(super) struct Breaker {
    rule: BreakerConfig,
    phase: Phase,
    /// Grows with every change: what was let through before says nothing of what is after.
    epoch: u64,
}

/// A call that was let through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    epoch: u64,
}

/// What became of the breaker by a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened { pause: Duration },
    Closed,
}

#[derive(Debug)]
enum Phase {
    Closed(Window),
    Open {
        until: Instant,
        /// How often in a row.
        times: u32,
    },
    HalfOpen {
        /// Trials that have no verdict by then are given up.
        until: Instant,
        running: u32,
        good: u32,
        times: u32,
    },
}

impl Breaker {
    pub(super) fn new(rule: BreakerConfig, now: Instant) -> Self {
        Self { rule, phase: Phase::Closed(Window::new(now)), epoch: 0 }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether a call would be let through.
    pub(super) fn would_admit(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Closed(_) => true,
            Phase::Open { until, .. } => now >= until,
            Phase::HalfOpen { until, running, good, .. } => running + good < self.trials() || now >= until,
        }
    }

    /// Lets a call through, which must be settled; or says how long to wait.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Pass, Duration> {
        match &mut self.phase {
            Phase::Closed(_) => {}
            Phase::Open { until, .. } if now < *until => return Err(*until - now),
            Phase::Open { times, .. } => {
                let times = *times;
                self.half_open(now, times);
            }
            Phase::HalfOpen { until, running, good, times } => {
                if *running + *good < self.rule.trials.max(1) {
                    *running += 1;
                } else if now < *until {
                    return Err(*until - now);
                } else {
                    let times = *times;
                    self.half_open(now, times);
                }
            }
        }
        Ok(Pass { epoch: self.epoch })
    }

    /// Takes the verdict on a call that was let through.
    pub(super) fn settle(&mut self, pass: Pass, verdict: Verdict, now: Instant) -> Option<Change> {
        if pass.epoch != self.epoch {
            return None;
        }
        match (&mut self.phase, verdict) {
            (Phase::Open { .. }, _) | (Phase::Closed(_), Verdict::Unknown) => None,
            (Phase::Closed(window), _) => {
                window.count(verdict == Verdict::Fails, now, self.rule.window);
                let (failed, all) = window.sums();
                let is_enough = all >= self.rule.minimum_calls.max(1) && failed > 0;
                let is_bad = f64::from(failed) >= self.rule.failure_rate * f64::from(all);
                (is_enough && is_bad && self.rule.enabled).then(|| self.open(now, 0))
            }
            (Phase::HalfOpen { running, .. }, Verdict::Unknown) => {
                *running = running.saturating_sub(1);
                None
            }
            (Phase::HalfOpen { times, .. }, Verdict::Fails) => {
                let times = *times + 1;
                Some(self.open(now, times))
            }
            (Phase::HalfOpen { running, good, .. }, Verdict::Works) => {
                *running = running.saturating_sub(1);
                *good += 1;
                (*good >= self.rule.trials.max(1)).then(|| {
                    self.turn(Phase::Closed(Window::new(now)));
                    Change::Closed
                })
            }
        }
    }

    fn trials(&self) -> u32 {
        self.rule.trials.max(1)
    }

    fn open(&mut self, now: Instant, times: u32) -> Change {
        let pause = self.rule.pause * 2_u32.pow(times.min(MOST_DOUBLED));
        self.turn(Phase::Open { until: now + pause, times });
        Change::Opened { pause }
    }

    /// With the first trial under way.
    fn half_open(&mut self, now: Instant, times: u32) {
        self.turn(Phase::HalfOpen { until: now + self.rule.pause, running: 1, good: 0, times });
    }

    fn turn(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }
}

/// Calls of the latest time, in parts that are dropped one by one.
#[derive(Debug)]
struct Window {
    /// Failed and all calls.
    parts: [(u32, u32); PARTS],
    /// The part that counts now, and when it began.
    current: usize,
    began: Instant,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self { parts: [(0, 0); PARTS], current: 0, began: now }
    }

    fn count(&mut self, failed: bool, now: Instant, length: Duration) {
        let part = (length / PARTS as u32).max(Duration::from_millis(1));
        let passed = now.saturating_duration_since(self.began).as_nanos() / part.as_nanos();
        if passed >= PARTS as u128 {
            *self = Self::new(now);
        } else {
            for _ in 0..passed {
                self.current = (self.current + 1) % PARTS;
                self.parts[self.current] = (0, 0);
                self.began += part;
            }
        }
        let (failures, all) = &mut self.parts[self.current];
        *failures = failures.saturating_add(u32::from(failed));
        *all = all.saturating_add(1);
    }

    fn sums(&self) -> (u32, u32) {
        self.parts
            .iter()
            .fold((0, 0), |(failed, all), part| (failed.saturating_add(part.0), all.saturating_add(part.1)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn rule() -> BreakerConfig {
        BreakerConfig {
            enabled: true,
            failure_rate: 0.5,
            minimum_calls: 10,
            window: Duration::from_secs(10),
            pause: Duration::from_secs(5),
            trials: 3,
        }
    }

    fn seconds(now: Instant, seconds: f64) -> Instant {
        now + Duration::from_secs_f64(seconds)
    }

    /// Makes calls at one moment; tells the last change.
    fn calls(breaker: &mut Breaker, verdict: Verdict, count: usize, now: Instant) -> Option<Change> {
        let mut change = None;
        for _ in 0..count {
            if let Ok(pass) = breaker.admit(now) {
                change = breaker.settle(pass, verdict, now).or(change);
            }
        }
        change
    }

    #[test]
    fn opens_at_the_rate_and_not_before_there_are_enough_calls() {
        let now = Instant::now();
        for (works, fails, is_open) in [
            (0, 9, false),
            (0, 10, true),
            (5, 4, false),
            (5, 5, true),
            (20, 19, false),
            (20, 20, true),
            (100, 0, false),
        ] {
            let mut breaker = Breaker::new(rule(), now);
            calls(&mut breaker, Verdict::Works, works, now);
            calls(&mut breaker, Verdict::Unknown, 50, now);
            let change = calls(&mut breaker, Verdict::Fails, fails, now);
            assert_eq!(change.is_some(), is_open, "{works} {fails}");
            assert_eq!(breaker.state() == BreakerState::Open, is_open, "{works} {fails}");
        }
        let mut off = Breaker::new(BreakerConfig { enabled: false, ..rule() }, now);
        assert_eq!(calls(&mut off, Verdict::Fails, 100, now), None);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let now = Instant::now();
        for (later, is_open) in [(0.5, true), (8.5, true), (10.5, false), (60.0, false)] {
            let mut breaker = Breaker::new(rule(), now);
            calls(&mut breaker, Verdict::Fails, 9, now);
            calls(&mut breaker, Verdict::Fails, 1, seconds(now, later));
            assert_eq!(breaker.state() == BreakerState::Open, is_open, "after {later} s");
        }
    }

    #[test]
    fn a_few_trials_decide_and_the_pause_grows() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(rule(), now);
        calls(&mut breaker, Verdict::Fails, 10, now);
        assert_eq!(breaker.admit(seconds(now, 1.0)).unwrap_err(), Duration::from_secs(4));
        assert!(!breaker.would_admit(seconds(now, 4.9)) && breaker.would_admit(seconds(now, 5.0)));
        for pause in [10, 20, 40, 80, 80] {
            now = seconds(now, 80.0);
            let passes: Vec<Pass> = (0..3).map(|_| breaker.admit(now).unwrap()).collect();
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            assert!(breaker.admit(now).is_err() && !breaker.would_admit(now), "no more than three");
            assert_eq!(breaker.settle(passes[0], Verdict::Works, now), None);
            assert!(breaker.admit(now).is_err(), "a good trial is not one more call");
            let change = breaker.settle(passes[1], Verdict::Fails, now);
            assert_eq!(change, Some(Change::Opened { pause: Duration::from_secs(pause) }));
            assert_eq!(breaker.settle(passes[2], Verdict::Fails, now), None, "it was told already");
        }
        now = seconds(now, 80.0);
        assert_eq!(calls(&mut breaker, Verdict::Works, 3, now), Some(Change::Closed));
        assert_eq!(calls(&mut breaker, Verdict::Fails, 9, now), None, "it begins anew");
        assert_eq!(calls(&mut breaker, Verdict::Fails, 1, now), Some(Change::Opened { pause: rule().pause }));
    }

    #[test]
    fn trials_without_a_verdict_block_nobody() {
        let now = Instant::now();
        let mut breaker = Breaker::new(rule(), now);
        calls(&mut breaker, Verdict::Fails, 10, now);
        let now = seconds(now, 5.0);
        let left = breaker.admit(now).unwrap();
        let hung: Vec<Pass> = (0..2).map(|_| breaker.admit(now).unwrap()).collect();
        assert!(breaker.admit(now).is_err());
        breaker.settle(left, Verdict::Unknown, now);
        assert!(breaker.admit(now).is_ok(), "the place of one that left is free");
        assert!(breaker.admit(now).is_err());
        let later = seconds(now, 5.0);
        assert_eq!(calls(&mut breaker, Verdict::Works, 3, later), Some(Change::Closed));
        assert_eq!(breaker.settle(hung[0], Verdict::Fails, later), None);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever happens: never more trials than allowed, and a backend that is well is found well in the end.
        #[test]
        fn always_finds_its_way_back(steps in vec((0..4_u8, 0..4000_u64), 0..300)) {
            let mut now = Instant::now();
            let mut breaker = Breaker::new(rule(), now);
            let mut passes = Vec::new();
            for (step, milliseconds) in steps {
                now += Duration::from_millis(milliseconds);
                match step {
                    0 => {
                        let may = breaker.would_admit(now);
                        let pass = breaker.admit(now);
                        prop_assert_eq!(pass.is_ok(), may);
                        passes.extend(pass.ok());
                    }
                    step => {
                        let verdict = [Verdict::Works, Verdict::Fails, Verdict::Unknown][usize::from(step - 1)];
                        if let Some(pass) = passes.pop() {
                            breaker.settle(pass, verdict, now);
                        }
                    }
                }
                if let Phase::HalfOpen { running, good, .. } = breaker.phase {
                    prop_assert!(running + good <= 3);
                }
            }
            now += Duration::from_secs(80);
            calls(&mut breaker, Verdict::Works, 3, now);
            prop_assert_eq!(breaker.state(), BreakerState::Closed);
        }
    }
}
