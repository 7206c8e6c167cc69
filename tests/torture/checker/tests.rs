//! The checker is checked: each broken promise is planted once, and only that is found.

use std::time::Duration;

use super::check;
use crate::clock::Moment;
use crate::history::{Entry, History, Outcome, Seen, Told, topics};
use crate::truth::{Denial, Restore, Truth, Who};
use crate::violation::Kind;

const OPEN: usize = 0;
const BRIEF: usize = 3;
const GUARDED: usize = 7;

/// Ten events in each topic, published at 1 s, 2 s and so on.
fn truth() -> Truth {
    let mut truth = Truth::new(topics::all().len());
    for topic in [OPEN, BRIEF, GUARDED] {
        for number in 1..=10 {
            truth.ask(topic, number, seconds(number));
            truth.record(topic, number, &cursor(topic, number)).unwrap();
            truth.acknowledge(topic, number, &cursor(topic, number));
        }
    }
    truth.calm = Some(seconds(8));
    truth
}

/// The log is taken back to its first five events between 6 s and 7 s; then come the last five, with other numbers.
fn restored_truth() -> Truth {
    let mut truth = truth();
    truth.begin_epoch(Restore { since: seconds(5), read: seconds(6), begun: seconds(6), done: seconds(7) });
    for number in [1, 2, 3, 4, 5, 11, 12] {
        truth.ask(OPEN, number, seconds(number));
        truth.record(OPEN, number, &format!("new-{}", cursor(OPEN, number))).unwrap();
    }
    truth
}

fn seconds(number: u64) -> Moment {
    Duration::from_secs(number)
}

fn cursor(topic: usize, number: u64) -> String {
    format!("c{topic}-{number}")
}

fn token(topic: usize, number: u64) -> Box<str> {
    format!("lm1.tag.{}", cursor(topic, number)).into()
}

fn asked(resuming: bool) -> Seen {
    Seen::Asked { edge: 0, cursor: resuming.then(|| "some".into()) }
}

fn opened(topic: usize, outcome: Outcome) -> Seen {
    Seen::Opened(vec![Told { key: topics::all()[topic].to_owned(), outcome }])
}

fn gap(topic: usize, reason: &str) -> [Seen; 2] {
    [asked(true), opened(topic, Outcome::Gap(reason.to_owned()))]
}

fn event(topic: usize, number: u64) -> Seen {
    Seen::Event { topic, number, cursor: cursor(topic, number).into(), token: Some(token(topic, number)) }
}

fn events(topic: usize, numbers: impl IntoIterator<Item = u64>) -> Vec<Seen> {
    numbers.into_iter().map(|number| event(topic, number)).collect()
}

fn fresh(topic: usize) -> Vec<Seen> {
    vec![asked(false), opened(topic, Outcome::Fresh)]
}

fn resumed(topic: usize) -> Vec<Seen> {
    vec![asked(true), opened(topic, Outcome::Resumed)]
}

/// Each thing seen at the second of its event, else right after what was seen before.
fn history(topic: usize, seen: Vec<Seen>) -> History {
    let mut at = Duration::ZERO;
    let entry = |seen| {
        at = match &seen {
            Seen::Event { number, .. } => at.max(seconds(*number)),
            _ => at + Duration::from_millis(1),
        };
        Entry { at, seen }
    };
    History {
        name: "one".to_owned(),
        face: "fetch",
        topics: vec![topic],
        merged: false,
        user: Some("alice".to_owned()),
        native: false,
        entries: seen.into_iter().map(entry).collect(),
    }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "rows are easier to read")]
fn finds(truth: &Truth, topic: usize, seen: Vec<Vec<Seen>>, expected: &[Kind]) {
    let found: Vec<Kind> =
        check(&history(topic, seen.concat()), truth).iter().map(|violation| violation.kind).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_life_with_cuts_and_resumes_is_in_order() {
    let seen = vec![
        fresh(OPEN),
        vec![Seen::Stands { token: token(OPEN, 2) }],
        events(OPEN, 3..=5),
        vec![Seen::Cut],
        resumed(OPEN),
        vec![Seen::Stands { token: token(OPEN, 5) }],
        events(OPEN, 6..=10),
    ];
    finds(&truth(), OPEN, seen, &[]);
}

#[test]
fn loss_is_found() {
    finds(&truth(), OPEN, vec![fresh(OPEN), events(OPEN, [1, 2, 4, 5, 6, 7, 8, 9, 10])], &[Kind::Loss]);
    // Also across a resume, and when the position was all that the subscriber had.
    let seen = vec![
        fresh(OPEN),
        vec![Seen::Stands { token: token(OPEN, 2) }, Seen::Cut],
        resumed(OPEN),
        events(OPEN, 4..=10),
    ];
    finds(&truth(), OPEN, seen, &[Kind::Loss]);
}

#[test]
fn repeat_is_found() {
    finds(
        &truth(),
        OPEN,
        vec![fresh(OPEN), events(OPEN, [1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10])],
        &[Kind::Repeat],
    );
    let seen = vec![fresh(OPEN), events(OPEN, 1..=5), vec![Seen::Cut], resumed(OPEN), events(OPEN, 5..=10)];
    finds(&truth(), OPEN, seen, &[Kind::Repeat]);
}

#[test]
fn reorder_is_found() {
    finds(&truth(), OPEN, vec![fresh(OPEN), events(OPEN, [1, 3, 2, 4, 5, 6, 7, 8, 9, 10])], &[Kind::Reorder]);
}

#[test]
fn silent_gaps_are_found() {
    let seen = vec![fresh(OPEN), events(OPEN, 1..=5), vec![asked(true), opened(OPEN, Outcome::Fresh)]];
    finds(&truth(), OPEN, [seen, vec![events(OPEN, 8..=10)]].concat(), &[Kind::SilentGap]);
    let new = |number| Seen::Event {
        topic: OPEN,
        number,
        cursor: format!("new-{}", cursor(OPEN, number)).into(),
        token: None,
    };
    let seen = vec![fresh(OPEN), events(OPEN, 1..=5), resumed(OPEN), vec![new(11), new(12)]];
    finds(&restored_truth(), OPEN, seen, &[Kind::SilentGap]);
}

#[test]
fn true_reasons_are_believed_and_false_ones_are_not() {
    let seen = |reason: &str| {
        vec![fresh(BRIEF), events(BRIEF, 1..=4), gap(BRIEF, reason).to_vec(), events(BRIEF, 8..=10)]
    };
    let mut trimmed = truth();
    trimmed.keep(BRIEF, seconds(3), Some(&cursor(BRIEF, 1)));
    trimmed.keep(BRIEF, seconds(5), Some(&cursor(BRIEF, 7)));
    finds(&trimmed, BRIEF, seen("expired"), &[]);
    finds(&trimmed, BRIEF, seen("epoch_changed"), &[Kind::FalseReason]);
    finds(&trimmed, BRIEF, seen("cursor_mismatch"), &[Kind::FalseReason]);
    // The event after the fourth is still there.
    let mut kept = truth();
    kept.keep(BRIEF, seconds(5), Some(&cursor(BRIEF, 5)));
    finds(&kept, BRIEF, seen("expired"), &[Kind::FalseReason]);
    finds(&kept, BRIEF, seen("overflow"), &[Kind::FalseReason]);

    let new = |number| Seen::Event {
        topic: OPEN,
        number,
        cursor: format!("new-{}", cursor(OPEN, number)).into(),
        token: None,
    };
    let told_of_restore =
        vec![fresh(OPEN), events(OPEN, 1..=6), gap(OPEN, "epoch_changed").to_vec(), vec![new(11), new(12)]];
    finds(&restored_truth(), OPEN, told_of_restore, &[]);
    let too_early = vec![
        fresh(OPEN),
        events(OPEN, 1..=3),
        gap(OPEN, "epoch_changed").to_vec(),
        vec![new(4), new(5), new(11), new(12)],
    ];
    finds(&restored_truth(), OPEN, too_early, &[Kind::FalseReason]);
}

#[test]
fn a_gap_does_not_lead_back() {
    let mut truth = truth();
    truth.keep(BRIEF, seconds(4), Some(&cursor(BRIEF, 7)));
    let seen = vec![
        fresh(BRIEF),
        events(BRIEF, 1..=4),
        gap(BRIEF, "expired").to_vec(),
        vec![Seen::Stands { token: token(BRIEF, 3) }],
        events(BRIEF, 4..=10),
    ];
    finds(&truth, BRIEF, seen, &[Kind::Repeat]);
}

#[test]
fn a_stream_that_stops_is_found() {
    finds(&truth(), OPEN, vec![fresh(OPEN), events(OPEN, 1..=8)], &[Kind::Stuck]);
    finds(&truth(), OPEN, vec![fresh(OPEN)], &[Kind::Stuck]);
}

#[test]
fn events_of_nobody_and_wrong_cursors_are_found() {
    let phantom = Seen::Event { topic: OPEN, number: 3, cursor: cursor(OPEN, 4).into(), token: None };
    let seen = vec![fresh(OPEN), events(OPEN, 1..=2), vec![phantom], events(OPEN, 3..=10)];
    finds(&truth(), OPEN, seen, &[Kind::Phantom]);
    // What a caller publishes while the log is taken back may be gone before it is recorded, and no other event.
    for (topic, asked, expected) in [(10, 6, &[][..]), (10, 8, &[Kind::Phantom]), (OPEN, 6, &[Kind::Phantom])]
    {
        let mut truth = Truth::new(topics::all().len());
        truth.begin_epoch(Restore {
            since: seconds(5),
            read: seconds(6),
            begun: seconds(7),
            done: seconds(7),
        });
        truth.ask(topic, 6, seconds(asked));
        let unseen = Seen::Event { topic, number: 6, cursor: "unseen".into(), token: None };
        finds(&truth, topic, vec![fresh(topic), vec![unseen]], expected);
    }
    let passes = Seen::Stands { token: token(OPEN, 4) };
    let seen = vec![fresh(OPEN), events(OPEN, 1..=3), vec![passes], events(OPEN, 4..=10)];
    finds(&truth(), OPEN, seen, &[Kind::WrongCursor]);
}

#[test]
fn every_stream_must_say_what_became_of_its_cursor() {
    let seen = vec![vec![asked(false), Seen::Opened(Vec::new())], events(OPEN, 1..=10)];
    finds(&truth(), OPEN, seen, &[Kind::Malformed]);
}

#[test]
fn leaks_and_refusals_without_cause_are_found() {
    let mut truth = truth();
    let denial = Denial {
        topic: GUARDED,
        who: Who::Users,
        taking: Duration::from_millis(1400),
        taken: Duration::from_millis(1500),
        returning: Some(seconds(9)),
        returned: Some(seconds(9)),
    };
    truth.denials.push(denial);
    // The seventh was published more than 5 s after the right was gone, and so was the eighth.
    finds(&truth, GUARDED, vec![fresh(GUARDED), events(GUARDED, 1..=10)], &[Kind::Leak; 2]);
    // Refused while the right was gone, and again before it was taken.
    for (last, expected) in [(5, &[][..]), (1, &[Kind::Refusal])] {
        let forbidden = vec![asked(true), Seen::Refused { status: 403, reason: "FORBIDDEN".to_owned() }];
        let before = [fresh(GUARDED), events(GUARDED, 1..=last), forbidden].concat();
        let after = [resumed(GUARDED), events(GUARDED, last + 1..=10)].concat();
        let mut history = history(GUARDED, [before.clone(), after].concat());
        history.entries[before.len()..].iter_mut().for_each(|entry| entry.at += seconds(9));
        let found: Vec<Kind> = check(&history, &truth).iter().map(|violation| violation.kind).collect();
        assert_eq!(found, expected, "after event {last}");
    }
}

#[test]
fn a_native_event_source_is_never_given_up_for_trouble_that_passes() {
    let refused = |status, reason: &str| vec![Seen::Refused { status, reason: reason.to_owned() }];
    for (status, reason, expected) in
        [(503, "UPSTREAM_UNAVAILABLE", true), (401, "TOKEN_EXPIRED", true), (401, "TOKEN_REVOKED", false)]
    {
        let seen = [vec![asked(false)], refused(status, reason), fresh(OPEN), events(OPEN, 1..=10)];
        let mut history = history(OPEN, seen.concat());
        history.native = true;
        let found = check(&history, &truth());
        assert_eq!(found.iter().any(|one| one.kind == Kind::Refusal), expected, "{status} {reason}");
    }
}
