//! The ways in which events are published, and what each costs.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::readers::Tally;
use crate::rival::Rival;

/// Events that are on their way at once in [`saturate`].
const WINDOW: u64 = 64;

/// What came of a round.
pub(crate) struct Work {
    /// CPU microseconds a delivery, of each process.
    pub(crate) cpu: Vec<f64>,
    pub(crate) deliveries_per_second: f64,
    pub(crate) tally: Tally,
}

impl Work {
    /// CPU microseconds a delivery, of all processes.
    pub(crate) fn all(&self) -> f64 {
        self.cpu.iter().sum()
    }
}

/// Each event when the one before has reached everyone, and not before `pace` has passed.
pub(crate) async fn one_by_one(rival: &mut Rival, events: u64, pace: Duration) -> Work {
    bursts(rival, events, 1, pace).await
}

/// The same with `size` events back to back.
pub(crate) async fn bursts(rival: &mut Rival, bursts: u64, size: usize, pace: Duration) -> Work {
    measure(rival, async |rival| {
        let mut due = Instant::now();
        for burst in 1..=bursts {
            sleep_until(due).await;
            due = Instant::now() + pace;
            rival.publish(size).await;
            rival.crowd.delivered(burst * size as u64).await;
        }
        bursts * size as u64
    })
    .await
}

/// As many events as go through in `time`.
pub(crate) async fn saturate(rival: &mut Rival, time: Duration) -> Work {
    measure(rival, async |rival| {
        let end = Instant::now() + time;
        let mut published = 0;
        while Instant::now() < end {
            rival.publish(1).await;
            published += 1;
            rival.crowd.delivered((published + 1_u64).saturating_sub(WINDOW)).await;
        }
        rival.crowd.delivered(published).await;
        published
    })
    .await
}

/// Runs what publishes some events and returns their number when they have been delivered.
async fn measure(rival: &mut Rival, work: impl AsyncFnOnce(&mut Rival) -> u64) -> Work {
    rival.crowd.tally().await;
    let before = rival.cpu();
    let begun = Instant::now();
    let events = work(rival).await;
    let elapsed = begun.elapsed().as_secs_f64();
    let after = rival.cpu();
    rival.published().await;
    let tally = rival.crowd.tally().await;
    let exact = (tally.least, tally.most) == (events, events);
    assert!(exact, "{}: every subscriber should have {events} events: {tally:?}", rival.name);
    let deliveries = tally.events as f64;
    let cpu = after.iter().zip(&before).map(|(after, before)| after.since(before) / deliveries).collect();
    Work { cpu, deliveries_per_second: deliveries / elapsed, tally }
}
