//! Turns what is stored into messages of the contract.

use std::time::Duration;

use edge::watch_revocations_response::Target;
use lastmile_proto::edge::v1 as edge;
use lastmile_proto::v1;
use prost::Message;
use v1::tail_logs_response::Entry;
use v1::watch_users_response::Change;

use crate::error::{Error, Result};
use crate::model::{ACCESS_TOPIC, Member, NewEvent, Revocation, RevocationTarget, StoredEvent, Topic, User};
use crate::store::{TopicChanged, UserChanged};

/// The kind of the events that tell of revocations.
const REVOCATION: &str = "revocation";

/// The message of a user.
pub fn user_message(user: &User) -> v1::User {
    v1::User {
        id: user.id,
        name: user.name.clone(),
        tags: user.tags.clone(),
        username: user.username.clone(),
        email: user.email.clone(),
        role: user.role.to_string(),
        create_time: Some(user.created.into()),
        update_time: Some(user.updated.into()),
        etag: user.etag(),
    }
}

/// The message of a topic.
pub fn topic_message(topic: &Topic) -> v1::Topic {
    let members = |members: &[Member]| members.iter().map(Member::to_string).collect();
    v1::Topic {
        name: topic.name.clone(),
        description: topic.description.clone(),
        rules: Some(v1::TopicRules {
            publish: members(&topic.rules.publish),
            subscribe: members(&topic.rules.subscribe),
        }),
        retention: Some(v1::Retention {
            max_age: Some(duration_message(topic.retention.max_age)),
            max_bytes: topic.retention.max_bytes,
        }),
        owner: topic.owner.clone(),
        create_time: Some(topic.created.into()),
        update_time: Some(topic.updated.into()),
        etag: topic.etag(),
    }
}

/// The message of an event, without its cursors.
///
/// # Errors
/// When the stored body is damaged.
pub fn event_message(event: &StoredEvent, topic: &str) -> Result<v1::SubscribeResponse> {
    let body = v1::SubscribeResponse::decode(event.body.as_slice()).map_err(Error::internal)?;
    Ok(v1::SubscribeResponse {
        id: event.id.to_string(),
        topic: topic.to_owned(),
        r#type: event.kind.clone(),
        publish_time: Some(event.time.into()),
        publisher: event.publisher.clone(),
        traceparent: event.traceparent.clone(),
        ..body
    })
}

/// The message of a change of users, without its cursors.
///
/// # Errors
/// When the stored body is damaged.
pub fn user_change_message(event: &StoredEvent) -> Result<v1::WatchUsersResponse> {
    v1::WatchUsersResponse::decode(event.body.as_slice()).map_err(Error::internal)
}

/// The kind and the body of the event that tells of a change of users; a new password concerns nobody else.
pub(super) fn user_change_event(changed: &UserChanged) -> Option<(&'static str, Vec<u8>)> {
    let (kind, change) = match changed {
        UserChanged::User { user, .. } => {
            let message = Some(user_message(user));
            if user.version == 1 {
                ("user:create", Change::UserCreated(v1::UserCreated { user: message }))
            } else {
                ("user:update", Change::UserUpdated(v1::UserUpdated { user: message }))
            }
        }
        UserChanged::Deleted { id, .. } => ("user:delete", Change::UserDeleted(v1::UserDeleted { id: *id })),
        UserChanged::PasswordSet { .. } => return None,
    };
    Some((kind, v1::WatchUsersResponse { change: Some(change), ..Default::default() }.encode_to_vec()))
}

/// The message of a revocation.
pub fn revocation_message(revocation: &Revocation) -> edge::WatchRevocationsResponse {
    edge::WatchRevocationsResponse {
        target: Some(match &revocation.target {
            RevocationTarget::Token(id) => Target::TokenId(id.clone()),
            RevocationTarget::Subject(subject) => Target::Subject(subject.clone()),
        }),
        time: Some(revocation.time.into()),
        expire_time: Some(revocation.expires.into()),
        access_changed: false,
    }
}

/// The event that tells of a revocation.
pub(super) fn revocation_event(revocation: &Revocation, traceparent: &str) -> NewEvent {
    NewEvent {
        topic: ACCESS_TOPIC,
        kind: REVOCATION.to_owned(),
        publisher: String::new(),
        traceparent: traceparent.to_owned(),
        body: revocation_message(revocation).encode_to_vec(),
        idempotency: None,
    }
}

/// The revocation that an event of the access topic tells of; `None` for events of other kinds.
///
/// # Errors
/// When the stored body is damaged.
pub fn read_revocation(event: &StoredEvent) -> Result<Option<Revocation>> {
    if event.kind != REVOCATION {
        return Ok(None);
    }
    let message = edge::WatchRevocationsResponse::decode(event.body.as_slice()).map_err(Error::internal)?;
    let (Some(target), Some(time), Some(expires)) = (message.target, message.time, message.expire_time)
    else {
        return Err(Error::internal("an event of a revocation lacks fields"));
    };
    let target = match target {
        Target::TokenId(id) => RevocationTarget::Token(id),
        Target::Subject(subject) => RevocationTarget::Subject(subject),
    };
    Ok(Some(Revocation { target, time: time.into(), expires: expires.into() }))
}

/// The kind and the body of the event that tells of a change of a topic.
pub(super) fn topic_change_event(changed: &TopicChanged) -> (&'static str, Vec<u8>) {
    match changed {
        TopicChanged::Topic(topic) if topic.version == 1 => ("topic:create", topic.name.clone().into_bytes()),
        TopicChanged::Topic(topic) => ("topic:update", topic.name.clone().into_bytes()),
        TopicChanged::Deleted(name) => ("topic:delete", name.clone().into_bytes()),
    }
}

/// Whether an event of the access topic tells that callers may do less than before.
pub(super) fn takes_rights(event: &StoredEvent) -> bool {
    matches!(event.kind.as_str(), "topic:update" | "topic:delete")
}

/// The message of a log record, without its cursors.
///
/// # Errors
/// When the stored body is damaged.
pub fn log_message(event: &StoredEvent) -> Result<v1::TailLogsResponse> {
    v1::TailLogsResponse::decode(event.body.as_slice()).map_err(Error::internal)
}

/// The kind and the body of the event that carries a log record.
pub(super) fn log_event(record: v1::LogRecord) -> (&'static str, Vec<u8>) {
    let entry = Some(Entry::Record(record));
    ("log:debug", v1::TailLogsResponse { entry, ..Default::default() }.encode_to_vec())
}

fn duration_message(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // Below 1,000,000,000 by the type's promise.
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}
