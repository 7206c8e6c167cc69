//! What a caller did over its sessions and what it was told: unary calls with an effect, and a conversation.

use crate::clock::Moment;

/// One thing that a caller did or was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It has a session, a new one, at this edge.
    Began { edge: usize },
    /// The session goes on by a new connection.
    Resumed,
    /// An edge says that it does not know the session.
    Lost { edge: usize },
    /// The session is over, as was said, because of its token.
    Over { reason: String },
    /// Of two connections of the session, this is what the older one was told.
    Superseded { reason: String },

    /// An event is to be published by a unary call.
    Asked { number: u64 },
    /// It is, and stands here in the log.
    Answered { number: u64, cursor: Box<str> },
    /// The call has ended otherwise.
    Failed { number: u64, status: u64, reason: String },
    /// The call went with its session.
    Unknown { number: u64 },

    /// A document has this version: changes are made and watched from here.
    Looked { version: u64 },
    /// A change is sent on the conversation.
    Sent { change: u64 },
    /// One was answered: the oldest that waited, if there was one.
    Committed { change: Option<u64>, version: u64 },
    /// The document has changed.
    Changed { version: u64, changes: Vec<u64> },
    /// The conversation has ended, with so many changes unanswered.
    Closed { status: u64, reason: String, unanswered: usize },
    /// It went with its session.
    Forgotten,

    /// What came breaks the protocol.
    Malformed { what: String },
    /// A client that broke the rules was told this, and should have been told something else.
    Believed { what: String },
}

impl Deed {
    /// Whether it shows that the session was alive.
    pub(crate) fn is_heard(&self) -> bool {
        !matches!(
            self,
            Self::Lost { .. }
                | Self::Asked { .. }
                | Self::Sent { .. }
                | Self::Unknown { .. }
                | Self::Forgotten
                | Self::Superseded { .. }
        )
    }
}

/// Something done, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) at: Moment,
    pub(crate) deed: Deed,
}

/// The whole life of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Deeds {
    pub(crate) name: String,
    /// The topic that it alone publishes to, if there is one; its document has the same name.
    pub(crate) topic: Option<usize>,
    pub(crate) all: Vec<Done>,
}
