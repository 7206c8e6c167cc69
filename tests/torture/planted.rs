//! The harness as a whole is tested: a proxy that breaks a promise on the wire is found out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::caller::Trick;
use crate::checker::{check, check_calls};
use crate::prank::{Over, Prank, play};
use crate::seed::Seed;
use crate::show::Show;
use crate::subscriber::{Face, one_who_reads_an_open_topic};
use crate::tally::Tally;
use crate::violation::Kind;

/// Long enough for each prank to be played a few times.
const LENGTH: Duration = Duration::from_secs(5);
/// The same for tricks: a conversation goes more slowly.
const CONVERSATION: Duration = Duration::from_secs(8);

/// Who reads without a prank, and who reads with which: what must be found, and nothing else.
const PLAYED: [(Option<Prank>, &[Kind]); 7] = [
    (None, &[]),
    (Some(Prank::Drop), &[Kind::Loss]),
    (Some(Prank::Repeat), &[Kind::Repeat]),
    (Some(Prank::Swap), &[Kind::Reorder]),
    (Some(Prank::OldCursor), &[Kind::WrongCursor]),
    (Some(Prank::Forget), &[Kind::SilentGap]),
    (Some(Prank::ClaimGap), &[Kind::FalseReason]),
];

/// Who makes calls in sessions without a trick, and who with which, five at a time.
const TRICKS: [[(Option<Trick>, &[Kind]); 5]; 2] = [
    [
        (None, &[]),
        (Some(Trick::CallTwice), &[Kind::Twice]),
        (Some(Trick::InventAnswers), &[Kind::Unapplied]),
        (Some(Trick::MissAnswers), &[Kind::Stuck]),
        (Some(Trick::GiveUp), &[Kind::FalseUnknown]),
    ],
    [
        // The change is then heard of before an answer.
        (Some(Trick::DropReplies), &[Kind::Loss, Kind::Reorder]),
        (Some(Trick::RepeatReplies), &[Kind::Repeat]),
        (Some(Trick::DropChanges), &[Kind::Loss]),
        (Some(Trick::SwapChanges), &[Kind::Reorder]),
        (Some(Trick::RepeatChanges), &[Kind::Repeat]),
    ],
];

/// Has callers in sessions play every trick; panics when one is not found out, or slandered.
pub(crate) async fn every_trick_is_found_out(seed: Seed) {
    for tricks in TRICKS {
        let mut show = Show::begin(seed, 0, &Tally::default()).await;
        show.stage.calm();
        for (number, (trick, _)) in tricks.iter().enumerate() {
            show.admit_caller(number, seed, *trick);
        }
        tokio::time::sleep(CONVERSATION).await;
        let (_, deeds, truth, faults) = show.end().await;
        assert!(faults.is_empty(), "{faults:?}");
        for (deeds, (trick, kinds)) in deeds.iter().zip(tricks) {
            let violations = check_calls(deeds, &truth);
            let mut found: Vec<Kind> = violations.iter().map(|violation| violation.kind).collect();
            found.sort_unstable();
            found.dedup();
            // By which of its signs one is found out may be chance.
            let is_true = found.iter().all(|kind| kinds.contains(kind));
            assert!(
                is_true && found.is_empty() == kinds.is_empty(),
                "{trick:?}: {found:?} and not {kinds:?}: {violations:#?} {:#?}",
                deeds.all
            );
        }
    }
}

/// Plays every prank on an EventSource and on a client with fetch; panics when one is not found out, or slandered.
pub(crate) async fn every_prank_is_found_out(seed: Seed) {
    let mut show = Show::begin(seed, 0, &Tally::default()).await;
    show.stage.calm();
    let (mut expected, over) = (Vec::new(), Over::default());
    for (prank, kinds) in PLAYED {
        for face in [Face::EventSource, Face::Fetch] {
            let front = match prank {
                Some(prank) => play(prank, show.stage.fronts[0], &over).await,
                None => show.stage.fronts[0],
            };
            let reader = one_who_reads_an_open_topic(face, expected.len(), seed, show.clock, front);
            show.admit(reader, face);
            expected.push((prank, face, kinds));
        }
    }
    tokio::time::sleep(LENGTH).await;
    over.store(true, Ordering::Relaxed);
    let (histories, _, truth, faults) = show.end().await;
    assert!(faults.is_empty(), "{faults:?}");
    for (history, (prank, face, kinds)) in histories.iter().zip(expected) {
        let mut found: Vec<Kind> = check(history, &truth).iter().map(|violation| violation.kind).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, kinds, "{prank:?} {face:?}: {:#?}", &history.entries);
    }
}
