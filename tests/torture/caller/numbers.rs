//! The frames of a session as its client counts them.

use std::collections::VecDeque;

use serde_json::Value;

/// What a client keeps of its session from connection to connection.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Empty where there is no session.
    pub(crate) session: String,
    /// Counted frames that it has had.
    pub(crate) received: u64,
    /// The number of the last counted frame that the edge is known to have.
    acknowledged: u64,
    /// Those behind it, in order.
    kept: VecDeque<Value>,
}

impl Numbers {
    /// Nothing of a session was sent or had.
    pub(crate) fn of(session: &str) -> Self {
        Self { session: session.to_owned(), ..Self::default() }
    }

    /// The number of the last counted frame that was sent.
    pub(crate) fn sent(&self) -> u64 {
        self.acknowledged + self.kept.len() as u64
    }

    /// Counts a frame and keeps it.
    pub(crate) fn keep(&mut self, frame: Value) -> Value {
        self.kept.push_back(frame.clone());
        frame
    }

    /// What the edge may not have had.
    pub(crate) fn kept(&self) -> Vec<Value> {
        self.kept.iter().cloned().collect()
    }

    /// The edge has so many; false when that is more than was sent.
    pub(crate) fn acknowledge(&mut self, received: u64) -> bool {
        if received > self.sent() {
            return false;
        }
        while self.acknowledged < received {
            self.kept.pop_front();
            self.acknowledged += 1;
        }
        true
    }

    /// Counts a frame of the edge, where it counts.
    pub(crate) fn hear(&mut self, name: &str, value: &Value) {
        let is_counted =
            matches!(name, "opened" | "end" | "credit") || name == "message" && value.get("cursor").is_none();
        self.received += u64::from(is_counted);
    }
}
