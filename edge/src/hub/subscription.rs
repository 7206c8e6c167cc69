//! What a browser subscribes to: one upstream stream, or several split from one request.

use std::sync::Arc;

use prost_reflect::{DynamicMessage, Value};

use crate::cursor::{Cursor, MAX_STREAMS, Place, Tag};
use crate::error::{Error, Result};
use crate::schema::Method;
use crate::schema::method::Stream;
use crate::transcode::canonical;

use super::position::cursor_bytes;

/// One upstream stream to open.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub method: Arc<Method>,
    /// Without a cursor.
    pub request: DynamicMessage,
    /// What names the stream to the browser: the split value, else the method.
    pub key: String,
    pub tag: Tag,
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
    request: &DynamicMessage,
    given: Option<Given>,
) -> Result<Vec<Subscription>> {
    let mut base = request.clone();
    let given = match take_resume(stream, &mut base) {
        None => given,
        // EventSource repeats its first URL, the resume field included: what it saw last is newer.
        Some(_) if given.as_ref().is_some_and(|given| given.by_browser) => given,
        Some((field, _)) if given.is_some() => {
            return Err(Error::field(field, "is given beside a cursor of the stream; give one of them"));
        }
        Some((_, cursor)) => Some(Given { cursor: Cursor::Raw(cursor), by_browser: false }),
    };
    let requests = split(stream, base)?;
    if requests.len() > 1 && matches!(given, Some(Given { cursor: Cursor::Raw(_), .. })) {
        return Err(Error::field(
            "cursor",
            "belongs to one stream; send the token that this subscription gave",
        ));
    }
    let subscription = |(key, request): (Option<String>, DynamicMessage)| {
        let tag = Tag::new(method.name(), &canonical(&request));
        let resume = given.as_ref().map_or(Resume::Fresh, |given| resume(given, &tag));
        let key = key.unwrap_or_else(|| method.name().to_owned());
        Subscription { method: Arc::clone(method), request, key, tag, resume }
    };
    Ok(requests.into_iter().map(subscription).collect())
}

/// The resume field's name and value, when the request sets it by its own name; it is cleared.
fn take_resume(stream: &Stream, request: &mut DynamicMessage) -> Option<(String, Vec<u8>)> {
    let resume = &stream.durable.as_ref()?.resume;
    if !resume.is_set(request) {
        return None;
    }
    let cursor = cursor_bytes(&resume.get(request));
    resume.clear(request);
    Some((resume.to_string(), cursor))
}

fn resume(given: &Given, tag: &Tag) -> Resume {
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
fn split(stream: &Stream, base: DynamicMessage) -> Result<Vec<(Option<String>, DynamicMessage)>> {
    let Some(split) = &stream.split else { return Ok(vec![(None, base)]) };
    let Value::List(values) = base.get_field(&split.many).into_owned() else { return Ok(vec![(None, base)]) };
    if values.is_empty() {
        let key = base.has_field(&split.one).then(|| text(&base.get_field(&split.one)));
        return Ok(vec![(key, base)]);
    }
    if base.has_field(&split.one) {
        let problem = format!("is given beside `{}`; give one of them", split.one.name());
        return Err(Error::field(split.many.name(), problem));
    }
    if values.len() > MAX_STREAMS {
        return Err(Error::field(split.many.name(), format!("has more than {MAX_STREAMS} values")));
    }
    let mut requests: Vec<(Option<String>, DynamicMessage)> = Vec::new();
    for value in values {
        let key = Some(text(&value));
        if requests.iter().any(|(other, _)| *other == key) {
            continue;
        }
        let mut request = base.clone();
        request.clear_field(&split.many);
        request.set_field(&split.one, value);
        requests.push((key, request));
    }
    Ok(requests)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::I32(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}
