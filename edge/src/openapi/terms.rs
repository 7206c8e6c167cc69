//! What the document depends on: the schema, and the settings that callers notice.

use prost_reflect::{FieldDescriptor, MessageDescriptor};

use crate::config::RestConfig;
use crate::config::rest::Names;
use crate::schema::{FieldPath, Schema};

/// What the document depends on.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub schema: &'a Schema,
    pub rest: &'a RestConfig,
    /// The edge itself verifies tokens: methods that are not public need one.
    pub verifies: bool,
    /// The cookie that may hold the token, by its name on the wire.
    pub cookie: &'a str,
}

impl Terms<'_> {
    /// What a field is called in JSON and in queries.
    pub fn name(&self, field: &FieldDescriptor) -> String {
        match self.rest.json.names {
            Names::Json => field.json_name().to_owned(),
            Names::Proto => field.name().to_owned(),
        }
    }

    /// The same for a path of fields.
    pub fn path_name(&self, fields: &[FieldDescriptor]) -> String {
        fields.iter().map(|field| self.name(field)).collect::<Vec<_>>().join(".")
    }
}

/// The fields that a path goes through, from this message on.
pub fn fields(message: &MessageDescriptor, path: &FieldPath) -> Vec<FieldDescriptor> {
    let mut fields: Vec<FieldDescriptor> = Vec::new();
    for name in path.to_string().split('.') {
        let parent = fields.last().map_or(Some(message.clone()), |field| field.kind().as_message().cloned());
        fields.extend(parent.and_then(|parent| parent.get_field_by_name(name)));
    }
    fields
}
