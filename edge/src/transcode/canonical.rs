//! The canonical bytes of a request: equal for equal requests, on every edge.

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, ReflectMessage, Value};

/// Encodes the set fields by number, map entries sorted; messages inside likewise.
pub fn canonical(message: &DynamicMessage) -> Vec<u8> {
    let mut fields: Vec<_> = message.fields().collect();
    fields.sort_by_key(|(field, _)| field.number());
    let mut out = Vec::new();
    for (field, value) in fields {
        out.extend(field.number().to_be_bytes());
        let mut bytes = Vec::new();
        match value {
            Value::Map(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| key_text(key));
                for (key, value) in entries {
                    push(&mut bytes, key_text(key).as_bytes());
                    push(&mut bytes, &value_bytes(message, &field, value));
                }
            }
            Value::List(items) => {
                items.iter().for_each(|item| push(&mut bytes, &value_bytes(message, &field, item)));
            }
            value => bytes = value_bytes(message, &field, value),
        }
        push(&mut out, &bytes);
    }
    out
}

fn value_bytes(message: &DynamicMessage, field: &FieldDescriptor, value: &Value) -> Vec<u8> {
    match value {
        Value::Message(inner) => canonical(inner),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::String(text) => text.clone().into_bytes(),
        scalar if field.is_map() => format!("{scalar:?}").into_bytes(),
        scalar => {
            let mut alone = DynamicMessage::new(message.descriptor());
            let value = if field.is_list() { Value::List(vec![scalar.clone()]) } else { scalar.clone() };
            alone.set_field(field, value);
            alone.encode_to_vec()
        }
    }
}

/// Length first, so that no value can imitate what follows it.
fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend(bytes);
}

/// A map key as ProtoJSON writes it.
fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}
