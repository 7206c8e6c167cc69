//! The heartbeat of a connection: something is written now and then, and an answer is looked for.

/// How long an answer may take, in milliseconds.
const PATIENCE: u64 = 5000;
/// So many beats without an answer end a connection.
const MISSED: u32 = 3;

/// What it is time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// A sign of life is to be written, which is to be answered.
    Ping,
    /// The client is gone.
    Dead,
}

/// The heartbeat of one connection. Moments are milliseconds of any clock that goes forward.
#[derive(Debug)]
pub struct Heart {
    interval: u64,
    /// When it beats next.
    next: u64,
    /// When the last beat was written that was not answered.
    asked: Option<u64>,
    missed: u32,
}

impl Heart {
    pub fn new(interval: u64, now: u64) -> Self {
        Self { interval, next: now + interval, asked: None, missed: 0 }
    }

    /// Another connection is there.
    pub fn begin(&mut self, now: u64) {
        *self = Self::new(self.interval, now);
    }

    /// Whether an answer is due.
    pub fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// Something was heard of the client.
    pub fn hear(&mut self) {
        (self.asked, self.missed) = (None, 0);
    }

    /// When [`tick`](Self::tick) is to be called next.
    pub fn next(&self) -> u64 {
        self.asked.map_or(self.next, |asked| self.next.min(asked + PATIENCE))
    }

    pub fn tick(&mut self, now: u64) -> Option<Beat> {
        if self.asked.is_some_and(|asked| asked + PATIENCE <= now) {
            self.asked = None;
            self.missed += 1;
            if self.missed >= MISSED {
                return Some(Beat::Dead);
            }
        }
        if self.next > now {
            return None;
        }
        self.next = now + self.interval;
        // A beat that is still waited for keeps its own time.
        self.asked.get_or_insert(now);
        Some(Beat::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs until it is dead; the client answers the beats of these numbers.
    fn run(interval: u64, answered: &[u32]) -> (u32, u64) {
        let mut heart = Heart::new(interval, 0);
        let (mut beats, mut now) = (0, 0);
        while beats < 20 {
            now = heart.next().max(now);
            match heart.tick(now) {
                Some(Beat::Dead) => return (beats, now),
                Some(Beat::Ping) => {
                    beats += 1;
                    if answered.contains(&beats) {
                        heart.hear();
                    }
                }
                None => {}
            }
        }
        (beats, now)
    }

    #[test]
    fn three_beats_without_an_answer_are_the_end() {
        assert_eq!(run(15_000, &[]), (3, 50_000));
        assert_eq!(run(15_000, &[2]), (5, 80_000));
        let all: Vec<u32> = (1..=20).collect();
        assert_eq!(run(15_000, &all).0, 20);
        // Faster than answers may be: each is still given its time.
        assert_eq!(run(1000, &[]).1, 16_000);
    }
}
