//! Requests of TopicService that administer topics.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use lastmile_proto::v1;

use super::check::Check;
use crate::error::{Error, Result, head};
use crate::model::{Member, NewTopic, Retention, Role, TopicPatch, TopicRules, is_subject};

/// Members of a rule.
const MAX_MEMBERS: usize = 64;

/// Fields that a mask names.
const MAX_PATHS: usize = 32;

/// Seconds that events may be kept: a minute to ten years.
const MAX_AGE: RangeInclusive<u64> = 60..=3650 * 24 * 60 * 60;

/// Bytes that events of a topic may have: 64 KiB to 1 TiB.
const MAX_BYTES: RangeInclusive<u64> = 1 << 16..=1 << 40;

const FIELDS: &str = "description, rules, rules.publish, rules.subscribe, retention, retention.max_age, \
                      retention.max_bytes, owner, or `*`";

/// A field that can be changed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Description,
    Publish,
    Subscribe,
    MaxAge,
    MaxBytes,
    Owner,
}

impl Field {
    const ALL: [Self; 6] =
        [Self::Description, Self::Publish, Self::Subscribe, Self::MaxAge, Self::MaxBytes, Self::Owner];
}

/// A topic to create; it has no owner yet.
pub(in crate::service) fn create_topic(request: v1::CreateTopicRequest) -> Result<NewTopic> {
    let Some(topic) = request.topic else {
        return Err(Error::invalid("topic", "is required"));
    };
    let mut check = Check::default();
    check.topic_name(&topic.name, "topic.name");
    check.text(&topic.description, "topic.description", 0, 1024);
    let rules = match &topic.rules {
        Some(rules) => TopicRules {
            publish: publishers(&mut check, &rules.publish),
            subscribe: subscribers(&mut check, &rules.subscribe),
        },
        None => TopicRules { publish: vec![Member::SignedIn], subscribe: vec![Member::SignedIn] },
    };
    let max_age = max_age(&mut check, topic.retention.as_ref());
    let max_bytes = max_bytes(&mut check, topic.retention.as_ref());
    check.finish()?;
    let v1::Topic { name, description, .. } = topic;
    let retention = Retention { max_age, max_bytes };
    Ok(NewTopic { name, description, rules, retention, owner: String::new() })
}

/// Which topic to change, how, and the etag the caller knows.
pub(in crate::service) fn update_topic(
    request: v1::UpdateTopicRequest,
) -> Result<(String, TopicPatch, Option<String>)> {
    let Some(topic) = request.topic else {
        return Err(Error::invalid("topic", "is required"));
    };
    let mut check = Check::default();
    check.topic_name(&topic.name, "topic.name");
    let fields = match request.update_mask {
        Some(mask) if !mask.paths.is_empty() => named_fields(&mut check, &mask.paths),
        _ => set_fields(&topic),
    };
    check.require(!fields.is_empty(), "update_mask", &format!("names no field to change: {FIELDS}"));
    let with_rules = fields.contains(&Field::Publish) || fields.contains(&Field::Subscribe);
    let missing = with_rules && topic.rules.is_none();
    check.require(!missing, "topic.rules", "is required by the mask; give empty lists to admit nobody");
    let mut patch = TopicPatch::default();
    for field in fields {
        take(&mut check, &mut patch, &topic, field);
    }
    check.finish()?;
    Ok((topic.name, patch, etag(topic.etag)))
}

/// Which topic to delete, and the etag the caller knows.
pub(in crate::service) fn delete_topic(request: v1::DeleteTopicRequest) -> Result<(String, Option<String>)> {
    let mut check = Check::default();
    check.topic_name(&request.name, "name");
    check.finish()?;
    Ok((request.name, etag(request.etag)))
}

/// The fields that a mask names, each once.
fn named_fields(check: &mut Check, paths: &[String]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for path in check.at_most(paths, MAX_PATHS, "update_mask", "must name at most 32 fields") {
        let named: &[Field] = match path.as_str() {
            "*" => &Field::ALL,
            "description" => &[Field::Description],
            "rules" => &[Field::Publish, Field::Subscribe],
            "rules.publish" => &[Field::Publish],
            "rules.subscribe" => &[Field::Subscribe],
            "retention" => &[Field::MaxAge, Field::MaxBytes],
            "retention.max_age" => &[Field::MaxAge],
            "retention.max_bytes" => &[Field::MaxBytes],
            "owner" => &[Field::Owner],
            // Set by the server, and sent back by whoever edits a topic as a whole.
            "name" | "etag" | "create_time" | "update_time" => &[],
            other => {
                let why = format!("has no field {:?}; the fields are {FIELDS}", head(other));
                check.require(false, "update_mask", &why);
                &[]
            }
        };
        let new: Vec<Field> = named.iter().copied().filter(|field| !fields.contains(field)).collect();
        fields.extend(new);
    }
    fields
}

/// The fields that are set, each part of the rules and of the retention by itself.
fn set_fields(topic: &v1::Topic) -> Vec<Field> {
    let rules = topic.rules.clone().unwrap_or_default();
    let retention = topic.retention.unwrap_or_default();
    let is_set = |field: &Field| match field {
        Field::Description => !topic.description.is_empty(),
        Field::Publish => !rules.publish.is_empty(),
        Field::Subscribe => !rules.subscribe.is_empty(),
        Field::MaxAge => retention.max_age.is_some(),
        Field::MaxBytes => retention.max_bytes > 0,
        Field::Owner => !topic.owner.is_empty(),
    };
    Field::ALL.into_iter().filter(is_set).collect()
}

fn take(check: &mut Check, patch: &mut TopicPatch, topic: &v1::Topic, field: Field) {
    let rules = topic.rules.as_ref();
    match field {
        Field::Description => {
            check.text(&topic.description, "topic.description", 0, 1024);
            patch.description = Some(topic.description.clone());
        }
        Field::Publish => patch.publish = rules.map(|rules| publishers(check, &rules.publish)),
        Field::Subscribe => patch.subscribe = rules.map(|rules| subscribers(check, &rules.subscribe)),
        Field::MaxAge => patch.max_age = Some(max_age(check, topic.retention.as_ref())),
        Field::MaxBytes => patch.max_bytes = Some(max_bytes(check, topic.retention.as_ref())),
        Field::Owner => {
            let fits = topic.owner.is_empty() || is_subject(&topic.owner);
            check.require(fits, "topic.owner", "must match [A-Za-z0-9._~-]{1,128}, or be empty for nobody");
            patch.owner = Some(topic.owner.clone());
        }
    }
}

fn publishers(check: &mut Check, members: &[String]) -> Vec<Member> {
    const FIELD: &str = "topic.rules.publish";
    let told = members.iter().take(MAX_MEMBERS).enumerate();
    for (index, _) in told.filter(|(_, member)| *member == "anyone") {
        let why = "must not be `anyone`: a publisher has a name; use `signed-in`";
        check.require(false, &format!("{FIELD}[{index}]"), why);
    }
    check_members(check, members, FIELD)
}

fn subscribers(check: &mut Check, members: &[String]) -> Vec<Member> {
    check_members(check, members, "topic.rules.subscribe")
}

fn check_members(check: &mut Check, members: &[String], field: &str) -> Vec<Member> {
    let members = check.at_most(members, MAX_MEMBERS, field, "must have at most 64 members");
    let distinct: HashSet<_> = members.iter().collect();
    check.require(distinct.len() == members.len(), field, "must not repeat a member");
    let mut parsed = Vec::with_capacity(members.len());
    for (index, member) in members.iter().enumerate() {
        match member.parse() {
            // Edges follow every topic of their token, whatever its rules.
            Ok(Member::Role(Role::Edge)) | Err(_) => {
                check.require(false, &format!("{field}[{index}]"), &member_rule(member));
            }
            Ok(member) => parsed.push(member),
        }
    }
    parsed
}

fn member_rule(text: &str) -> String {
    let text = head(text);
    format!(
        "{text:?} is none of anyone, signed-in, owner, role:ROLE, user:ID; roles are user, admin, service"
    )
}

/// Absent or zero: the default.
fn max_age(check: &mut Check, retention: Option<&v1::Retention>) -> Duration {
    let asked = retention.and_then(|retention| retention.max_age).unwrap_or_default();
    if asked == prost_types::Duration::default() {
        return Retention::default().max_age;
    }
    let seconds = u64::try_from(asked.seconds).ok().filter(|_| asked.nanos == 0);
    let seconds = seconds.filter(|seconds| MAX_AGE.contains(seconds));
    let why = "must be whole seconds, 1 minute to 3650 days; absent or 0 for 7 days";
    Duration::from_secs(check.take(seconds, "topic.retention.max_age", why))
}

/// Absent or zero: the default.
fn max_bytes(check: &mut Check, retention: Option<&v1::Retention>) -> u64 {
    match retention.map_or(0, |retention| retention.max_bytes) {
        0 => Retention::default().max_bytes,
        asked => {
            let why = "must be 64 KiB to 1 TiB; absent or 0 for 1 GiB";
            check.require(MAX_BYTES.contains(&asked), "topic.retention.max_bytes", why);
            asked
        }
    }
}

fn etag(etag: String) -> Option<String> {
    Some(etag).filter(|etag| !etag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<T: std::fmt::Debug>(result: Result<T>) -> Vec<String> {
        match result {
            Err(Error::Invalid(violations)) => violations.into_iter().map(|each| each.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn members(members: &[&str]) -> Vec<String> {
        members.iter().map(ToString::to_string).collect()
    }

    fn rules(publish: &[&str], subscribe: &[&str]) -> Option<v1::TopicRules> {
        Some(v1::TopicRules { publish: members(publish), subscribe: members(subscribe) })
    }

    fn retention(seconds: i64, nanos: i32, max_bytes: u64) -> Option<v1::Retention> {
        Some(v1::Retention { max_age: Some(prost_types::Duration { seconds, nanos }), max_bytes })
    }

    fn create(topic: v1::Topic) -> Result<NewTopic> {
        create_topic(v1::CreateTopicRequest { topic: Some(v1::Topic { name: "news".to_owned(), ..topic }) })
    }

    fn update(paths: &[&str], topic: v1::Topic) -> Result<TopicPatch> {
        let mask = prost_types::FieldMask { paths: members(paths) };
        let topic = Some(v1::Topic { name: "news".to_owned(), ..topic });
        update_topic(v1::UpdateTopicRequest { topic, update_mask: Some(mask) }).map(|(_, patch, _)| patch)
    }

    #[test]
    fn a_topic_without_rules_is_for_everyone_signed_in_and_one_with_empty_rules_for_nobody() {
        let created = create(v1::Topic::default()).unwrap();
        assert_eq!(created.rules.publish, [Member::SignedIn]);
        assert_eq!(created.rules.subscribe, [Member::SignedIn]);
        assert_eq!(created.retention, Retention::default());
        let closed = create(v1::Topic { rules: rules(&[], &[]), ..Default::default() }).unwrap();
        assert_eq!(closed.rules, TopicRules::default());
    }

    #[test]
    fn creation_tells_all_wrong_fields_at_once() {
        let topic = v1::Topic {
            name: "a b".to_owned(),
            description: "x".repeat(1025),
            rules: rules(&["anyone", "owner", "owner"], &["role:king", "user:a b", "role:edge", "anyone"]),
            retention: retention(59, 0, 1000),
            ..Default::default()
        };
        let expected = [
            "topic.name",
            "topic.description",
            "topic.rules.publish[0]",
            "topic.rules.publish",
            "topic.rules.subscribe[0]",
            "topic.rules.subscribe[1]",
            "topic.rules.subscribe[2]",
            "topic.retention.max_age",
            "topic.retention.max_bytes",
        ];
        assert_eq!(fields(create_topic(v1::CreateTopicRequest { topic: Some(topic) })), expected);
        assert_eq!(fields(create_topic(v1::CreateTopicRequest::default())), ["topic"]);
        let many: Vec<String> = (0..65).map(|n| format!("user:{n}")).collect();
        let rules = Some(v1::TopicRules { subscribe: many, ..Default::default() });
        assert_eq!(fields(create(v1::Topic { rules, ..Default::default() })), ["topic.rules.subscribe"]);
    }

    #[test]
    fn retention_has_limits_and_defaults() {
        let day = 24 * 60 * 60;
        for (seconds, nanos, bytes, expected) in [
            (0, 0, 0, Ok((7 * day, 1 << 30))),
            (60, 0, 1 << 16, Ok((60, 1 << 16))),
            (3650 * i64::from(24 * 60 * 60), 0, 1 << 40, Ok((3650 * day, 1 << 40))),
            (59, 0, 0, Err("topic.retention.max_age")),
            (-60, 0, 0, Err("topic.retention.max_age")),
            (60, 1, 0, Err("topic.retention.max_age")),
            (3650 * i64::from(24 * 60 * 60) + 1, 0, 0, Err("topic.retention.max_age")),
            (0, 0, (1 << 16) - 1, Err("topic.retention.max_bytes")),
            (0, 0, (1 << 40) + 1, Err("topic.retention.max_bytes")),
        ] {
            let topic = v1::Topic { retention: retention(seconds, nanos, bytes), ..Default::default() };
            match (create(topic), expected) {
                (Ok(topic), Ok((age, bytes))) => {
                    let expected = Retention { max_age: Duration::from_secs(age), max_bytes: bytes };
                    assert_eq!(topic.retention, expected);
                }
                (result, Err(field)) => assert_eq!(fields(result), [field], "{seconds} {nanos} {bytes}"),
                (Err(error), Ok(_)) => panic!("{seconds} {nanos} {bytes}: {error}"),
            }
        }
    }

    #[test]
    fn masks_choose_the_fields() {
        let topic = v1::Topic {
            description: "new".to_owned(),
            rules: rules(&["owner"], &["anyone"]),
            retention: retention(60, 0, 0),
            ..Default::default()
        };
        let (publish, subscribe) = (Some(vec![Member::Owner]), Some(vec![Member::Anyone]));
        let (max_age, max_bytes) = (Some(Duration::from_secs(60)), Some(1 << 30));
        let description = Some("new".to_owned());
        let none = TopicPatch::default;
        let whole = TopicPatch {
            description: description.clone(),
            publish: publish.clone(),
            subscribe: subscribe.clone(),
            max_age,
            max_bytes,
            owner: Some(String::new()),
        };
        for (paths, expected) in [
            (&["*", "owner"][..], whole.clone()),
            (&["description", "name", "etag"], TopicPatch { description: description.clone(), ..none() }),
            (&["rules.publish", "rules.publish"], TopicPatch { publish: publish.clone(), ..none() }),
            (&["rules"], TopicPatch { publish: publish.clone(), subscribe: subscribe.clone(), ..none() }),
            (&["retention.max_age"], TopicPatch { max_age, ..none() }),
            (&["retention.max_bytes"], TopicPatch { max_bytes, ..none() }),
            (&["retention"], TopicPatch { max_age, max_bytes, ..none() }),
            (&["owner"], TopicPatch { owner: Some(String::new()), ..none() }),
            // What is not set stays as it is.
            (&[], TopicPatch { max_bytes: None, owner: None, ..whole }),
        ] {
            assert_eq!(update(paths, topic.clone()).unwrap(), expected, "{paths:?}");
        }
    }

    #[test]
    fn bad_masks_are_refused() {
        for (paths, expected) in [
            (&["descr"][..], &["update_mask", "update_mask"][..]),
            (&["description", "rules.read"], &["update_mask"]),
            (&[], &["update_mask"]),
            (&["name"], &["update_mask"]),
            // Rules that were left out admit neither everybody nor nobody.
            (&["*"], &["topic.rules"]),
            (&["rules.subscribe"], &["topic.rules"]),
        ] {
            assert_eq!(fields(update(paths, v1::Topic::default())), expected, "{paths:?}");
        }
        let owner = v1::Topic { owner: "a b".to_owned(), ..Default::default() };
        assert_eq!(fields(update(&["owner"], owner)), ["topic.owner"]);
    }
}
