//! The nouns of the core: users, topics, events and documents, as the rest of the crate speaks of them.

mod time;
mod role;
mod user;
mod filter;
mod topic;
mod event;
mod pointer;
mod document;
mod edit;
mod json_size;
mod revocation;
mod signing_key;
mod token;

pub use document::{Action, Document, DocumentCommit, DocumentLog, DocumentOp};
pub use edit::{NoObject, apply_op, value_at};
pub use event::{EventLimit, Idempotency, NewEvent, Seq, StoredEvent};
pub use filter::{FilterField, Term, UserFilter};
pub use json_size::json_size;
pub use pointer::{InvalidPointer, Pointer};
pub use revocation::{Revocation, RevocationTarget};
pub use role::{Role, UnknownRole};
pub use signing_key::StoredKey;
pub use time::Time;
pub use token::{LONGEST_SERVICE_TOKEN, LONGEST_SESSION_TOKEN, ServiceToken};
pub use topic::{
    ACCESS_TOPIC, LOGS_TOPIC, Member, NewTopic, Retention, Topic, TopicId, TopicPatch, TopicRules,
    USERS_TOPIC, UnknownMember, is_subject,
};
pub use user::{NewUser, User, UserPatch};
