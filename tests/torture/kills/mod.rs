//! Kills the core again and again under writers, and holds what they were told against what is there.

mod writers;
mod ledger;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use lastmile_tests::{CoreProcess, binary};
use rand::Rng;

use crate::seed::Seed;

use ledger::Totals;
use writers::Writer;

/// Kills so often; panics at the first write that is not where it should be.
pub(crate) async fn kill_under_writers(seed: Seed, rounds: u64) -> String {
    let mut random = seed.part("kills");
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
            writer.settle(&core).await.unwrap_or_else(|fault| panic!("{seed}, round {round}: {fault}"));
        }
        totals = ledger::compare(&core, &begin, &writers)
            .await
            .unwrap_or_else(|fault| panic!("{seed}, round {round}: {fault}"));
        assert_sound(data.path());
    }
    assert!(totals.acknowledged > 0, "nothing was written");
    format!("{rounds} kills survived: {totals}")
}

fn assert_sound(data: &Path) {
    let checked = Command::new(binary("lastmile-server")).args(["check", "--data"]).arg(data).output();
    let checked = checked.expect("the check runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
