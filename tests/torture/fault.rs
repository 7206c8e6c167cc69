//! What happens to one connection, and at which of its bytes.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use crate::seed::Seed;

/// One fault on the way of bytes from server to client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Both sides are closed in good order, in the middle of whatever was being sent.
    Cut,
    /// Both sides get a reset.
    Reset,
    /// The client sees the end, the server can go on sending.
    HalfCloseToClient,
    /// The server sees the end, the client can go on reading.
    HalfCloseToServer,
    /// Nothing passes for a while, in both directions.
    Stall(Duration),
    /// Nothing passes any more, and nobody is told.
    Silence,
    /// The next pieces arrive late, each of them.
    Delay { each: Duration, pieces: u32 },
    /// The next bytes arrive in pieces of a few.
    Split { bytes: u64 },
    /// What comes within this time arrives at once.
    Coalesce(Duration),
}

impl Fault {
    /// What the table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cut => "cuts",
            Self::Reset => "resets",
            Self::HalfCloseToClient | Self::HalfCloseToServer => "half-closes",
            Self::Stall(_) => "stalls",
            Self::Silence => "silences",
            Self::Delay { .. } => "delays",
            Self::Split { .. } => "splits",
            Self::Coalesce(_) => "coalescings",
        }
    }
}

/// The faults of one connection, one after the other.
#[derive(Debug)]
pub(crate) struct Script {
    random: StdRng,
    mean_bytes: u64,
}

impl Script {
    /// The script of a connection, by its number; about `mean_bytes` pass between two faults.
    pub(crate) fn new(seed: Seed, connection: u64, mean_bytes: u64) -> Self {
        Self { random: seed.part(&format!("connection {connection}")), mean_bytes }
    }

    /// How many bytes pass unharmed, and what happens then.
    pub(crate) fn next(&mut self) -> (u64, Fault) {
        let uniform: f64 = self.random.random_range(f64::EPSILON..1.0);
        let bytes = (-uniform.ln() * self.mean_bytes as f64) as u64;
        (bytes, self.fault())
    }

    fn fault(&mut self) -> Fault {
        let random = &mut self.random;
        let mut millis = |range| Duration::from_millis(random.random_range(range));
        let (short, long) = (millis(200..4000), millis(4000..15_000));
        let (each, pause) = (millis(5..120), millis(50..400));
        let bytes = random.random_range(20..600);
        let pieces = random.random_range(2..20);
        match random.random_range(0..100) {
            0..14 => Fault::Cut,
            14..28 => Fault::Reset,
            28..33 => Fault::HalfCloseToClient,
            33..37 => Fault::HalfCloseToServer,
            37..47 => Fault::Stall(short),
            47..50 => Fault::Stall(long),
            50 => Fault::Silence,
            51..65 => Fault::Delay { each, pieces },
            65..85 => Fault::Split { bytes },
            _ => Fault::Coalesce(pause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_the_same_faults_every_time_and_others_than_the_next() {
        let first = |connection| {
            let mut script = Script::new(Seed(3), connection, 5000);
            (0..50).map(|_| script.next()).collect::<Vec<_>>()
        };
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
