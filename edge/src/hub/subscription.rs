//! What a browser subscribes to: one upstream stream, or several split from one request.

use std::sync::Arc;

use bytes::Bytes;

use crate::cursor::{self, Cursor, MAX_STREAMS, Place};
use crate::error::{Code, Error, Result};
use crate::schema::method::{Split, Stream};
use crate::schema::{FieldPath, Method};
use crate::transcode::wire::{Malformed, Tag, Wire, WireType};
use crate::transcode::{Target, canonical, encode, pick};

use super::outcome::{GapReason, Outcome};
use super::source::Start;
use super::subject::Subject;

/// One stream to read.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub subject: Subject,
    /// What names the stream to the browser: the split value, else the method.
    pub key: String,
    /// The request with what chooses where a call begins, when it says anything of that.
    pub beginning: Option<Bytes>,
    pub resume: Resume,
}

/// Where a stream is to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// From now.
    Fresh,
    /// After this cursor. `forgiving`: a backend that does not know it is a gap, not an error.
    After { cursor: Vec<u8>, forgiving: bool },
    /// The browser's cursor belongs to another stream.
    Mismatch,
    /// It had ended; nothing is opened.
    Ended,
}

impl Resume {
    /// What becomes of it when the call that it asks for succeeds.
    pub fn outcome(&self, subject: &Subject) -> Outcome {
        match self {
            Self::Fresh => Outcome::Fresh,
            Self::Mismatch => Outcome::Gap(GapReason::CursorMismatch),
            // Nothing numbers the messages of this stream but the feed that is gone.
            Self::After { .. } if subject.rule().durable.is_none() => Outcome::Gap(GapReason::EpochChanged),
            Self::After { .. } | Self::Ended => Outcome::Resumed,
        }
    }
}

impl Subscription {
    /// Where a call for this subscription begins.
    pub fn start(&self) -> Start {
        match (&self.resume, &self.beginning) {
            (Resume::After { cursor, .. }, _) if self.subject.rule().durable.is_some() => {
                Start::After(cursor.clone())
            }
            (Resume::Fresh, Some(request)) => Start::Request(request.clone()),
            _ => Start::Now,
        }
    }
}

/// A cursor as it was given.
#[derive(Debug, Clone)]
pub struct Given {
    pub cursor: Cursor,
    /// The browser sent it by itself (`Last-Event-ID`): nobody can be told that it is wrong, so that is a gap.
    pub by_browser: bool,
}

/// Splits a request into its streams and gives each its part of the cursor.
///
/// # Errors
/// INVALID_ARGUMENT when there are too many streams, or a raw cursor for more than one.
pub fn subscriptions(
    method: &Arc<Method>,
    stream: &Stream,
    request: Vec<u8>,
    given: Option<Given>,
) -> Result<Vec<Subscription>> {
    let mut base = request;
    let given = match take_resume(method, stream, &mut base).map_err(unreadable)? {
        None => given,
        // EventSource repeats its first URL, the resume field included: what it saw last is newer.
        Some(_) if given.as_ref().is_some_and(|given| given.by_browser) => given,
        Some((field, _)) if given.is_some() => {
            return Err(Error::field(field, "is given beside a cursor of the stream; give one of them"));
        }
        Some((_, cursor)) => Some(Given { cursor: Cursor::Raw(cursor), by_browser: false }),
    };
    let requests = split(method, stream, base)?;
    if requests.len() > 1 && matches!(given, Some(Given { cursor: Cursor::Raw(_), .. })) {
        return Err(Error::field(
            "cursor",
            "belongs to one stream; send the token that this subscription gave",
        ));
    }
    let subscription = |(key, request): (Option<String>, Vec<u8>)| {
        let (request, beginning) = without_beginning(method, stream, request).map_err(unreadable)?;
        let request = canonical(&method.plan, method.input, &request).map_err(unreadable)?;
        let subject = Subject::new(method, request);
        let resume = given.as_ref().map_or(Resume::Fresh, |given| resume(given, &subject.tag));
        let key = key.unwrap_or_else(|| method.name().to_owned());
        Ok(Subscription { subject, key, beginning, resume })
    };
    requests.into_iter().map(subscription).collect()
}

/// The resume field's name and value, when the request sets it by its own name; it is cleared.
fn take_resume(
    method: &Method,
    stream: &Stream,
    request: &mut Vec<u8>,
) -> Result<Option<(String, Vec<u8>)>, Malformed> {
    let Some(durable) = &stream.durable else { return Ok(None) };
    let Some(target) = Target::of(&method.plan, method.input, &durable.resume) else { return Ok(None) };
    if !target.is_set_in(request)? {
        return Ok(None);
    }
    let cursor = pick::cursor(&durable.resume, request)?;
    *request = target.without(request)?;
    Ok(Some((durable.resume.to_string(), cursor)))
}

/// The request without the fields that only choose where a call begins, and the whole of it when it sets any.
fn without_beginning(
    method: &Method,
    stream: &Stream,
    request: Vec<u8>,
) -> Result<(Vec<u8>, Option<Bytes>), Malformed> {
    let mut rest = request.clone();
    for field in &stream.beginning {
        if let Some(target) = Target::top(&method.plan, method.input, field.number()) {
            rest = target.without(&rest)?;
        }
    }
    let beginning = (rest != request).then(|| request.into());
    Ok((rest, beginning))
}

fn resume(given: &Given, tag: &cursor::Tag) -> Resume {
    match &given.cursor {
        Cursor::Raw(raw) => Resume::After { cursor: raw.clone(), forgiving: given.by_browser },
        Cursor::Token(token) => match token.place(tag) {
            Some(Place::After(cursor)) => Resume::After { cursor: cursor.clone(), forgiving: true },
            Some(Place::End) => Resume::Ended,
            None => Resume::Mismatch,
        },
    }
}

/// Each value of the repeated field becomes a request of its own, in order, once.
fn split(method: &Method, stream: &Stream, base: Vec<u8>) -> Result<Vec<(Option<String>, Vec<u8>)>> {
    let Some(split) = &stream.split else { return Ok(vec![(None, base)]) };
    let target = |number| Target::top(&method.plan, method.input, number);
    let (Some(many), Some(one)) = (target(split.many.number()), target(split.one.number())) else {
        return Ok(vec![(None, base)]);
    };
    let values = values(split, &base).map_err(unreadable)?;
    let alone = one.is_set_in(&base).map_err(unreadable)?;
    if values.is_empty() {
        let path = FieldPath::from(split.one.clone());
        let key = alone.then(|| pick::cursor(&path, &base)).transpose().map_err(unreadable)?;
        return Ok(vec![(key.map(text), base)]);
    }
    if alone {
        let problem = format!("is given beside `{}`; give one of them", split.one.name());
        return Err(Error::field(split.many.name(), problem));
    }
    if values.len() > MAX_STREAMS {
        return Err(Error::field(split.many.name(), format!("has more than {MAX_STREAMS} values")));
    }
    let base = many.without(&base).map_err(unreadable)?;
    let mut requests: Vec<(Option<String>, Vec<u8>)> = Vec::new();
    for (key, value) in values {
        if requests.iter().any(|(other, _)| other.as_ref() == Some(&key)) {
            continue;
        }
        let mut request = base.clone();
        encode::tag(&mut request, split.one.number(), value.0);
        request.extend_from_slice(value.1);
        requests.push((Some(key), request));
    }
    Ok(requests)
}

/// The values of the repeated field: each with its text, and as it is encoded.
type Values<'a> = Vec<(String, (WireType, &'a [u8]))>;

fn values<'a>(split: &Split, message: &'a [u8]) -> Result<Values<'a>, Malformed> {
    let kind = split.many.kind();
    let wire_type = pick::wire_type(&kind);
    let mut values = Vec::new();
    let mut wire = Wire::new(message);
    while let Some(tag) = wire.tag()? {
        if tag.number != split.many.number() {
            wire.skip(tag)?;
            continue;
        }
        let is_packed = tag.wire_type != wire_type;
        let mut items = Wire::new(if is_packed { wire.bytes()? } else { wire.value(tag)? });
        while !items.is_empty() {
            let key = text(pick::plain(&kind, &mut { items })?);
            values.push((key, (wire_type, items.value(Tag { wire_type, ..tag })?)));
        }
    }
    Ok(values)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn unreadable(Malformed(problem): Malformed) -> Error {
    Error::new(
        Code::InvalidArgument,
        "BODY_INVALID",
        format!("The request is no message of this type: it {problem}."),
    )
}
