//! Puts path, query and body together into one request message.
//!
//! Encoded messages merge where they are joined (protobuf.dev, "Last One Wins"): the request is the bytes of the query,
//! then of the body, then of the path.

use std::collections::HashSet;

use http::Method as HttpMethod;

use crate::error::{Code, Error, Result};
use crate::schema::method::Body;
use crate::schema::plan::{Field, Kind, Shape};
use crate::schema::{Binding, FieldPath, Method};

use super::mask;
use super::payload::Payload;
use super::query::{self, Parameter};
use super::read::{ReadOptions, read_field_json, read_json};
use super::set_paths::set_paths;
use super::target::Target;
use super::wire::Malformed;

/// The parts of an HTTP request that make up a message.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Values of the template's variables, in its order.
    pub variables: &'a [String],
    pub query: &'a [Parameter],
    pub body: &'a Payload,
}

/// A variable of the path with the request that has this field alone.
struct Bound<'a> {
    target: Target<'a>,
    /// As the template names it.
    name: &'a FieldPath,
    bytes: Vec<u8>,
}

/// Builds the encoded request: path over body over query, and no field from two places with different values.
pub fn request(
    binding: &Binding,
    http_method: &HttpMethod,
    parts: &Parts<'_>,
    options: ReadOptions,
) -> Result<Vec<u8>> {
    let body = read_body(binding, parts, options)?;
    let mut request = join(binding, parts, options, &body)?;
    if *http_method == HttpMethod::PATCH {
        fill_mask(binding, parts, &mut request)?;
    }
    Ok(request)
}

/// Reads one JSON document as a whole request of this method.
pub fn read_input(method: &Method, options: ReadOptions, json: &[u8]) -> Result<Vec<u8>> {
    let mut message = Vec::new();
    read_json(&method.plan, method.input, options, json, &mut message)?;
    Ok(message)
}

/// Joins the encoded body with what path and query say.
///
/// # Errors
/// INVALID_ARGUMENT naming the field that two of them set, or that cannot be read.
pub fn join(binding: &Binding, parts: &Parts<'_>, options: ReadOptions, body: &[u8]) -> Result<Vec<u8>> {
    let Method { plan, input, .. } = &*binding.method;
    let bound = variables(binding, parts)?;
    for variable in &bound {
        variable.check_body(body)?;
    }
    let mut others = body.to_vec();
    bound.iter().for_each(|variable| others.extend_from_slice(&variable.bytes));
    if parts.query.is_empty() {
        return Ok(others);
    }
    let mut request = Vec::with_capacity(others.len());
    let mut looked_for = HashSet::new();
    for given in query::read(plan, *input, options, parts.query)? {
        let refuse = |problem: &str| Err(Error::field(given.name, problem));
        for variable in &bound {
            if variable.differs_in(&given.bytes)? {
                return refuse("is already set by the path, to another value");
            }
        }
        if bound.iter().any(|variable| given.target.is_within(&variable.target)) {
            continue;
        }
        match &binding.body {
            Body::All => return refuse("belongs in the body: this route takes no query parameters"),
            Body::Field(field) if given.target.is_below(field.number()) => {
                return refuse("belongs in the body");
            }
            _ => {}
        }
        // Once for each name: the body may be long, and repeated fields come often.
        if looked_for.insert(given.name)
            && let Some(rival) = given.target.rival_in(&others).map_err(unreadable)?
        {
            return refuse(&format!("excludes `{}`, which is given too", rival.proto_name));
        }
        request.extend_from_slice(&given.bytes);
    }
    request.extend_from_slice(&others);
    Ok(request)
}

fn read_body(binding: &Binding, parts: &Parts<'_>, options: ReadOptions) -> Result<Vec<u8>> {
    let json = match parts.body {
        Payload::Encoded(encoded) => return Ok(encoded.to_vec()),
        Payload::Json(json) => json,
    };
    let method = &binding.method;
    let mut message = Vec::new();
    match &binding.body {
        Body::None if is_blank(json) => {}
        Body::None => {
            let message = "This route takes no body: send the fields in the path or the query.";
            return Err(Error::new(Code::InvalidArgument, "BODY_UNEXPECTED", message));
        }
        Body::All | Body::Field(_) if json.is_empty() => {}
        Body::All => read_json(&method.plan, method.input, options, json, &mut message)?,
        Body::Field(_) => {
            let field = body_field(binding).ok_or_else(|| Error::internal("a body of no field"))?;
            read_field_json(&method.plan, field, options, json, &mut message)?;
        }
    }
    Ok(message)
}

/// The field that the body fills.
fn body_field(binding: &Binding) -> Option<&Field> {
    let Body::Field(field) = &binding.body else { return None };
    let message = binding.method.plan.message(binding.method.input);
    message.slot(field.number()).map(|slot| &message.fields[slot])
}

/// Nothing, or the empty object that some clients send with everything.
fn is_blank(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let inside = body.strip_prefix(b"{").and_then(|body| body.strip_suffix(b"}"));
    body.is_empty() || inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

fn variables<'a>(binding: &'a Binding, parts: &Parts<'_>) -> Result<Vec<Bound<'a>>> {
    let Method { plan, input, .. } = &*binding.method;
    let bound = binding.variables.iter().zip(parts.variables).map(|(name, text)| {
        let target =
            Target::of(plan, *input, name).ok_or_else(|| Error::internal(format!("{name} is no field")))?;
        let Shape::One(kind) = target.field().shape else {
            return Err(Error::internal(format!("{name} is no single field")));
        };
        let mut bytes = Vec::new();
        target
            .wrap(&mut bytes, |out| query::record(plan, target.field().number, kind, text, out))
            .map_err(|problem| Error::field(name.to_string(), format!("in the path: {problem}")))?;
        Ok(Bound { target, name, bytes })
    });
    bound.collect()
}

impl Bound<'_> {
    /// Whether other bytes of the request set it to another value.
    fn differs_in(&self, bytes: &[u8]) -> Result<bool> {
        let other = self.target.value_in(bytes).map_err(unreadable)?;
        Ok(other.is_some() && other != self.target.value_in(&self.bytes).map_err(unreadable)?)
    }

    fn check_body(&self, body: &[u8]) -> Result<()> {
        let name = self.name;
        if self.differs_in(body)? {
            let problem = "is already set by the path; leave it out of the body or give the same value";
            return Err(Error::field(name.to_string(), problem));
        }
        match self.target.rival_in(body).map_err(unreadable)? {
            Some(rival) => Err(Error::field(
                &*rival.proto_name,
                format!("excludes `{name}`, which the path sets; leave it out of the body"),
            )),
            None => Ok(()),
        }
    }
}

/// Says which fields a body without a mask changes: those that it names, but for those of the path.
fn fill_mask(binding: &Binding, parts: &Parts<'_>, request: &mut Vec<u8>) -> Result<()> {
    let Method { plan, input, .. } = &*binding.method;
    let (Some(body), Some(mask)) = (body_field(binding), mask::mask_field(plan, *input)) else {
        return Ok(());
    };
    let Shape::One(Kind::Message(resource)) = body.shape else { return Ok(()) };
    let is_given = Target::top(plan, *input, mask.number)
        .is_some_and(|target| target.value_in(request).is_ok_and(|value| value.is_some()));
    if is_given {
        return Ok(());
    }
    let mut paths = match parts.body {
        Payload::Json(json) => mask::paths_in(plan, resource, json),
        Payload::Encoded(encoded) => set_paths(plan, resource, body.number, encoded).unwrap_or_default(),
    };
    let bound: Vec<_> = binding.variables.iter().map(ToString::to_string).collect();
    paths.retain(|path| !bound.contains(&format!("{}.{path}", body.proto_name)));
    mask::write(mask, &paths, request);
    Ok(())
}

fn unreadable(Malformed(problem): Malformed) -> Error {
    Error::new(
        Code::InvalidArgument,
        "BODY_INVALID",
        format!("The body is no message of this type: it {problem}."),
    )
}
