//! Topics, each with its rules.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::role::Role;
use super::time::Time;

/// The store's own number of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicId(pub i64);

/// The internal topic that carries changes of users. No caller can name it.
pub const USERS_TOPIC: TopicId = TopicId(1);

/// The internal topic of debug logs.
pub const LOGS_TOPIC: TopicId = TopicId(-1);

/// The internal topic that tells when somebody may do less or more than before: topics changed, tokens revoked.
pub const ACCESS_TOPIC: TopicId = TopicId(-2);

/// A named stream of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The store's number.
    pub id: TopicId,
    /// Unique name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who may do what.
    pub rules: TopicRules,
    /// How long events are kept.
    pub retention: Retention,
    /// Subject of the owner; may be empty.
    pub owner: String,
    /// When it was created.
    pub created: Time,
    /// When it was last changed.
    pub updated: Time,
    /// Grows by one with every change.
    pub version: i64,
}

impl Topic {
    /// Changes with every change of the topic, not of its events; a topic created anew never has one of the old one's.
    pub fn etag(&self) -> String {
        format!("v{}.{}", self.id.0, self.version)
    }
}

/// A topic to create.
#[derive(Debug, Clone)]
pub struct NewTopic {
    /// Unique name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who may do what.
    pub rules: TopicRules,
    /// How long events are kept.
    pub retention: Retention,
    /// Subject of the owner; may be empty.
    pub owner: String,
}

/// The fields of a topic to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicPatch {
    /// What it is for.
    pub description: Option<String>,
    /// Who may publish.
    pub publish: Option<Vec<Member>>,
    /// Who may subscribe and read the history.
    pub subscribe: Option<Vec<Member>>,
    /// Oldest age.
    pub max_age: Option<Duration>,
    /// Bytes of all events together.
    pub max_bytes: Option<u64>,
    /// Subject of the owner; may be empty.
    pub owner: Option<String>,
}

impl TopicPatch {
    /// Whether somebody may do more or less than before.
    pub fn changes_rules(&self) -> bool {
        self.publish.is_some() || self.subscribe.is_some() || self.owner.is_some()
    }
}

/// Who may do what with a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicRules {
    /// Who may publish.
    pub publish: Vec<Member>,
    /// Who may subscribe and read the history.
    pub subscribe: Vec<Member>,
}

/// How long events are kept; the first limit reached counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Oldest age.
    pub max_age: Duration,
    /// Bytes of all events together.
    pub max_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(7 * 24 * 60 * 60), max_bytes: 1 << 30 }
    }
}

/// Whether a text can be the subject of a caller: `[A-Za-z0-9._~-]{1,128}`.
pub fn is_subject(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whom a rule admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// Everyone, signed in or not.
    Anyone,
    /// Everyone with a valid token.
    SignedIn,
    /// The topic's owner.
    Owner,
    /// Callers of a role.
    Role(Role),
    /// The user of this subject.
    User(String),
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::SignedIn => f.write_str("signed-in"),
            Self::Owner => f.write_str("owner"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::User(subject) => write!(f, "user:{subject}"),
        }
    }
}

/// The text names no member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of anyone, signed-in, owner, role:ROLE, user:ID")]
pub struct UnknownMember(String);

impl FromStr for Member {
    type Err = UnknownMember;

    fn from_str(text: &str) -> Result<Self, UnknownMember> {
        let unknown = || UnknownMember(text.to_owned());
        match text.split_once(':') {
            None => match text {
                "anyone" => Ok(Self::Anyone),
                "signed-in" => Ok(Self::SignedIn),
                "owner" => Ok(Self::Owner),
                _ => Err(unknown()),
            },
            Some(("role", role)) => role.parse().map(Self::Role).map_err(|_| unknown()),
            Some(("user", subject)) if is_subject(subject) => Ok(Self::User(subject.to_owned())),
            Some(_) => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_survive_their_text() {
        for text in ["anyone", "signed-in", "owner", "role:admin", "user:7"] {
            assert_eq!(text.parse::<Member>().map(|member| member.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "all", "role:king", "user:", "user:a b", "user:a:b", "group:x", "anyone "] {
            assert!(text.parse::<Member>().is_err(), "{text}");
        }
    }
}
