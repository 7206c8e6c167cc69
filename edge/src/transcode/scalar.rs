//! Reads the text of path variables and query parameters as field values.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};

/// Reads `text` as a value of this kind, in the spelling of ProtoJSON without its quotes.
pub fn parse(kind: &Kind, text: &str) -> Result<Value, String> {
    let number = |what: &str| format!("`{text}` is not {what}");
    match kind {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| number("`true` or `false`")),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            text.parse().map(Value::I32).map_err(|_| number("a 32-bit integer"))
        }
        Kind::Uint32 | Kind::Fixed32 => {
            text.parse().map(Value::U32).map_err(|_| number("an unsigned 32-bit integer"))
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            text.parse().map(Value::I64).map_err(|_| number("a 64-bit integer"))
        }
        Kind::Uint64 | Kind::Fixed64 => {
            text.parse().map(Value::U64).map_err(|_| number("an unsigned 64-bit integer"))
        }
        Kind::Float => text.parse().map(Value::F32).map_err(|_| number("a number")),
        Kind::Double => text.parse().map(Value::F64).map_err(|_| number("a number")),
        Kind::Bytes => base64(text).map(Value::Bytes).ok_or_else(|| number("base64")),
        Kind::Enum(kind) => {
            let by_name = kind.get_value_by_name(text).map(|value| value.number());
            let number = by_name.or_else(|| text.parse().ok());
            number.map(Value::EnumNumber).ok_or_else(|| {
                let names: Vec<_> = kind.values().map(|value| value.name().to_owned()).collect();
                format!("`{text}` is not one of {}", names.join(", "))
            })
        }
        Kind::Message(message) => well_known(message, text),
    }
}

/// Messages that ProtoJSON writes as one string or number.
fn well_known(message: &MessageDescriptor, text: &str) -> Result<Value, String> {
    let json = match message.full_name() {
        "google.protobuf.Timestamp" | "google.protobuf.Duration" => text.to_owned(),
        "google.protobuf.FieldMask" => text.split(',').map(camel_case).collect::<Vec<_>>().join(","),
        name if name.starts_with("google.protobuf.") && name.ends_with("Value") => {
            let Some(field) = message.get_field_by_name("value") else {
                return Err("cannot stand in path or query; send it in the body".into());
            };
            let mut wrapper = DynamicMessage::new(message.clone());
            wrapper.set_field(&field, parse(&field.kind(), text)?);
            return Ok(Value::Message(wrapper));
        }
        _ => return Err("is a message: name one of its fields, as in `parent.field`".into()),
    };
    DynamicMessage::deserialize(message.clone(), serde_json::Value::String(json))
        .map(Value::Message)
        .map_err(|error| error.to_string())
}

/// Masks are often written in proto names; ProtoJSON wants them in lowerCamelCase.
fn camel_case(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut upper = false;
    for c in path.chars() {
        match c {
            '_' => upper = true,
            _ if upper => {
                camel.push(c.to_ascii_uppercase());
                upper = false;
            }
            _ => camel.push(c),
        }
    }
    camel
}

fn base64(text: &str) -> Option<bytes::Bytes> {
    let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    STANDARD.decode(&padded).or_else(|_| URL_SAFE.decode(&padded)).ok().map(Into::into)
}
