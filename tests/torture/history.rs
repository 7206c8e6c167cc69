//! What one subscriber asked for and what it saw.

use crate::clock::Moment;

/// The topics of a run and who they are for.
pub(crate) mod topics {
    /// Kept for as long as a run takes, open to anyone.
    pub(crate) const OPEN: [&str; 3] = ["open-0", "open-1", "open-2"];
    /// The open topic in which little happens.
    pub(crate) const QUIET: &str = OPEN[2];
    /// Open to anyone; only the latest events are kept.
    pub(crate) const BRIEF: [&str; 2] = ["brief-0", "brief-1"];
    /// For everyone signed in.
    pub(crate) const MEMBERS: [&str; 2] = ["members-0", "members-1"];
    /// For everyone signed in, but for the times when only administrators may read.
    pub(crate) const GUARDED: [&str; 2] = ["guarded-0", "guarded-1"];
    /// For administrators.
    pub(crate) const STAFF: [&str; 1] = ["staff-0"];
    /// For everyone signed in. Each belongs to a caller, who publishes to it over its sessions; a document has the same name.
    pub(crate) const CALLS: [&str; 5] = ["calls-0", "calls-1", "calls-2", "calls-3", "calls-4"];

    /// All of them.
    pub(crate) fn all() -> Vec<&'static str> {
        [&OPEN[..], &BRIEF, &MEMBERS, &GUARDED, &STAFF, &CALLS].concat()
    }

    /// The number of a topic in [`all`].
    pub(crate) fn index(name: &str) -> Option<usize> {
        all().iter().position(|topic| *topic == name)
    }
}

/// What became of a cursor, as the stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Fresh,
    Resumed,
    Gap(String),
}

/// How a stream began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) key: String,
    pub(crate) outcome: Outcome,
}

/// One thing that a subscriber did or saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It asks an edge, with a cursor or without.
    Asked { edge: usize, cursor: Option<Box<str>> },
    /// What became of the cursor of each stream.
    Opened(Vec<Told>),
    /// An event; `token` is where the whole subscription stands after it, where the face says so.
    Event { topic: usize, number: u64, cursor: Box<str>, token: Option<Box<str>> },
    /// The subscription stands here.
    Stands { token: Box<str> },
    /// An event that was left out, as the stream said.
    Skipped { reason: String },
    /// The edge ends the stream, to be continued.
    Closed { reason: String },
    /// The stream failed, as it said.
    Failed { reason: String },
    /// The stream ended for good, as it said.
    Ended,
    /// Another status than that of a stream.
    Refused { status: u16, reason: String },
    /// The connection was cut, or could not be made.
    Cut,
    /// What came breaks the contract of the face.
    Malformed { what: String },
}

/// Something seen, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: Moment,
    pub(crate) seen: Seen,
}

/// The whole life of one subscriber.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) name: String,
    pub(crate) face: &'static str,
    /// What it reads, by number.
    pub(crate) topics: Vec<usize>,
    /// It asks for all topics that it may read, so that one cursor stands for all of them.
    pub(crate) merged: bool,
    /// Who it is; nobody in particular without.
    pub(crate) user: Option<String>,
    /// It cannot send `Authorization`, and gives up on any status but 200.
    pub(crate) native: bool,
    pub(crate) entries: Vec<Entry>,
}
