//! The fields that an encoded body sets, as a PATCH without a mask means them (AIP-134).

use std::collections::BTreeSet;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::schema::FieldPath;

use super::pick;
use super::wire::{Malformed, Wire};

/// Proto paths of the leaves that are set in this field of an encoded request, in the order of their names.
pub fn set_paths(
    resource: &MessageDescriptor,
    field: &FieldDescriptor,
    request: &[u8],
) -> Result<Vec<String>, Malformed> {
    let bytes = pick::message(&FieldPath::from(field.clone()), request)?;
    let mut paths = BTreeSet::new();
    collect(resource, &bytes, "", &mut paths)?;
    Ok(paths.into_iter().collect())
}

fn collect(
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
                collect(&inner, value.message(tag)?, &format!("{path}."), paths)?;
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
