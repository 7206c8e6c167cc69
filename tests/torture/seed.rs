//! The one number that a run's randomness grows from.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Repeats the plan of a run when given again as `LASTMILE_TORTURE_SEED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// The one that the environment names, else a new one.
    pub(crate) fn choose() -> Self {
        let fresh = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.subsec_nanos());
        Self(setting("SEED").unwrap_or_else(|| fresh().into()))
    }

    /// Randomness for one part of the run, the same whatever the other parts draw.
    pub(crate) fn part(self, name: &str) -> StdRng {
        StdRng::seed_from_u64(self.child(name).0)
    }

    /// A seed for one part of the run (FNV-1a over the name).
    pub(crate) fn child(self, name: &str) -> Self {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(self.0 ^ 0xcbf2_9ce4_8422_2325, mix))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LASTMILE_TORTURE_SEED={}", self.0)
    }
}

/// The number in `LASTMILE_TORTURE_…`.
pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(format!("LASTMILE_TORTURE_{name}")).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn parts_repeat_and_differ() {
        let draw = |seed: u64, name: &str| Seed(seed).part(name).random::<u64>();
        assert_eq!(draw(7, "proxy 1"), draw(7, "proxy 1"));
        assert_ne!(draw(7, "proxy 1"), draw(7, "proxy 2"));
        assert_ne!(draw(7, "proxy 1"), draw(8, "proxy 1"));
    }
}
