//! Message to JSON (protobuf.dev, "ProtoJSON Format"): the same message always gives the same bytes.
//!
//! Default values are printed, 64-bit integers are strings, enums names, fields in the order of declaration, map keys
//! sorted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, SerializeOptions, Value};
use serde::Serialize;

/// A message that has no JSON form, such as a timestamp out of range or an Any of unknown type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be written as JSON: {0}")]
pub struct Unwritable(String);

type Result<T = (), E = Unwritable> = std::result::Result<T, E>;

pub fn write_json(message: &DynamicMessage) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    write_message(&mut out, message)?;
    Ok(out)
}

/// Writes the value of one field, for `response_body`.
pub fn write_field_json(message: &DynamicMessage, field: &FieldDescriptor) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    write_field(&mut out, field, &message.get_field(field))?;
    Ok(out)
}

fn write_message(out: &mut Vec<u8>, message: &DynamicMessage) -> Result {
    let descriptor = message.descriptor();
    match descriptor.full_name() {
        "google.protobuf.Struct" | "google.protobuf.ListValue" => {
            let field = descriptor.fields().next().ok_or_else(|| unwritable("an empty well-known type"))?;
            return write_field(out, &field, &message.get_field(&field));
        }
        "google.protobuf.Value" => return write_dynamic_value(out, message),
        name if is_wrapper(name) => {
            let field = descriptor.get_field(1).ok_or_else(|| unwritable("an empty well-known type"))?;
            return write_field(out, &field, &message.get_field(&field));
        }
        name if name.starts_with("google.protobuf.") && name != "google.protobuf.Empty" => {
            return write_well_known(out, message);
        }
        _ => {}
    }
    out.push(b'{');
    let mut first = true;
    for field in descriptor.fields() {
        if field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_json_string(out, field.json_name())?;
        out.push(b':');
        write_field(out, &field, &message.get_field(&field))?;
    }
    out.push(b'}');
    Ok(())
}

fn write_field(out: &mut Vec<u8>, field: &FieldDescriptor, value: &Value) -> Result {
    match value {
        Value::List(items) => {
            write_all(out, *b"[]", items, |out, item| write_value(out, &field.kind(), item))
        }
        Value::Map(map) => {
            let Kind::Message(entry) = field.kind() else { return Err(unwritable("a map without entries")) };
            let kind = entry.map_entry_value_field().kind();
            let mut entries: Vec<_> = map.iter().map(|(key, value)| (key_text(key), value)).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            write_all(out, *b"{}", &entries, |out, (key, value)| {
                write_json_string(out, key)?;
                out.push(b':');
                write_value(out, &kind, value)
            })
        }
        _ => write_value(out, &field.kind(), value),
    }
}

fn write_all<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: &[T],
    mut write: impl FnMut(&mut Vec<u8>, &T) -> Result,
) -> Result {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item)?;
    }
    out.push(close);
    Ok(())
}

fn write_value(out: &mut Vec<u8>, kind: &Kind, value: &Value) -> Result {
    match value {
        Value::Bool(value) => write_plain(out, value),
        Value::I32(value) => write_plain(out, value),
        Value::U32(value) => write_plain(out, value),
        Value::I64(value) => write_json_string(out, &value.to_string()),
        Value::U64(value) => write_json_string(out, &value.to_string()),
        Value::F32(value) if value.is_finite() => write_plain(out, value),
        Value::F32(value) => write_json_string(out, infinite(f64::from(*value))),
        Value::F64(value) if value.is_finite() => write_plain(out, value),
        Value::F64(value) => write_json_string(out, infinite(*value)),
        Value::String(value) => write_json_string(out, value),
        Value::Bytes(value) => write_json_string(out, &STANDARD.encode(value)),
        Value::EnumNumber(number) => match kind {
            Kind::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => write_plain(out, &()),
            Kind::Enum(kind) => match kind.get_value(*number) {
                Some(value) => write_json_string(out, value.name()),
                None => write_plain(out, number),
            },
            _ => write_plain(out, number),
        },
        Value::Message(message) => write_message(out, message),
        Value::List(_) | Value::Map(_) => Err(unwritable("a list in a list")),
    }
}

/// google.protobuf.DoubleValue and its like (wrappers.proto): written as what they wrap.
fn is_wrapper(name: &str) -> bool {
    let wrapped = name.strip_prefix("google.protobuf.").and_then(|name| name.strip_suffix("Value"));
    matches!(
        wrapped,
        Some("Double" | "Float" | "Int64" | "UInt64" | "Int32" | "UInt32" | "Bool" | "String" | "Bytes")
    )
}

/// google.protobuf.Value: whichever kind is set.
fn write_dynamic_value(out: &mut Vec<u8>, message: &DynamicMessage) -> Result {
    match message.fields().next() {
        Some((_, Value::F64(number))) if !number.is_finite() => {
            Err(unwritable("a Value that is no finite number"))
        }
        // ProtoJSON numbers have no `.0`.
        Some((_, Value::F64(number))) if number.fract() == 0.0 && number.abs() < 1e15 => {
            write_plain(out, &(*number as i64))
        }
        Some((field, value)) => write_value(out, &field.kind(), value),
        None => write_plain(out, &()),
    }
}

fn write_well_known(out: &mut Vec<u8>, message: &DynamicMessage) -> Result {
    let options = SerializeOptions::new().skip_default_fields(false);
    // By way of a `Value`, whose keys are sorted: an Any may hold maps.
    let value = message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| Unwritable(error.to_string()))?;
    write_plain(out, &value)
}

fn write_json_string(out: &mut Vec<u8>, text: &str) -> Result {
    write_plain(out, text)
}

fn write_plain(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result {
    serde_json::to_writer(out, value).map_err(|error| Unwritable(error.to_string()))
}

/// A map key as ProtoJSON writes it.
pub fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn infinite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn unwritable(what: &str) -> Unwritable {
    Unwritable(what.to_owned())
}
