//! The fields that an encoded body sets, as a PATCH without a mask means them (AIP-134).

use std::collections::BTreeSet;

use crate::schema::plan::{Field, Form, MessageId, Plan, Shape};

use super::wire::{Malformed, Wire};

/// Proto paths of the leaves that are set in the field `number` of an encoded request, which is a `resource`, in the
/// order of their names.
pub fn set_paths(
    plan: &Plan,
    resource: MessageId,
    number: u32,
    request: &[u8],
) -> Result<Vec<String>, Malformed> {
    let mut paths = BTreeSet::new();
    let mut wire = Wire::new(request);
    while let Some(tag) = wire.tag()? {
        let mut value = wire;
        wire.skip(tag)?;
        if tag.number == number {
            collect(plan, resource, value.message(tag)?, "", &mut paths)?;
        }
    }
    Ok(paths.into_iter().collect())
}

fn collect(
    plan: &Plan,
    id: MessageId,
    bytes: &[u8],
    prefix: &str,
    paths: &mut BTreeSet<String>,
) -> Result<(), Malformed> {
    let message = plan.message(id);
    let mut wire = Wire::new(bytes);
    while let Some(tag) = wire.tag()? {
        let mut value = wire;
        wire.skip(tag)?;
        let Some(slot) = message.slot(tag.number) else { continue };
        let field = &message.fields[slot];
        let path = format!("{prefix}{}", field.proto_name);
        match inner(plan, field) {
            Some(inner) => collect(plan, inner, value.message(tag)?, &format!("{path}."), paths)?,
            None => {
                paths.insert(path);
            }
        }
    }
    Ok(())
}

/// The message whose fields have paths of their own; lists, maps and well-known types are leaves.
fn inner(plan: &Plan, field: &Field) -> Option<MessageId> {
    let Shape::One(kind) = field.shape else { return None };
    kind.message().filter(|id| plan.message(*id).form == Form::Object)
}
