//! A rolling restart of two edges with 5,000 subscribers: what they miss, how fast they come back, how long they see
//! nothing.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Duration;

use lastmile_tests::RollingRestart;

#[tokio::main]
async fn main() {
    let restart = RollingRestart {
        subscribers: 5000,
        interval: Duration::from_millis(250),
        window: Duration::from_secs(5),
        parts: 5,
    };
    let figures = restart.run().await;
    print!("{figures}");
    assert!(figures.faults.is_empty(), "{:?}", &figures.faults[..figures.faults.len().min(12)]);
    for rate in figures.rates.iter().flatten() {
        assert!((0.8..=1.2).contains(rate), "reconnects are to be spread evenly");
    }
}
