//! Random things that several writers do.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What an operation does, before it has an id.
pub(crate) type Draft = (Vec<String>, Option<Value>);

/// What a writer does next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Catches up with the document; what it has sent before is settled.
    CatchUp,
    /// Sends new operations.
    Send(Vec<Draft>),
    /// Sends all that is not settled once more, with new operations behind.
    SendOnTop(Vec<Draft>),
    /// Sends all that is not settled once more: the answer was lost.
    Repeat,
    /// The same, on an older version than before.
    SendOnOlder(Vec<Draft>),
    /// Names a version that is yet to come.
    SendAhead(Draft),
    /// Uses the id of an operation for another one.
    ReuseId(Draft),
    /// Deletes the document, if it has the version the writer knows.
    DeleteKnown,
    /// Deletes the document.
    Delete,
    /// Eight days go by.
    Wait,
}

pub(crate) const WRITERS: usize = 3;

pub(crate) fn script() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let drafts = || vec(draft(), 1..4);
    let step = prop_oneof![
        4 => Just(Step::CatchUp),
        8 => drafts().prop_map(Step::Send),
        4 => drafts().prop_map(Step::SendOnTop),
        2 => Just(Step::Repeat),
        1 => drafts().prop_map(Step::SendOnOlder),
        1 => draft().prop_map(Step::SendAhead),
        1 => draft().prop_map(Step::ReuseId),
        1 => Just(Step::DeleteKnown),
        1 => Just(Step::Delete),
        1 => Just(Step::Wait),
    ];
    vec((0..WRITERS, step), 1..80)
}

fn draft() -> impl Strategy<Value = Draft> {
    let member = prop::sample::select(vec!["a", "b", "c", "", "a/b", "~"]);
    let path = vec(member.prop_map(str::to_owned), 1..4);
    let values =
        vec![json!(1.0), json!("x"), json!([1.0]), json!(null), json!({}), json!({"a": {"b": true}})];
    let value = prop::sample::select(values);
    let whole = prop::sample::select(vec![json!({}), json!({"a": {"a": {}}, "b": 2.0})]);
    prop_oneof![
        9 => (path.clone(), value).prop_map(|(path, value)| (path, Some(value))),
        3 => path.prop_map(|path| (path, None)),
        1 => whole.prop_map(|value| (Vec::new(), Some(value))),
    ]
}
