//! Requests of TopicService.

use lastmile_proto::v1;
use prost::Message;
use prost_types::Any;
use sha2::{Digest, Sha256};
use v1::publish_event_request::Body;
use v1::subscribe_response::Body as StoredBody;

use super::check::Check;
use super::value::{is_json, nesting};
use crate::domain::{History, Publication};
use crate::error::Result;
use crate::log::{Log, Start};
use crate::model::EventLimit;
use crate::service::page;

/// Messages within each other in the data of an event: protobuf decoders refuse over 100, and answers add some.
const MAX_NESTING: usize = 93;

/// Topics of one subscription.
const MAX_TOPICS: usize = 64;

/// Latest events a caller may ask for.
const MAX_LAST: u32 = 1_000;

/// The name of a topic, which is named by `field`.
pub(in crate::service) fn topic_name(name: String, field: &str) -> Result<String> {
    let mut check = Check::default();
    check.topic_name(&name, field);
    check.finish()?;
    Ok(name)
}

/// Size of a page of topics, and the name after which it begins.
pub(in crate::service) fn list_topics(request: &v1::ListTopicsRequest) -> Result<(usize, String)> {
    let mut check = Check::default();
    let size = check.take(page::size(request.page_size), "page_size", "must be 0-1000");
    let after = match request.page_token.as_str() {
        "" => String::new(),
        token => check.take(
            page::key("topics", "", token),
            "page_token",
            "must be the next_page_token of this list",
        ),
    };
    check.finish()?;
    Ok((size, after))
}

/// Where to publish what.
pub(in crate::service) fn publish_event(
    limit: EventLimit,
    request: v1::PublishEventRequest,
) -> Result<(String, Publication)> {
    let mut check = Check::default();
    check.topic_name(&request.topic, "topic");
    check_type(&mut check, &request.r#type);
    let (field, body) = match request.body {
        Some(Body::Data(data)) => {
            check.require(is_json(&data), "data", "must be a JSON value; NaN and Infinity are none");
            let shallow = nesting(&data) <= MAX_NESTING;
            check.require(shallow, "data", "must have at most 30 objects or 46 arrays within each other");
            ("data", Some(StoredBody::Data(data)))
        }
        Some(Body::Message(message)) => {
            check.require(
                is_typed(&message),
                "message",
                "must have a type_url such as type.googleapis.com/pkg.Type",
            );
            ("message", Some(StoredBody::Message(message)))
        }
        None => {
            check.require(false, "data", "is required, or `message` instead");
            ("data", None)
        }
    };
    let body = v1::SubscribeResponse { body, ..Default::default() }.encode_to_vec();
    check.encoded(body.len(), limit.0, field);
    let key = request.idempotency_key;
    check.require(key.len() <= 128, "idempotency_key", "must have at most 128 bytes");
    check.finish()?;
    let digest = content_digest(&request.r#type, &body);
    let key = Some(key).filter(|key| !key.is_empty()).map(|key| (key, digest));
    Ok((request.topic, Publication { kind: request.r#type, body, key }))
}

/// Which page of which topic's history, and its size.
pub(in crate::service) fn list_events(
    log: &Log,
    request: v1::ListEventsRequest,
) -> Result<(String, History, usize)> {
    let mut check = Check::default();
    check.topic_name(&request.topic, "topic");
    let size = check.take(page::size(request.page_size), "page_size", "must be 0-1000");
    check.require(request.last <= MAX_LAST, "last", "must be 0-1000");
    let both = !request.after.is_empty() && request.last > 0;
    check.require(!both, "last", "must be 0 when `after` is given");
    let page = match (request.after.as_str(), request.last) {
        ("", 0) => Ok(History::Oldest),
        ("", last) => Ok(History::Latest(last as usize)),
        (after, _) => check.position(log, after, "after").map(History::After),
    };
    check.finish()?;
    Ok((request.topic, page?, size))
}

/// The topics to follow (none for all), and where to begin if the log still goes on from there.
pub(in crate::service) fn subscribe(
    log: &Log,
    request: v1::SubscribeRequest,
) -> Result<(Vec<String>, Result<Start>)> {
    let mut check = Check::default();
    let both = !request.topic.is_empty() && !request.topics.is_empty();
    check.require(!both, "topics", "must be empty when `topic` is given");
    let names = check.at_most(&request.topics, MAX_TOPICS, "topics", "must name at most 64 topics");
    for (index, name) in names.iter().enumerate() {
        check.topic_name(name, &format!("topics[{index}]"));
    }
    if !request.topic.is_empty() {
        check.topic_name(&request.topic, "topic");
    }
    check.require(request.last <= MAX_LAST, "last", "must be 0-1000");
    let start = check.start(log, &request.cursor, request.last as usize);
    check.finish()?;
    let names = if request.topic.is_empty() { request.topics } else { vec![request.topic] };
    Ok((names, start))
}

fn check_type(check: &mut Check, name: &str) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(allowed);
    check.require(fits, "type", "must match [A-Za-z0-9_.:-]{1,64}");
    // EventSource dispatches these names itself, and the edge uses lm-*.
    let reserved = ["open", "error", "message"].contains(&name) || name.starts_with("lm-");
    check.require(!reserved, "type", "is reserved: choose another name than open, error, message and lm-*");
}

fn is_typed(message: &Any) -> bool {
    matches!(message.type_url.rsplit_once('/'), Some((_, name)) if !name.is_empty())
}

fn content_digest(kind: &str, body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(kind).chain_update([0]).chain_update(body).finalize().into()
}

#[cfg(test)]
mod tests {
    use prost_types::Value;
    use prost_types::value::Kind;

    use super::*;
    use crate::error::Error;

    const LIMIT: EventLimit = EventLimit(64 * 1024);

    fn text(text: &str) -> Option<Body> {
        Some(Body::Data(Value { kind: Some(Kind::StringValue(text.to_owned())) }))
    }

    fn number(number: f64) -> Option<Body> {
        Some(Body::Data(Value { kind: Some(Kind::NumberValue(number)) }))
    }

    fn publish(topic: &str, kind: &str, body: Option<Body>, key: &str) -> Vec<String> {
        let request = v1::PublishEventRequest {
            topic: topic.to_owned(),
            r#type: kind.to_owned(),
            body,
            idempotency_key: key.to_owned(),
        };
        match publish_event(LIMIT, request) {
            Ok(_) => Vec::new(),
            Err(Error::Invalid(violations)) => violations.into_iter().map(|each| each.field).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn good_events_pass() {
        for kind in ["a", "user:update", "A.b_c-9", "opened", "lm", &"x".repeat(64)] {
            assert!(publish("news", kind, text("x"), "").is_empty(), "{kind}");
        }
        let any = Any { type_url: "type.googleapis.com/pkg.Type".to_owned(), value: vec![1] };
        assert!(publish("n", "t", Some(Body::Message(any)), "key").is_empty());
    }

    #[test]
    fn bad_events_name_their_fields() {
        for kind in ["", "open", "error", "message", "lm-open", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(publish("news", kind, text("x"), ""), ["type"], "{kind}");
        }
        for topic in ["", ".", "..", "a/b", "internal:users", &"x".repeat(129)] {
            assert_eq!(publish(topic, "t", text("x"), ""), ["topic"], "{topic}");
        }
        assert_eq!(publish("n", "t", None, ""), ["data"]);
        assert_eq!(publish("n", "t", Some(Body::Data(Value::default())), ""), ["data"]);
        assert_eq!(publish("n", "t", number(f64::NAN), ""), ["data"]);
        let nested = |levels| {
            (0..levels).fold(Value { kind: Some(Kind::BoolValue(true)) }, |value, _| Value {
                kind: Some(Kind::ListValue(prost_types::ListValue { values: vec![value] })),
            })
        };
        assert_eq!(publish("n", "t", Some(Body::Data(nested(46))), ""), [""; 0]);
        assert_eq!(publish("n", "t", Some(Body::Data(nested(47))), ""), ["data"]);
        assert_eq!(publish("n", "t", text(&"x".repeat(LIMIT.0)), ""), ["data"]);
        assert_eq!(publish("n", "t", Some(Body::Message(Any::default())), ""), ["message"]);
        assert_eq!(publish("", "", None, &"k".repeat(129)), ["topic", "type", "data", "idempotency_key"]);
    }
}
