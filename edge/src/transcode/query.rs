//! Query parameters as request fields (http.proto, "HTTP query parameters").

use std::borrow::Cow;
use std::collections::HashSet;

use crate::config::rest::Unknown;
use crate::error::{Error, Result};
use crate::schema::percent;
use crate::schema::plan::{Form, Kind, MessageId, Plan, Shape};

use super::encode;
use super::read::{ReadOptions, mask, scalar, time};
use super::target::Target;
use super::wire::WireType;

/// One decoded parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub value: String,
}

/// A parameter that is read.
#[derive(Debug)]
pub struct Given<'a> {
    /// As the caller spelled it.
    pub name: &'a str,
    pub target: Target<'a>,
    /// The request with this field alone.
    pub bytes: Vec<u8>,
    /// The entry of a map that it fills, encoded.
    key: Option<Vec<u8>>,
}

/// Splits and decodes a query; `+` is a space here, and only here.
pub fn parse(query: &str) -> Result<Vec<Parameter>> {
    let decode = |text: &str| {
        percent::decode(&text.replace('+', " "))
            .map_err(|error| Error::field("query", error.to_string()).reason("QUERY_INVALID"))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok(Parameter { name: decode(name)?, value: decode(value)? })
        })
        .collect()
}

/// Reads the parameters of a request of this type; repeated fields take several values, single ones exactly one.
///
/// # Errors
/// INVALID_ARGUMENT naming the parameter.
pub fn read<'a>(
    plan: &'a Plan,
    root: MessageId,
    options: ReadOptions,
    parameters: &'a [Parameter],
) -> Result<Vec<Given<'a>>> {
    let mut read: Vec<Given<'a>> = Vec::with_capacity(parameters.len());
    let (mut bytes, mut names) = (Vec::new(), HashSet::new());
    for Parameter { name, value } in parameters {
        let (path, key) = split_key(plan, root, options, name);
        let target = match Target::resolve(plan, root, path) {
            Ok(target) => target,
            Err(_) if options.unknown_query == Unknown::Ignore => continue,
            Err(problem) => {
                return Err(Error::field(name.clone(), format!("unknown query parameter: {problem}")));
            }
        };
        let refuse = |problem: Cow<'_, str>| Error::field(name.clone(), problem);
        let given = one(plan, name, target, key, value).map_err(refuse)?;
        if read.iter().any(|other| given.excludes(other)) {
            return Err(refuse("is given twice, but takes one value".into()));
        }
        // What excludes a name that came before was found then.
        if names.insert(name)
            && let Ok(Some(rival)) = given.target.rival_in(&bytes)
        {
            return Err(refuse(format!("excludes `{}`, which is given too", rival.proto_name).into()));
        }
        bytes.extend_from_slice(&given.bytes);
        read.push(given);
    }
    Ok(read)
}

impl Given<'_> {
    /// Whether both give a value to the same single field.
    fn excludes(&self, other: &Self) -> bool {
        match (self.target.field().shape, other.target.field().shape) {
            (Shape::Many(_), _) | (_, Shape::Many(_)) => false,
            (Shape::Map { .. }, Shape::Map { .. }) if self.key != other.key => false,
            _ => self.target.is_within(&other.target) || other.target.is_within(&self.target),
        }
    }
}

/// The path and the key of `path[key]`, where that names an entry of a map.
fn split_key<'a>(
    plan: &Plan,
    root: MessageId,
    options: ReadOptions,
    name: &'a str,
) -> (&'a str, Option<&'a str>) {
    let parts = name.strip_suffix(']').and_then(|name| name.split_once('['));
    let is_map = |path: &str| {
        Target::resolve(plan, root, path)
            .is_ok_and(|target| matches!(target.field().shape, Shape::Map { .. }))
    };
    match parts {
        // Where maps are not read, the name of the map says so.
        Some((path, key)) if is_map(path) => (path, options.query_maps.then_some(key)),
        _ => (name, None),
    }
}

fn one<'a>(
    plan: &Plan,
    name: &'a str,
    target: Target<'a>,
    key: Option<&str>,
    value: &str,
) -> std::result::Result<Given<'a>, Cow<'static, str>> {
    let field = target.field();
    let (mut bytes, mut written_key) = (Vec::new(), None);
    target.wrap(&mut bytes, |out| match (field.shape, key) {
        (Shape::Map { key: key_kind, value: value_kind }, Some(key)) => {
            let mut entry = Vec::new();
            encode::tag(&mut entry, 1, WireType::of(key_kind));
            scalar::plain(key_kind, None, key, &mut entry)
                .map_err(|problem| format!("has a key that {problem}"))?;
            written_key = Some(entry.clone());
            record(plan, 2, value_kind, value, &mut entry)?;
            encode::tag(out, field.number, WireType::Length);
            encode::bytes(out, &entry);
            Ok(())
        }
        (Shape::Map { .. }, None) => Err(Cow::Borrowed(
            "is a map: send it in the body, or as `name[key]=value` where the edge has `rest.query_maps` on",
        )),
        (Shape::Many(kind), _) if is_structured(plan, kind) => {
            Err("is a list of messages, which a query cannot carry; send it in the body".into())
        }
        (Shape::One(kind) | Shape::Many(kind), _) => record(plan, field.number, kind, value, out),
    })?;
    Ok(Given { name, target, bytes, key: written_key })
}

fn is_structured(plan: &Plan, kind: Kind) -> bool {
    kind.message().is_some_and(|id| plan.message(id).form == Form::Object)
}

/// Appends a value with its tag.
///
/// # Errors
/// What the value must be.
pub fn record(
    plan: &Plan,
    number: u32,
    kind: Kind,
    text: &str,
    out: &mut Vec<u8>,
) -> std::result::Result<(), Cow<'static, str>> {
    encode::tag(out, number, WireType::of(kind));
    let Some(id) = kind.message() else {
        let enumerated = if let Kind::Enum(id) = kind { Some(plan.enumeration(id)) } else { None };
        return scalar::plain(kind, enumerated, text, out).map_err(|problem| not(&problem, text));
    };
    let start = encode::open(out);
    well_known(plan, id, text, out)?;
    encode::close(out, start);
    Ok(())
}

/// Appends a message that ProtoJSON writes as one text or number.
fn well_known(
    plan: &Plan,
    id: MessageId,
    text: &str,
    out: &mut Vec<u8>,
) -> std::result::Result<(), Cow<'static, str>> {
    let message = plan.message(id);
    match (message.form, message.fields.first().map(|field| field.shape)) {
        (Form::Timestamp, _) => {
            let (seconds, nanos) = time::timestamp(text)
                .ok_or_else(|| not("must be a time such as `2026-01-02T03:04:05Z`", text))?;
            time::write(seconds, nanos, out);
            Ok(())
        }
        (Form::Duration, _) => {
            let (seconds, nanos) = time::duration(text)
                .ok_or_else(|| not("must be a duration in seconds such as `1.5s`", text))?;
            time::write(seconds, nanos, out);
            Ok(())
        }
        (Form::FieldMask, _) => mask::read(text, mask::lenient, out)
            .ok_or_else(|| not("must be names of fields, joined by commas", text)),
        (Form::Bare, Some(Shape::One(kind))) => record(plan, 1, kind, text, out),
        (Form::Object | Form::Empty, _) => {
            Err("is a message: name one of its fields, as in `parent.field`".into())
        }
        _ => Err("cannot stand in path or query; send it in the body".into()),
    }
}

fn not(problem: &str, text: &str) -> Cow<'static, str> {
    format!("{problem}, not `{text}`").into()
}
