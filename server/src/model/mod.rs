//! The nouns of the core: users, topics and events, as the rest of the crate speaks of them.

mod time;
mod role;
mod user;
mod filter;
mod topic;
mod event;

pub use event::{Idempotency, NewEvent, Seq, StoredEvent};
pub use filter::{FilterField, Term, UserFilter};
pub use role::{Role, UnknownRole};
pub use time::Time;
pub use topic::{
    ACCESS_TOPIC, LOGS_TOPIC, Member, NewTopic, Retention, Topic, TopicId, TopicPatch, TopicRules,
    USERS_TOPIC, UnknownMember, is_subject,
};
pub use user::{NewUser, User, UserPatch};
