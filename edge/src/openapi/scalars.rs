//! Schemas of values that need no component: scalars, and the well-known types (protobuf.dev, "ProtoJSON Format").

use prost_reflect::{Kind, MessageDescriptor};

use crate::config::rest::{Int64, JsonConfig};

use super::json::{Json, Object, object};

/// JavaScript numbers cannot hold 64 bits, so that they travel as text.
const INTEGER_64: &str = "^-?[0-9]{1,19}$";
const UNSIGNED_64: &str = "^[0-9]{1,20}$";
const DURATION: &str = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$";

/// The schema of a scalar; none for enums and messages.
pub fn scalar(kind: &Kind, json: JsonConfig) -> Option<Object> {
    Some(match kind {
        Kind::Bool => object! { "type": "boolean" },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => object! {
            "type": "integer", "format": "int32", "minimum": i64::from(i32::MIN), "maximum": i64::from(i32::MAX),
        },
        Kind::Uint32 | Kind::Fixed32 => object! {
            "type": "integer", "format": "uint32", "minimum": 0, "maximum": i64::from(u32::MAX),
        },
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => match json.int64 {
            Int64::String => object! { "type": "string", "format": "int64", "pattern": INTEGER_64 },
            Int64::Number => object! { "type": "integer", "format": "int64" },
        },
        Kind::Uint64 | Kind::Fixed64 => match json.int64 {
            Int64::String => object! { "type": "string", "format": "uint64", "pattern": UNSIGNED_64 },
            Int64::Number => object! { "type": "integer", "format": "uint64", "minimum": 0 },
        },
        Kind::Float => number("float"),
        Kind::Double => number("double"),
        Kind::String => object! { "type": "string" },
        Kind::Bytes => object! { "type": "string", "format": "byte", "contentEncoding": "base64" },
        Kind::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => object! { "type": "null" },
        Kind::Enum(_) | Kind::Message(_) => return None,
    })
}

/// What JSON has no number for is written as a string.
fn number(format: &str) -> Object {
    object! {
        "anyOf": [
            object! { "type": "number", "format": format },
            object! { "type": "string", "enum": ["NaN", "Infinity", "-Infinity"] },
        ],
    }
}

/// The schema of a message that ProtoJSON does not write as an object of its fields; none for others.
pub fn well_known(message: &MessageDescriptor, json: JsonConfig) -> Option<Object> {
    let name = message.full_name().strip_prefix("google.protobuf.")?;
    Some(match name {
        "Timestamp" => object! { "type": "string", "format": "date-time" },
        "Duration" => object! { "type": "string", "format": "google-duration", "pattern": DURATION },
        "FieldMask" => object! { "type": "string", "format": "google-fieldmask" },
        "Struct" => object! { "type": "object", "additionalProperties": true },
        "ListValue" => object! { "type": "array", "items": object! {} },
        "Value" => object! {},
        "Empty" => object! { "type": "object" },
        "Any" => object! {
            "type": "object",
            "properties": object! { "@type": object! { "type": "string", "description": "Names the type of the message." } },
            "additionalProperties": true,
        },
        _ if name.ends_with("Value") => nullable(scalar(&message.get_field_by_name("value")?.kind(), json)?),
        _ => return None,
    })
}

fn nullable(mut schema: Object) -> Object {
    let null = Json::from(object! { "type": "null" });
    match (schema.get("type").cloned(), schema.get("anyOf").cloned()) {
        (Some(kind), _) => schema.set("type", [kind, "null".into()]),
        (None, Some(Json::List(kinds))) => schema.set("anyOf", [kinds, vec![null]].concat()),
        (None, _) => {}
    }
    schema
}

/// The schema of a message that can stand in a path or query: one that ProtoJSON writes as a single text or number.
pub fn in_text(message: &MessageDescriptor, json: JsonConfig) -> Option<Object> {
    let name = message.full_name().strip_prefix("google.protobuf.")?;
    match name {
        "Timestamp" | "Duration" | "FieldMask" => well_known(message, json),
        "Value" | "ListValue" => None,
        _ if name.ends_with("Value") => scalar(&message.get_field_by_name("value")?.kind(), json),
        _ => None,
    }
}
