//! One run: everything is put up, hurt for a while, left alone, and looked at.

use std::sync::Arc;
use std::time::Duration;

use crate::chaos::Chaos;
use crate::checker::{check, check_calls};
use crate::deeds::Deed;
use crate::history::{History, Outcome, Seen, topics};
use crate::plan::Plan;
use crate::seed::Seed;
use crate::show::Show;
use crate::subscriber::cast;
use crate::tally::Tally;
use crate::violation::{story, story_of_caller};

/// Runs with this many edges in front of a core (none: in one process) for a while; tells of each thing that was wrong its
/// sort and its story.
pub(crate) async fn run(seed: Seed, edges: usize, length: Duration, tally: &Tally) -> Vec<(String, String)> {
    let mut show = Show::begin(seed, edges, tally).await;
    for (number, part) in cast().into_iter().enumerate() {
        tally.count(&format!("{} subscribers", part.face.name()));
        show.admit(part.reader(number, seed, show.clock, &show.stage.fronts), part.face);
    }
    for number in 0..topics::CALLS.len() {
        tally.count("session callers");
        show.admit_caller(number, seed, None);
    }
    show.admit_liar(seed);
    let chaos = Chaos {
        stage: Arc::clone(&show.stage),
        known: show.known.clone(),
        clock: show.clock,
        tally: tally.clone(),
        recorder: Arc::clone(&show.recorder),
        gate: Arc::clone(&show.gate),
        rights: Arc::default(),
    };
    let begun = show.clock.now();
    chaos.carry_out(Plan::new(seed, length, edges)).await;
    tokio::time::sleep((begun + length).saturating_sub(show.clock.now())).await;

    let (histories, deeds, truth, faults) = show.end().await;
    let mut told: Vec<_> = faults.into_iter().map(|fault| (fault, String::new())).collect();
    for history in &histories {
        for violation in check(history, &truth) {
            let sort = format!("{:?}: {}", violation.kind, violation.text);
            told.push((sort, story(&violation, history, &truth.acts)));
        }
        history.entries.iter().for_each(|entry| count(&entry.seen, history, tally));
    }
    for deeds in &deeds {
        for violation in check_calls(deeds, &truth) {
            let sort = format!("{:?}: {}", violation.kind, violation.text);
            told.push((sort, story_of_caller(&violation, deeds, &truth.acts)));
        }
        deeds.all.iter().for_each(|done| count_deed(&done.deed, tally));
    }
    tally.add("events published", truth.published() as u64);
    tally.add("violations", told.len() as u64);
    told
}

fn count_deed(deed: &Deed, tally: &Tally) {
    match deed {
        Deed::Answered { .. } => tally.count("calls answered"),
        Deed::Failed { .. } => tally.count("calls failed"),
        Deed::Unknown { .. } => tally.count("calls unknown"),
        Deed::Committed { .. } => tally.count("replies in conversations"),
        Deed::Changed { .. } => tally.count("changes heard in conversations"),
        _ => {}
    }
}

fn count(seen: &Seen, history: &History, tally: &Tally) {
    match seen {
        Seen::Event { .. } => tally.count("deliveries checked"),
        Seen::Asked { .. } => tally.count(&format!("{} requests", history.face)),
        Seen::Opened(streams) => {
            for stream in streams {
                match &stream.outcome {
                    Outcome::Resumed => tally.count("streams resumed"),
                    Outcome::Gap(reason) => tally.count(&format!("gaps: {reason}")),
                    Outcome::Fresh => {}
                }
            }
        }
        Seen::Closed { reason } | Seen::Failed { reason } | Seen::Refused { reason, .. } => {
            tally.count(&format!("told: {reason}"));
        }
        _ => {}
    }
}
