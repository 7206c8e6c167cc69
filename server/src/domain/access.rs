//! Who may do what with a topic, the same for unary calls and streams.

use crate::auth::{Caller, Identity};
use crate::error::{Error, Result};
use crate::model::{Member, Topic};

/// Whether the caller may subscribe to the topic and read its history.
pub(super) fn may_subscribe(caller: &Caller, topic: &Topic) -> bool {
    admits(&topic.rules.subscribe, caller, topic)
}

/// Admits a caller who may subscribe to the topic.
///
/// # Errors
/// `LoginRequired` for an anonymous caller, `Forbidden` for others.
pub(super) fn check_subscribe(caller: &Caller, topic: &Topic) -> Result<()> {
    if may_subscribe(caller, topic) {
        return Ok(());
    }
    caller.identity()?;
    Err(Error::Forbidden(format!("the rules of the topic {:?} do not let you subscribe", topic.name)))
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

fn admits(members: &[Member], caller: &Caller, topic: &Topic) -> bool {
    members.iter().any(|member| match (member, caller) {
        (Member::Anyone, _) => true,
        (_, Caller::Anonymous) => false,
        (Member::SignedIn, Caller::Known(_)) => true,
        (Member::Owner, Caller::Known(identity)) => identity.subject == topic.owner,
        (Member::Role(role), Caller::Known(identity)) => identity.role == *role,
        (Member::User(subject), Caller::Known(identity)) => identity.subject == *subject,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Retention, Role, Time, TopicId, TopicRules};

    fn known(subject: &str, role: Role) -> Caller {
        let now = Time::now();
        Caller::Known(Identity { subject: subject.to_owned(), name: subject.to_owned(), role, expires: now })
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
            let topic = Topic {
                id: TopicId(2),
                name: "news".to_owned(),
                description: String::new(),
                rules,
                retention: Retention::default(),
                owner: "2".to_owned(),
                created: Time::now(),
                updated: Time::now(),
                version: 1,
            };
            for (caller, expected) in callers.iter().zip(expected) {
                assert_eq!(may_subscribe(caller, &topic), expected, "{:?} {caller:?}", topic.rules);
                let publishes = expected && *caller != Caller::Anonymous;
                assert_eq!(check_publish(caller, &topic).is_ok(), publishes, "{:?} {caller:?}", topic.rules);
            }
        }
    }
}
