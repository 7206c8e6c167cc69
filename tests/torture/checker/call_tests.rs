//! The checker of calls is checked: each broken promise is planted once, and only that is found.

use std::collections::BTreeSet;
use std::time::Duration;

use super::check_calls;
use crate::clock::Moment;
use crate::deeds::{Deed, Deeds, Done};
use crate::history::topics;
use crate::truth::{Document, Restore, Truth};
use crate::violation::Kind;

const TOPIC: usize = 10;

fn seconds(number: u64) -> Moment {
    Duration::from_secs(number)
}

/// Calls 2 to 4 were carried out, and changes 1 and 2 made.
fn truth() -> Truth {
    let mut truth = Truth::new(topics::all().len());
    for number in 1..=4 {
        truth.record(TOPIC, number, &format!("c{number}")).unwrap();
    }
    talked(truth)
}

/// Only the changes.
fn talked_alone() -> Truth {
    talked(Truth::new(topics::all().len()))
}

fn talked(mut truth: Truth) -> Truth {
    truth.documents.insert(topics::all()[TOPIC].to_owned(), document(3, [1, 2]));
    // Far behind: what is refused later has no cause.
    truth.calm = Some(Duration::ZERO);
    truth
}

fn document<const N: usize>(version: u64, changes: [u64; N]) -> Document {
    Document { version, changes: BTreeSet::from(changes) }
}

fn asked(number: u64) -> Deed {
    Deed::Asked { number }
}

fn answered(number: u64) -> Deed {
    Deed::Answered { number, cursor: format!("c{number}").into() }
}

fn failed(number: u64, status: u64, reason: &str) -> Deed {
    Deed::Failed { number, status, reason: reason.to_owned() }
}

fn sent(change: u64) -> Deed {
    Deed::Sent { change }
}

fn committed(change: u64, version: u64) -> Deed {
    Deed::Committed { change: Some(change), version }
}

fn changed(version: u64, change: u64) -> Deed {
    Deed::Changed { version, changes: vec![change] }
}

fn closed(status: u64, reason: &str, unanswered: usize) -> Deed {
    Deed::Closed { status, reason: reason.to_owned(), unanswered }
}

/// A second lies between two deeds; the first is at 20 s.
#[track_caller]
fn finds(truth: &Truth, deeds: Vec<Deed>, expected: &[Kind]) {
    let all = deeds.into_iter().zip(20..).map(|(deed, second)| Done { at: seconds(second), deed });
    let deeds = Deeds { name: "one".to_owned(), topic: Some(TOPIC), all: all.collect() };
    let violations = check_calls(&deeds, truth);
    let found: Vec<Kind> = violations.iter().map(|violation| violation.kind).collect();
    assert_eq!(found, expected, "{violations:?}");
}

/// Calls 2 to 4 by the book, then these deeds.
fn calls(more: &[Deed]) -> Vec<Deed> {
    let good = vec![asked(2), asked(3), answered(2), answered(3), asked(4), answered(4)];
    [vec![Deed::Began { edge: 0 }], good, conversation(&[]), more.to_vec()].concat()
}

/// Changes 1 and 2 by the book, then these deeds.
fn conversation(more: &[Deed]) -> Vec<Deed> {
    let begun = vec![Deed::Looked { version: 1 }, sent(1), sent(2), committed(1, 2), changed(2, 1)];
    [begun, vec![committed(2, 3), changed(3, 2), closed(0, "", 0)], more.to_vec()].concat()
}

#[test]
fn calls_that_are_carried_out_and_answered_are_in_order() {
    finds(&truth(), calls(&[]), &[]);
    finds(&truth(), calls(&[Deed::Resumed, Deed::Superseded { reason: "session_superseded".into() }]), &[]);
    finds(&truth(), calls(&[asked(5), failed(5, 16, "TOKEN_EXPIRED")]), &[]);
}

#[test]
fn a_call_has_its_effect_once_where_it_is_answered_and_never_where_it_is_refused() {
    let mut twice = truth();
    twice.record(TOPIC, 3, "again").unwrap();
    finds(&twice, calls(&[]), &[Kind::Twice]);
    finds(&truth(), calls(&[asked(5), answered(5)]), &[Kind::Unapplied]);
    let wrong = Deed::Answered { number: 5, cursor: "c4".into() };
    finds(&truth(), calls(&[asked(5), wrong]), &[Kind::Unapplied]);
    let mut refused = truth();
    refused.record(TOPIC, 5, "c5").unwrap();
    finds(&refused, calls(&[asked(5), failed(5, 16, "TOKEN_EXPIRED")]), &[Kind::Twice]);
    finds(&refused, calls(&[]), &[Kind::Phantom]);
}

#[test]
fn every_call_has_one_outcome_and_it_has_a_cause() {
    finds(&truth(), calls(&[asked(5)]), &[Kind::Stuck]);
    finds(&truth(), calls(&[answered(4)]), &[Kind::Repeat]);
    finds(&truth(), calls(&[answered(9)]), &[Kind::Phantom]);
    finds(&truth(), calls(&[asked(5), failed(5, 14, "UPSTREAM_UNAVAILABLE")]), &[Kind::Refusal]);
    finds(&truth(), calls(&[asked(5), failed(5, 3, "FIELD_INVALID")]), &[Kind::Refusal]);
    let mut troubled = truth();
    troubled.calm = None;
    finds(&troubled, calls(&[asked(5), failed(5, 14, "UPSTREAM_UNAVAILABLE")]), &[]);
    finds(&truth(), calls(&[Deed::Superseded { reason: "session_unknown".into() }]), &[Kind::Malformed]);
    finds(&truth(), calls(&[Deed::Over { reason: "session_protocol".into() }]), &[Kind::Refusal]);
}

#[test]
fn nothing_is_unknown_of_a_session_that_could_be_there() {
    let lost = |edge| calls(&[asked(5), Deed::Lost { edge }, Deed::Unknown { number: 5 }]);
    finds(&truth(), lost(1), &[]);
    finds(&truth(), lost(0), &[Kind::FalseUnknown]);
    let mut dead = truth();
    dead.deaths.push((0, seconds(22), seconds(23)));
    finds(&dead, lost(0), &[]);
    let mut other = truth();
    other.deaths.push((1, seconds(22), seconds(23)));
    other.deaths.push((0, seconds(2), seconds(3)));
    finds(&other, lost(0), &[Kind::FalseUnknown]);
    // A call for each second that passes.
    let long: Vec<Deed> = (5..25).map(asked).collect();
    let unknown = (5..25).map(|number| Deed::Unknown { number });
    let late = [long, vec![Deed::Lost { edge: 0 }], unknown.collect()].concat();
    finds(&truth(), calls(&late), &[]);
}

#[test]
fn conversations_are_exact_in_both_directions() {
    finds(&talked_alone(), conversation(&[]), &[]);
    // An answer is missing, or one too many.
    let begun = vec![Deed::Looked { version: 1 }, sent(1), sent(2)];
    let end = |unanswered| vec![closed(0, "", unanswered)];
    let lost = [begun.clone(), vec![changed(2, 1), committed(2, 3), changed(3, 2)], end(0)].concat();
    finds(&talked_alone(), lost, &[Kind::Reorder, Kind::Loss]);
    let unanswered = [begun.clone(), vec![committed(1, 2), changed(2, 1)], end(1)].concat();
    finds(&talked_alone(), unanswered, &[Kind::Loss]);
    let again = Deed::Committed { change: None, version: 3 };
    finds(&talked_alone(), conversation(&[again]), &[Kind::Repeat]);
    // A change is missing, comes twice, or too late.
    let changes =
        |heard: Vec<Deed>| [begun.clone(), vec![committed(1, 2), committed(2, 3)], heard, end(0)].concat();
    finds(&talked_alone(), changes(vec![changed(3, 2)]), &[Kind::Loss]);
    finds(&talked_alone(), changes(vec![changed(2, 1), changed(2, 1), changed(3, 2)]), &[Kind::Repeat]);
    finds(&talked_alone(), changes(vec![changed(3, 2), changed(2, 1)]), &[Kind::Reorder]);
    // What made one version cannot have made another.
    finds(&talked_alone(), changes(vec![changed(2, 2), changed(3, 1)]), &[Kind::Reorder; 2]);
    finds(&talked_alone(), changes(vec![changed(2, 7), changed(3, 2)]), &[Kind::Phantom]);
}

#[test]
fn the_document_has_what_was_answered_and_each_change_once() {
    let with = |document: Document| {
        let mut truth = talked_alone();
        truth.documents.insert(topics::all()[TOPIC].to_owned(), document);
        truth
    };
    finds(&with(document(2, [1])), conversation(&[]), &[Kind::Unapplied]);
    finds(&with(document(4, [1, 2])), conversation(&[]), &[Kind::Twice]);
    finds(&with(document(4, [1, 2, 3])), conversation(&[]), &[Kind::Phantom]);
    let unknown = [sent(3), Deed::Forgotten];
    finds(&with(document(4, [1, 2, 3])), conversation(&unknown), &[]);
    finds(&talked_alone(), conversation(&unknown), &[]);
    finds(&talked_alone(), conversation(&[sent(3), closed(14, "", 1)]), &[Kind::Refusal]);
    // A restore undoes what was done after the backup, and nothing else.
    let restored = |since| {
        let mut truth = with(document(2, [1]));
        let (read, begun, done) = (seconds(29), seconds(29), seconds(30));
        truth.restores.push(Restore { since: seconds(since), read, begun, done });
        truth
    };
    finds(&restored(26), conversation(&[]), &[]);
    finds(&restored(28), conversation(&[]), &[Kind::Unapplied]);
}
