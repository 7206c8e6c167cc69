//! Edges behind a balancer are replaced one after the other: nobody misses an event, and nobody comes back in a crowd.
//!
//! `make bench` does the same with 5,000 subscribers.

use std::time::Duration;

use lastmile_tests::{Figures, RollingRestart};

#[expect(clippy::print_stdout, reason = "the figures are for whoever runs it by hand")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_nothing_and_spreads_who_comes_back() {
    let restart = RollingRestart {
        subscribers: 500,
        interval: Duration::from_millis(200),
        window: Duration::from_secs(3),
        parts: 4,
    };
    let figures = restart.run().await;
    assert_eq!(figures.faults, Vec::<String>::new(), "{figures}");
    // All of the first edge's, which are about half, then all.
    assert!((740..=760).contains(&figures.away.len()), "{figures}");
    // All at once would be four times the rate in one quarter; how even it is, is measured by `make bench`.
    for rate in figures.rates.iter().flatten() {
        assert!(*rate < 3.0, "{figures}");
    }
    // Less than the window: who waits for its turn is not away.
    assert!(Figures::share(&figures.pauses, 50) < 3000, "{figures}");
    print!("{figures}");
}
