//! Who may do what, the same for unary calls and streams.

use crate::auth::{Caller, Identity};
use crate::error::{Error, Result};
use crate::model::{Member, Role, Topic};

/// Admits who may read users, and read and change documents: everyone signed in, but for tokens with less to do.
///
/// # Errors
/// `LoginRequired` for an anonymous caller, `Forbidden` for edges and for tokens of some topics.
pub fn check_member(caller: &Caller) -> Result<&Identity> {
    let identity = caller.identity()?;
    if identity.role == Role::Edge {
        return Err(Error::Forbidden("an edge may only open streams".to_owned()));
    }
    check_unscoped(identity)
}

/// Admits who may follow users and documents: also edges, which ask for each of their subscribers.
///
/// # Errors
/// `LoginRequired` for an anonymous caller, `Forbidden` for tokens of some topics.
pub fn check_follower(caller: &Caller) -> Result<&Identity> {
    check_unscoped(caller.identity()?)
}

fn check_unscoped(identity: &Identity) -> Result<&Identity> {
    if identity.topics.is_empty() {
        return Ok(identity);
    }
    let topics = identity.topics.join(", ");
    Err(Error::Forbidden(format!("this token is for the topics {topics} alone")))
}

/// Admits who may follow debug logs: administrators, and edges, which ask for each of their subscribers.
///
/// # Errors
/// `LoginRequired` for an anonymous caller, `Forbidden` for others.
pub(super) fn check_log_reader(caller: &Caller) -> Result<&Identity> {
    match caller.identity()?.role {
        Role::Edge => check_follower(caller),
        Role::User | Role::Admin | Role::Service => caller.admin("read logs"),
    }
}

/// Whether the caller may know the topic: who may subscribe to it, or administer it.
pub(super) fn may_see(caller: &Caller, topic: &Topic) -> bool {
    caller.admin("see every topic").is_ok() || may_subscribe(caller, topic)
}

/// Whether the caller may subscribe to the topic and read its history.
pub(super) fn may_subscribe(caller: &Caller, topic: &Topic) -> bool {
    admits(&topic.rules.subscribe, caller, topic)
}

/// Whether the caller may open a stream of the topic: an edge does so for subscribers that it asks about one by one.
pub(super) fn may_follow(caller: &Caller, topic: &Topic) -> bool {
    match caller {
        Caller::Known(identity) if identity.role == Role::Edge => in_scope(identity, topic),
        _ => may_subscribe(caller, topic),
    }
}

/// Admits a caller who may publish to the topic. A publisher always has a name.
///
/// # Errors
/// `LoginRequired` for an anonymous caller, `Forbidden` for others.
pub(super) fn check_publish<'a>(caller: &'a Caller, topic: &Topic) -> Result<&'a Identity> {
    let identity = caller.identity()?;
    if admits(&topic.rules.publish, caller, topic) {
        return Ok(identity);
    }
    Err(Error::Forbidden(format!("the rules of the topic {:?} do not let you publish", topic.name)))
}

/// Why a caller may not subscribe.
pub(super) fn refuse_subscribe(caller: &Caller, topic: &Topic) -> Error {
    match caller {
        Caller::Anonymous => Error::LoginRequired,
        Caller::Known(_) => {
            Error::Forbidden(format!("the rules of the topic {:?} do not let you subscribe", topic.name))
        }
    }
}

fn admits(members: &[Member], caller: &Caller, topic: &Topic) -> bool {
    let Caller::Known(identity) = caller else {
        return members.contains(&Member::Anyone);
    };
    let named = |member: &Member| match member {
        Member::Anyone | Member::SignedIn => true,
        Member::Owner => identity.subject == topic.owner,
        Member::Role(role) => identity.role == *role,
        Member::User(subject) => identity.subject == *subject,
    };
    identity.role != Role::Edge && in_scope(identity, topic) && members.iter().any(named)
}

fn in_scope(identity: &Identity, topic: &Topic) -> bool {
    identity.topics.is_empty() || identity.topics.contains(&topic.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Retention, Role, Time, TopicId, TopicRules};

    fn known(subject: &str, role: Role) -> Caller {
        let (subject, now) = (subject.to_owned(), Time::now());
        Caller::Known(Identity {
            name: subject.clone(),
            subject,
            role,
            expires: now,
            token: String::new(),
            issued: now,
            topics: Vec::new(),
        })
    }

    fn topic(rules: TopicRules) -> Topic {
        Topic {
            id: TopicId(2),
            name: "news".to_owned(),
            description: String::new(),
            rules,
            retention: Retention::default(),
            owner: "2".to_owned(),
            created: Time::now(),
            updated: Time::now(),
            version: 1,
        }
    }

    #[test]
    fn a_token_of_some_topics_is_for_those_alone() {
        let rules = TopicRules { publish: vec![Member::SignedIn], subscribe: vec![Member::Anyone] };
        let topic = topic(rules);
        for (role, topics, subscribes, follows) in [
            (Role::Service, &["news"][..], true, true),
            (Role::Service, &["other"], false, false),
            (Role::Service, &[], true, true),
            (Role::Edge, &[], false, true),
            (Role::Edge, &["news"], false, true),
            (Role::Edge, &["other"], false, false),
        ] {
            let Caller::Known(identity) = known("s", role) else { unreachable!() };
            let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
            let caller = Caller::Known(Identity { topics: topics.clone(), ..identity });
            assert_eq!(may_subscribe(&caller, &topic), subscribes, "{role} {topics:?}");
            assert_eq!(may_follow(&caller, &topic), follows, "{role} {topics:?}");
            assert_eq!(check_publish(&caller, &topic).is_ok(), subscribes, "{role} {topics:?}");
            assert_eq!(check_member(&caller).is_ok(), role == Role::Service && topics.is_empty());
            assert_eq!(check_follower(&caller).is_ok(), topics.is_empty());
        }
    }

    #[test]
    fn logs_are_for_administrators_and_whole_edges() {
        assert!(check_log_reader(&Caller::Anonymous).is_err());
        for (role, whole, scoped) in [
            (Role::User, false, false),
            (Role::Admin, true, true),
            (Role::Service, false, false),
            (Role::Edge, true, false),
        ] {
            let Caller::Known(identity) = known("s", role) else { unreachable!() };
            let some = Identity { topics: vec!["news".to_owned()], ..identity.clone() };
            assert_eq!(check_log_reader(&Caller::Known(identity)).is_ok(), whole, "{role}");
            assert_eq!(check_log_reader(&Caller::Known(some)).is_ok(), scoped, "{role} of some topics");
        }
    }

    #[test]
    fn administrators_see_topics_that_they_may_not_read() {
        let topic = topic(TopicRules::default());
        for (role, sees) in
            [(Role::User, false), (Role::Admin, true), (Role::Service, false), (Role::Edge, false)]
        {
            assert_eq!(may_see(&known("s", role), &topic), sees, "{role}");
            assert!(!may_subscribe(&known("s", role), &topic), "{role}");
        }
    }

    #[test]
    fn rules_admit_exactly_their_members() {
        let callers =
            [Caller::Anonymous, known("1", Role::User), known("2", Role::User), known("3", Role::Admin)];
        for (member, expected) in [
            (Some(Member::Anyone), [true, true, true, true]),
            (Some(Member::SignedIn), [false, true, true, true]),
            (Some(Member::Owner), [false, false, true, false]),
            (Some(Member::Role(Role::Admin)), [false, false, false, true]),
            (Some(Member::User("1".to_owned())), [false, true, false, false]),
            (None, [false, false, false, false]),
        ] {
            let members: Vec<Member> = member.into_iter().collect();
            let rules = TopicRules { publish: members.clone(), subscribe: members };
            let topic = topic(rules);
            for (caller, expected) in callers.iter().zip(expected) {
                assert_eq!(may_subscribe(caller, &topic), expected, "{:?} {caller:?}", topic.rules);
                let publishes = expected && *caller != Caller::Anonymous;
                assert_eq!(check_publish(caller, &topic).is_ok(), publishes, "{:?} {caller:?}", topic.rules);
            }
        }
    }
}
