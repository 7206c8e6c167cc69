//! The FieldMask of a PATCH whose caller gave none: the fields present in its body (AIP-134).

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

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

fn collect(message: &MessageDescriptor, json: &serde_json::Value, prefix: &str, paths: &mut Vec<String>) {
    let Some(object) = json.as_object() else { return };
    for (key, value) in object {
        let Some(field) = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key))
        else {
            continue;
        };
        let path = format!("{prefix}{}", field.name());
        match field.kind() {
            Kind::Message(inner)
                if value.is_object()
                    && !field.is_list()
                    && !field.is_map()
                    && !inner.full_name().starts_with("google.protobuf.") =>
            {
                collect(&inner, value, &format!("{path}."), paths);
            }
            _ => paths.push(path),
        }
    }
}
