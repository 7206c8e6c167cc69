//! Field paths such as `user.id`, resolved against a message type.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// Deepest nesting of fields, as in protobuf itself.
pub const MAX_DEPTH: usize = 100;

/// A path to a field; every field but the last is a single message.
#[derive(Debug, Clone)]
pub struct FieldPath {
    fields: Vec<FieldDescriptor>,
    steps: Vec<Step>,
}

/// A field on the way, as it is found on the wire.
#[derive(Debug, Clone)]
pub struct Step {
    pub number: u32,
    pub is_message: bool,
    /// The numbers of fields that clear this one: the other members of its oneof.
    pub rivals: Vec<u32>,
}

impl Step {
    fn to(field: &FieldDescriptor) -> Self {
        let members =
            field.containing_oneof().into_iter().flat_map(|oneof| oneof.fields().collect::<Vec<_>>());
        Self {
            number: field.number(),
            is_message: matches!(field.kind(), Kind::Message(_)),
            rivals: members.map(|other| other.number()).filter(|number| *number != field.number()).collect(),
        }
    }
}

impl PartialEq for FieldPath {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for FieldPath {}

impl FieldPath {
    /// Accepts proto names and JSON names.
    pub fn resolve(message: &MessageDescriptor, text: &str) -> Result<Self, String> {
        let mut fields: Vec<FieldDescriptor> = Vec::new();
        let mut current = message.clone();
        if text.split('.').count() > MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
        }
        for name in text.split('.') {
            if let Some(parent) = fields.last() {
                current = match parent.kind() {
                    Kind::Message(next) if !parent.is_list() && !parent.is_map() => next,
                    _ => {
                        return Err(format!(
                            "`{}` is not a single message, so it has no field `{name}`",
                            parent.name()
                        ));
                    }
                };
            }
            let field = current.get_field_by_name(name).or_else(|| current.get_field_by_json_name(name));
            fields.push(field.ok_or_else(|| format!("`{}` has no field `{name}`", current.full_name()))?);
        }
        Ok(Self::new(fields))
    }

    fn new(fields: Vec<FieldDescriptor>) -> Self {
        Self { steps: fields.iter().map(Step::to).collect(), fields }
    }

    /// The fields on the way, as they are found on the wire.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub fn field(&self) -> &FieldDescriptor {
        // `split` yields at least one item, so a path is never empty.
        &self.fields[self.fields.len() - 1]
    }
}

impl From<FieldDescriptor> for FieldPath {
    fn from(field: FieldDescriptor) -> Self {
        Self::new(vec![field])
    }
}

impl std::fmt::Display for FieldPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.fields.iter().map(FieldDescriptor::name).collect();
        f.write_str(&names.join("."))
    }
}
