//! Puts path, query and body together into one request message.

use http::Method;
use prost_reflect::{DynamicMessage, Kind, Value};

use crate::error::{Error, Result};
use crate::schema::method::Body;
use crate::schema::{Binding, FieldPath};

use super::payload::Payload;
use super::query::{self, Parameter};
use super::read_json::{self, read_json};
use super::set_paths::set_paths;
use super::{mask, scalar};

/// The parts of an HTTP request that make up a message.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Values of the template's variables, in its order.
    pub variables: &'a [String],
    pub query: &'a [Parameter],
    pub body: Payload,
}

/// Builds the request message: path over body over query, and no field from two places with different values.
pub fn request(binding: &Binding, method: &Method, parts: &Parts<'_>) -> Result<DynamicMessage> {
    let input = binding.method.descriptor.input();
    let mut message = match &parts.body {
        Payload::Encoded(encoded) => DynamicMessage::decode(input.clone(), encoded.clone())
            .map_err(|error| Error::field("", error.to_string()).reason("PROTOBUF_INVALID"))?,
        Payload::Json(json) => read_body(binding, json)?,
    };

    let mut bound = Vec::with_capacity(binding.variables.len());
    for (path, text) in binding.variables.iter().zip(parts.variables) {
        let value = scalar::parse(&path.field().kind(), text)
            .map_err(|problem| Error::field(path.to_string(), format!("in the path: {problem}")))?;
        bind(&mut message, path, value.clone(), "body")?;
        bound.push((path, value));
    }

    let mut from_query = DynamicMessage::new(input.clone());
    let mut seen = Vec::with_capacity(parts.query.len());
    for parameter in parts.query {
        let path = query::apply(&mut from_query, parameter, &seen)?;
        let name = &parameter.name;
        seen.push(path.clone());
        if let Some((_, value)) = bound.iter().find(|(bound, _)| path.is_within(bound)) {
            if *path.get(&from_query) != *value {
                return Err(Error::field(name.clone(), "is already set by the path, to another value"));
            }
            path.clear(&mut from_query);
        } else if binding.body == Body::All {
            return Err(Error::field(
                name.clone(),
                "belongs in the body: this route takes no query parameters",
            ));
        } else if matches!(&binding.body, Body::Field(field) if path.is_within(&top(field))) {
            return Err(Error::field(name.clone(), "belongs in the body"));
        } else if let Some(rival) = path.rival(&message) {
            return Err(Error::field(
                name.clone(),
                format!("excludes `{}`, which is given too", rival.name()),
            ));
        }
    }
    merge(&mut message, &from_query);

    if *method == Method::PATCH
        && let Body::Field(field) = &binding.body
        && let Kind::Message(resource) = field.kind()
        && let Some(mask_field) = mask::mask_field(&input)
        && !message.has_field(&mask_field)
    {
        let mut paths = match &parts.body {
            // The body was read above, so it is valid JSON; an empty one has no paths.
            Payload::Json(json) => {
                mask::paths_in(&resource, &serde_json::from_slice(json).unwrap_or_default())
            }
            Payload::Encoded(encoded) => set_paths(&resource, field, encoded).unwrap_or_default(),
        };
        let bound_names: Vec<_> = binding.variables.iter().map(ToString::to_string).collect();
        paths.retain(|path| !bound_names.contains(&format!("{}.{path}", field.name())));
        if let Some(value) = mask::mask(&mask_field, paths) {
            message.set_field(&mask_field, value);
        }
    }
    Ok(message)
}

fn read_body(binding: &Binding, json: &[u8]) -> Result<DynamicMessage> {
    let input = binding.method.descriptor.input();
    match &binding.body {
        _ if json.is_empty() => Ok(DynamicMessage::new(input)),
        Body::None => Ok(DynamicMessage::new(input)),
        Body::All => read_json(&input, json),
        Body::Field(field) => {
            // One document, or what follows it would fill other fields of the request.
            read_json::check_document(json)?;
            // Read as a part of the whole, so that errors name the field from the request's root.
            let whole = [format!("{{\"{}\":", field.json_name()).as_bytes(), json, b"}"].concat();
            read_json(&input, &whole)
        }
    }
}

/// Reads one JSON document as a whole request of this method.
pub fn read_input(method: &crate::schema::Method, json: &[u8]) -> Result<Vec<u8>> {
    Ok(prost::Message::encode_to_vec(&read_json(&method.descriptor.input(), json)?))
}

/// Sets a path-bound field; a different value from elsewhere is an error, never overridden.
fn bind(message: &mut DynamicMessage, path: &FieldPath, value: Value, elsewhere: &str) -> Result<()> {
    if path.is_set(message) && *path.get(message) != value {
        let problem =
            format!("is already set by the path; leave it out of the {elsewhere} or give the same value");
        return Err(Error::field(path.to_string(), problem));
    }
    if let Some(rival) = path.rival(message) {
        return Err(Error::field(
            rival.name(),
            format!("excludes `{path}`, which the path sets; leave it out of the {elsewhere}"),
        ));
    }
    path.set(message, value);
    Ok(())
}

fn top(field: &prost_reflect::FieldDescriptor) -> FieldPath {
    FieldPath::from(field.clone())
}

/// Copies what is set in `from`, going into messages that both have.
fn merge(into: &mut DynamicMessage, from: &DynamicMessage) {
    for (field, value) in from.fields() {
        match value {
            Value::Message(inner) if into.has_field(&field) => {
                if let Some(target) = into.get_field_mut(&field).as_message_mut() {
                    merge(target, inner);
                }
            }
            _ => into.set_field(&field, value.clone()),
        }
    }
}
