//! Kills the core again and again under writers, and holds what they were told against what is there.
//!
//! `LASTMILE_TORTURE_ROUNDS` kills so often (default 3); `LASTMILE_TORTURE_SEED` repeats a run.

#![expect(clippy::print_stdout, reason = "the seed and the table are the output")]

mod ledger;
mod writers;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use lastmile_tests::{CoreProcess, binary};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use ledger::Totals;
use writers::Writer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_is_there_once_and_no_other_twice() {
    let rounds = setting("ROUNDS").unwrap_or(3);
    let seed = setting("SEED").unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| u64::from(time.subsec_nanos()))
    });
    println!("LASTMILE_TORTURE_SEED={seed} LASTMILE_TORTURE_ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);
    let data = tempfile::tempdir().expect("a folder");
    let mut core = CoreProcess::start(data.path(), &[]).await;
    let mut writers = Writer::all(&core).await;
    let begin = ledger::begin(&core).await.expect("a beginning");
    let mut totals = Totals::default();
    for round in 1..=rounds {
        let lifetime = Duration::from_millis(random.random_range(50..1200));
        let writing = join_all(writers.drain(..).map(|writer| tokio::spawn(writer.write_until_refused())));
        tokio::time::sleep(lifetime).await;
        core.kill_and_restart().await;
        writers = writing.await.into_iter().map(|writer| writer.expect("no panic")).collect();
        for writer in &mut writers {
            writer.settle(&core).await.unwrap_or_else(|fault| panic!("seed {seed}, round {round}: {fault}"));
        }
        totals = ledger::compare(&core, &begin, &writers)
            .await
            .unwrap_or_else(|fault| panic!("seed {seed}, round {round}: {fault}"));
        assert_sound(data.path());
    }
    println!("{rounds} kills survived: {totals}");
    assert!(totals.acknowledged > 0, "nothing was written");
}

fn assert_sound(data: &Path) {
    let checked = Command::new(binary("lastmile-server")).args(["check", "--data"]).arg(data).output();
    let checked = checked.expect("the check runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(format!("LASTMILE_TORTURE_{name}")).ok()?.parse().ok()
}
