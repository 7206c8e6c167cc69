//! Bodies of requests and of unary answers.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::config::rest::Envelope;
use crate::schema::Binding;
use crate::schema::method::Body;

use super::errors::header;
use super::json::{Object, object};
use super::parameters::variables;
use super::schemas::Schemas;

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";
const LINES: &str = "application/x-ndjson";

/// The body of a request; none for bindings that take none.
pub fn request(schemas: &mut Schemas<'_>, binding: &Binding) -> Option<Object> {
    let input = binding.method.descriptor.input();
    let kind = match &binding.body {
        Body::None => return None,
        Body::All => Kind::Message(input),
        Body::Field(field) => field.kind(),
    };
    if let Kind::Message(message) = &kind
        && is_raw(message)
    {
        return Some(
            object! { "description": "Any bytes; `Content-Type` tells their type.", "content": raw() },
        );
    }
    let schema = match &binding.body {
        Body::Field(field) if field.is_list() || field.is_map() => schemas.value_of(field),
        _ => json(schemas, binding, &kind),
    };
    if binding.method.descriptor.is_client_streaming() {
        return Some(streamed(schema));
    }
    let cookies = binding.method.auth.from_cookie.iter();
    let cookies: Vec<_> =
        cookies.map(|(name, path)| format!("`{path}` may come as the cookie `{name}`.")).collect();
    Some(object! {
        "description": (!cookies.is_empty()).then(|| cookies.join(" ")),
        "content": Object::default()
            .with(JSON, object! { "schema": schema })
            .with(PROTOBUF, protobuf(binding, &kind)),
    })
}

/// The answer of a unary method.
pub fn response(schemas: &mut Schemas<'_>, binding: &Binding) -> Object {
    let output = binding.method.descriptor.output();
    let kind = binding.response_body.as_ref().map_or(Kind::Message(output.clone()), FieldDescriptor::kind);
    let content = match &kind {
        Kind::Message(message) if is_raw(message) => raw(),
        _ => {
            let schema = match &binding.response_body {
                Some(field) => schemas.value_of(field),
                None => schemas.message(&output),
            };
            let whole = binding.response_body.is_none().then(|| binary(&output));
            Object::default()
                .with(JSON, object! { "schema": enveloped(schemas, schema) })
                .with(PROTOBUF, whole)
        }
    };
    let cookies: Vec<_> =
        binding.method.auth.set_cookie.iter().map(|(name, _)| format!("`{name}`")).collect();
    let cookies =
        (!cookies.is_empty()).then(|| header(&format!("Sets {}.", cookies.join(" and ")), "string"));
    let etag = (binding.http_method == "GET").then(|| header("Names this state of the answer.", "string"));
    object! {
        "description": "The call succeeded.",
        "headers": object! { "ETag": etag, "Set-Cookie": cookies }.filled(),
        "content": content,
    }
}

/// Whether a message stands for bytes that are not translated.
fn is_raw(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.api.HttpBody"
}

fn raw() -> Object {
    object! { "*/*": object! {} }
}

/// The body without what the path sets already.
fn json(schemas: &mut Schemas<'_>, binding: &Binding, kind: &Kind) -> Object {
    let Kind::Message(message) = kind else { return schemas.one(kind) };
    let paths = variables(binding);
    let inner = |path: &Vec<FieldDescriptor>| match (&binding.body, path.as_slice()) {
        (Body::All, [field]) => Some(field.clone()),
        (Body::Field(body), [top, field]) if top == body => Some(field.clone()),
        _ => None,
    };
    let bound: Vec<_> = paths.iter().filter_map(inner).collect();
    if bound.is_empty() { schemas.message(message) } else { schemas.content(message, &bound) }
}

fn protobuf(binding: &Binding, kind: &Kind) -> Option<Object> {
    let is_single = !matches!(&binding.body, Body::Field(field) if field.is_list());
    kind.as_message().filter(|_| is_single).map(binary)
}

fn binary(message: &MessageDescriptor) -> Object {
    let description = format!("An encoded `{}`.", message.full_name());
    object! {
        "schema": object! { "type": "string", "contentMediaType": PROTOBUF, "description": description },
    }
}

/// One request, an array of them, or one a line.
fn streamed(item: Object) -> Object {
    let many = object! { "type": "array", "items": item.clone() };
    let lines = object! { "type": "string", "description": "A JSON value a line." };
    object! {
        "content": Object::default()
            .with(JSON, object! { "schema": object! { "anyOf": [item.clone(), many] } })
            .with(LINES, object! { "schema": lines, "x-itemSchema": item }),
    }
}

fn enveloped(schemas: &Schemas<'_>, data: Object) -> Object {
    match schemas.terms.rest.envelope {
        Envelope::None => data,
        Envelope::CodeData => object! {
            "type": "object",
            "required": ["code", "data"],
            "properties": object! { "code": object! { "const": 0 }, "data": data },
        },
    }
}
