//! A conversation about a document, by SyncDocument over a session.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::deeds::Deed;

/// Messages that the edge may send ahead, and what is given back at once.
const CREDIT: u64 = 32;

/// What is known of the document.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) version: u64,
    pub(crate) cursor: String,
}

/// One call of SyncDocument.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) call: u64,
    /// Messages that may be sent.
    credit: u64,
    waiting: VecDeque<u64>,
    /// Changes that are still to be sent before it is ended.
    left: u32,
    is_closed: bool,
    heard: u64,
}

impl Talk {
    /// The call of this number, and the frame that opens it; so many changes are to be made.
    pub(crate) fn open(call: u64, document: &str, place: &Place, changes: u32) -> (Self, Value) {
        let watch = json!({ "watch": { "id": document, "cursor": place.cursor } });
        let open = json!({ "open": {
            "call": call,
            "method": "lastmile.v1.DocumentService/SyncDocument",
            "json": watch,
            "credit": CREDIT,
        }});
        let talk =
            Self { call, credit: 0, waiting: VecDeque::new(), left: changes, is_closed: false, heard: 0 };
        (talk, open)
    }

    /// Whether another change may be sent now.
    pub(crate) fn may_send(&self) -> bool {
        self.left > 0 && self.credit > 0 && self.waiting.len() < 4
    }

    /// The frame that sends a change.
    pub(crate) fn send(&mut self, change: u64, version: u64) -> Value {
        self.left -= 1;
        self.credit -= 1;
        self.waiting.push_back(change);
        let op = json!({ "opId": format!("c{change}"), "path": format!("/c{change}"), "set": change });
        let commit = json!({ "baseVersion": version, "ops": [op] });
        json!({ "send": { "call": self.call, "json": { "commit": commit } } })
    }

    /// Says that nothing more follows, once, when there is nothing more or nothing more is wanted.
    pub(crate) fn close(&mut self, is_wanted: bool) -> Option<Value> {
        if self.is_closed || self.left > 0 && is_wanted {
            return None;
        }
        (self.left, self.is_closed) = (0, true);
        Some(json!({ "halfClose": { "call": self.call } }))
    }

    /// The edge takes more.
    pub(crate) fn credit(&mut self, messages: u64) {
        self.credit += messages;
    }

    /// What a message tells, and the credit that it is worth now and then.
    pub(crate) fn hear(&mut self, json: &Value, place: &mut Place) -> (Option<Deed>, Option<Value>) {
        self.heard += 1;
        let credit = (self.heard >= CREDIT / 2).then(|| {
            let messages = std::mem::take(&mut self.heard);
            json!({ "credit": { "call": self.call, "messages": messages } })
        });
        (self.deed(json, place), credit)
    }

    fn deed(&mut self, json: &Value, place: &mut Place) -> Option<Deed> {
        let version = |value: &Value| value["version"].as_u64().unwrap_or_default();
        if let Some(committed) = json.get("committed") {
            return Some(Deed::Committed { change: self.waiting.pop_front(), version: version(committed) });
        }
        let Some(change) = json.get("change") else {
            return Some(Deed::Malformed { what: format!("in a conversation: {json}") });
        };
        let changed = change.get("documentChanged")?;
        place.version = version(changed);
        change["cursor"].as_str().unwrap_or_default().clone_into(&mut place.cursor);
        let name = |op: &Value| op["opId"].as_str()?.strip_prefix('c')?.parse().ok();
        let changes = changed["ops"].as_array().into_iter().flatten().filter_map(name).collect();
        Some(Deed::Changed { version: place.version, changes })
    }

    /// It has ended.
    pub(crate) fn end(&self, status: u64, reason: &str) -> Deed {
        Deed::Closed { status, reason: reason.to_owned(), unanswered: self.waiting.len() }
    }
}
