//! How the streaming faces are asked for, and what they answer.

use prost_reflect::{FieldDescriptor, Kind};

use crate::config::rest::Compat;
use crate::schema::Method;
use crate::schema::method::{EventName, Snapshot, Stream};

use super::errors::{in_stream, response};
use super::json::{Json, Object, object};
use super::schemas::Schemas;
use super::terms::fields;

const SSE: &str = "Server-sent events. First `lm-open` says of each stream whether it is `FRESH`, `RESUMED` or has a `GAP`, \
    then come blocks with `id:` (the cursor), `event:` and `data:` (the JSON), and comments or blocks with an `id:` alone \
    in between. `lm-skipped` stands for an event that cannot be shown. The last is `lm-end` (it ended well), `lm-error` \
    (a problem) or `lm-close` (connect again).";
const LINES: &str = "A JSON value a line. Lines with a key that begins with `@` are the edge's: `@open` (what became of the \
    cursor), `@position` (a cursor without an event), `@skipped`, `@close`; the last is `@end`, or `@error` before the body \
    is broken off. Blank lines are heartbeats.";
const GATEWAY_LINES: &str =
    "A line for each message with `result`, and a last one with `error` when the stream fails.";
const ARRAY: &str = "The events as an array: what comes within the time of `Prefer: wait`, or all of a stream that ends. \
    It is closed only when it is complete.";

/// A field of the request that the parameter `cursor` stands for.
pub fn resumed(method: &Method, rule: &Stream) -> Vec<FieldDescriptor> {
    let resume = rule.durable.as_ref().map(|durable| fields(&method.descriptor.input(), &durable.resume));
    resume.filter(|path| path.len() == 1 && path[0].json_name() == "cursor").unwrap_or_default()
}

/// What the edge itself takes on the way to a stream.
pub fn parameters(method: &Method, rule: &Stream) -> Vec<Object> {
    let input = method.descriptor.input();
    let has_field = |name: &str| input.get_field_by_name(name).is_some();
    let text = |place: &str, name: &str, description: &str, schema: Object| {
        object! { "name": name, "in": place, "description": description, "schema": schema }
    };
    let mut parameters = Vec::new();
    if rule.durable.is_some() {
        let said = "Goes on behind this cursor: the `id:` of an event, or a cursor of the backend. Without: from now on.";
        parameters.push(text("query", "cursor", said, object! { "type": "string" }));
    }
    if !has_field("heartbeat") {
        let said =
            "`event`: heartbeats come as events `lm-heartbeat` that page code can see, not as comments.";
        parameters.push(text("query", "heartbeat", said, object! { "type": "string", "enum": ["event"] }));
    }
    let said = "The last `id:` seen; EventSource sends it when it connects again. It goes before `cursor`.";
    parameters.push(text("header", "Last-Event-ID", said, object! { "type": "string" }));
    let said = "`wait=SECONDS` asks for a long poll, with `Accept: application/json`: what comes within that time, at most 60 s.";
    let wait = object! { "type": "string", "pattern": "^wait=[0-9]{1,2}$", "examples": ["wait=30"] };
    parameters.push(text("header", "Prefer", said, wait));
    parameters
}

/// What stands in for a credential where page code cannot send one.
pub fn ticket(method: &Method) -> Option<Object> {
    let said = "A ticket of `POST /tickets`, for pages that can send no `Authorization`, as with EventSource: good for one \
                connection within 30 s.";
    let is_free = method.descriptor.input().get_field_by_name("ticket").is_none();
    is_free.then(|| {
        object! { "name": "ticket", "in": "query", "description": said, "schema": object! { "type": "string" } }
    })
}

/// The successful answers of a stream.
pub fn responses(schemas: &mut Schemas<'_>, method: &Method, rule: &Stream) -> Object {
    let event = event(schemas, method, rule);
    let is_gateway = schemas.terms.rest.compat == Compat::GrpcGateway;
    let (lines, line) =
        if is_gateway { (GATEWAY_LINES, gateway_line(schemas, &event)) } else { (LINES, event.clone()) };
    let text = |description: &str, item: Object| {
        object! { "schema": object! { "type": "string", "description": description }, "x-itemSchema": item }
    };
    let array =
        object! { "schema": object! { "type": "array", "description": ARRAY, "items": event.clone() } };
    let next = object! {
        "description": "Where the next long poll goes on: `<…>; rel=\"next\"` (RFC 8288).",
        "schema": object! { "type": "string" },
    };
    object! {
        "200": object! {
            "description": "The stream, in the form that `Accept` asks for.",
            "headers": object! { "Link": next.clone() },
            "content": object! {
                "text/event-stream": text(SSE, event),
                "application/x-ndjson": text(lines, line),
                "application/json": array,
            },
        },
        "204": object! {
            "description": "No event came within the time of a long poll, or the stream had ended at this cursor.",
            "headers": object! { "Link": next },
        },
        "406": response("Error"),
    }
}

/// What tells programs that this is a stream, and how it behaves.
pub fn extension(schemas: &Schemas<'_>, method: &Method, rule: &Stream) -> Object {
    let (input, output) = (method.descriptor.input(), method.descriptor.output());
    let seconds = |time: std::time::Duration| format!("{}s", time.as_secs_f64());
    let durable = rule.durable.as_ref();
    object! {
        "tier": rule.tier().name(),
        "finite": rule.finite,
        "events": events(rule),
        "cursor": durable.map(|durable| schemas.terms.path_name(&fields(&output, &durable.cursor))),
        "resume": durable.map(|durable| schemas.terms.path_name(&fields(&input, &durable.resume))),
        "data": rule.data.as_ref().map(|(path, _)| schemas.terms.path_name(&fields(&output, path))),
        "split": rule.split.as_ref().map(|split| schemas.terms.name(&split.many)),
        "snapshot": rule.snapshot.as_ref().map(|snapshot| snapshot_of(schemas, snapshot)),
        "heartbeat": rule.heartbeat.map(seconds),
        "maxAge": rule.max_age.map(seconds),
    }
}

/// The method that gives the state, by its full name, and the field of its answer that is the `cursor` to begin with.
fn snapshot_of(schemas: &Schemas<'_>, Snapshot { method, cursor }: &Snapshot) -> Object {
    object! {
        "method": format!("{}/{}", method.parent_service().full_name(), method.name()),
        "cursor": schemas.terms.path_name(&fields(&method.output(), cursor)),
    }
}

/// The names that events have, as far as they are known beforehand.
fn events(rule: &Stream) -> Option<Vec<String>> {
    match &rule.event {
        EventName::None => None,
        EventName::Field(path) => match path.field().kind() {
            Kind::Enum(kind) => Some(kind.values().map(|value| value.name().to_owned()).collect()),
            _ => None,
        },
        EventName::Oneof(oneof, names) => {
            Some(oneof.fields().filter_map(|field| names.get(&field.number()).cloned()).collect())
        }
    }
}

fn event(schemas: &mut Schemas<'_>, method: &Method, rule: &Stream) -> Object {
    let delivered = rule.data.as_ref().map(|(path, _)| path.field().kind());
    schemas.one(&delivered.unwrap_or_else(|| Kind::Message(method.descriptor.output())))
}

fn gateway_line(schemas: &Schemas<'_>, event: &Object) -> Object {
    let result = object! { "type": "object", "properties": object! { "result": event.clone() } };
    let error = object! { "type": "object", "properties": object! { "error": in_stream(schemas.terms) } };
    object! { "anyOf": Json::List(vec![result.into(), error.into()]) }
}
