//! The FieldMask of a PATCH whose caller gave none: the fields present in its body (AIP-134).

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::schema::FieldPath;

use super::pick;
use super::wire::{Malformed, Wire};

/// The request's single FieldMask field, when it has one.
pub fn mask_field(request: &MessageDescriptor) -> Option<FieldDescriptor> {
    request.get_field_by_name("update_mask").filter(|field| match field.kind() {
        Kind::Message(message) => message.full_name() == "google.protobuf.FieldMask" && !field.is_list(),
        _ => false,
    })
}

/// A FieldMask value with these paths.
pub fn mask(field: &FieldDescriptor, paths: Vec<String>) -> Option<Value> {
    let Kind::Message(descriptor) = field.kind() else { return None };
    let mut mask = DynamicMessage::new(descriptor);
    mask.set_field_by_name("paths", Value::List(paths.into_iter().map(Value::String).collect()));
    Some(Value::Message(mask))
}

/// Proto paths of the leaves of a JSON body; lists, maps and well-known types are leaves.
pub fn paths_in(message: &MessageDescriptor, json: &serde_json::Value) -> Vec<String> {
    let mut paths = Vec::new();
    collect(message, json, "", &mut paths);
    paths
}

/// Proto paths of the leaves that are set in this field of an encoded request, in the order of their names.
pub fn paths_in_wire(
    resource: &MessageDescriptor,
    field: &FieldDescriptor,
    request: &[u8],
) -> Result<Vec<String>, Malformed> {
    let bytes = pick::message(&FieldPath::from(field.clone()), request)?;
    let mut paths = BTreeSet::new();
    collect_wire(resource, &bytes, "", &mut paths)?;
    Ok(paths.into_iter().collect())
}

fn collect_wire(
    message: &MessageDescriptor,
    bytes: &[u8],
    prefix: &str,
    paths: &mut BTreeSet<String>,
) -> Result<(), Malformed> {
    let mut wire = Wire::new(bytes);
    while let Some(tag) = wire.tag()? {
        let mut value = wire;
        wire.skip(tag)?;
        let Some(field) = message.get_field(tag.number) else { continue };
        let path = format!("{prefix}{}", field.name());
        match field.kind() {
            Kind::Message(inner) if has_paths(&field, &inner) => {
                collect_wire(&inner, value.message(tag)?, &format!("{path}."), paths)?;
            }
            _ => {
                paths.insert(path);
            }
        }
    }
    Ok(())
}

/// Lists, maps and well-known types are leaves.
fn has_paths(field: &FieldDescriptor, message: &MessageDescriptor) -> bool {
    !field.is_list() && !field.is_map() && !message.full_name().starts_with("google.protobuf.")
}

fn collect(message: &MessageDescriptor, json: &serde_json::Value, prefix: &str, paths: &mut Vec<String>) {
    let Some(object) = json.as_object() else { return };
    for (key, value) in object {
        let Some(field) = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key))
        else {
            continue;
        };
        let path = format!("{prefix}{}", field.name());
        match field.kind() {
            Kind::Message(inner) if value.is_object() && has_paths(&field, &inner) => {
                collect(&inner, value, &format!("{path}."), paths);
            }
            _ => paths.push(path),
        }
    }
}
