//! Field paths such as `user.id`, resolved against a message type.

use std::borrow::Cow;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// Deepest nesting of fields, as in protobuf itself.
const MAX_DEPTH: usize = 100;

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

    /// Whether this is the same field as `other`, or a part of it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.fields.starts_with(&other.fields)
    }

    /// The value, or the field's default when it is not set.
    pub fn get<'a>(&self, message: &'a DynamicMessage) -> Cow<'a, Value> {
        let mut current = message;
        for field in &self.fields[..self.fields.len() - 1] {
            match (current.has_field(field), current.get_field(field)) {
                (true, Cow::Borrowed(Value::Message(next))) => current = next,
                _ => return Cow::Owned(Value::default_value_for_field(self.field())),
            }
        }
        current.get_field(self.field())
    }

    /// Another member of a oneof on the way that is set, and that setting this field would clear.
    pub fn rival(&self, message: &DynamicMessage) -> Option<FieldDescriptor> {
        let mut current = Cow::Borrowed(message);
        for field in &self.fields {
            let members =
                field.containing_oneof().into_iter().flat_map(|oneof| oneof.fields().collect::<Vec<_>>());
            if let Some(rival) = members.into_iter().find(|other| other != field && current.has_field(other))
            {
                return Some(rival);
            }
            let Value::Message(next) = current.get_field(field).into_owned() else { return None };
            current = Cow::Owned(next);
        }
        None
    }

    pub fn is_set(&self, message: &DynamicMessage) -> bool {
        let mut current = message;
        for field in &self.fields[..self.fields.len() - 1] {
            match (current.has_field(field), current.get_field(field)) {
                (true, Cow::Borrowed(Value::Message(next))) => current = next,
                _ => return false,
            }
        }
        current.has_field(self.field())
    }

    /// The message that holds the last field, created on the way.
    pub fn parent_mut<'a>(&self, message: &'a mut DynamicMessage) -> Option<&'a mut DynamicMessage> {
        let mut current = message;
        for field in &self.fields[..self.fields.len() - 1] {
            current = current.get_field_mut(field).as_message_mut()?;
        }
        Some(current)
    }

    pub fn set(&self, message: &mut DynamicMessage, value: Value) {
        if let Some(parent) = self.parent_mut(message) {
            parent.set_field(self.field(), value);
        }
    }

    pub fn clear(&self, message: &mut DynamicMessage) {
        if self.is_set(message)
            && let Some(parent) = self.parent_mut(message)
        {
            parent.clear_field(self.field());
        }
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
