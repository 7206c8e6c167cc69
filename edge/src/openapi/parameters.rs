//! Parameters of an operation: what its path and its query fill.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::schema::Binding;
use crate::schema::method::Body;

use super::json::{Object, object};
use super::path::Outline;
use super::scalars::{in_text, scalar};
use super::schemas::Schemas;
use super::terms::fields;

/// Queries nest messages as `a.b.c`; deeper than this they are not told.
const MAX_DEPTH: usize = 5;

/// The fields that each variable of the template sets.
pub fn variables(binding: &Binding) -> Vec<Vec<FieldDescriptor>> {
    let input = binding.method.descriptor.input();
    binding.variables.iter().map(|path| fields(&input, path)).collect()
}

/// The parameters of the path; `names` are those of its holes.
pub fn in_path(
    schemas: &mut Schemas<'_>,
    binding: &Binding,
    outline: &Outline,
    names: &[String],
) -> Vec<Object> {
    let variables = variables(binding);
    let mut parameters = Vec::new();
    for (hole, name) in outline.holes.iter().zip(names) {
        let fields = hole.variable.map(|variable| &variables[variable]);
        let field = fields.and_then(|fields| fields.last());
        let mut said = Vec::new();
        if let (Some(variable), Some(fields)) = (hole.variable, fields) {
            let field_name = schemas.terms.path_name(fields);
            if !hole.is_whole {
                said.push(format!("`{field_name}` is `{}`.", outline.composition(variable, names)));
            } else if field_name != *name {
                said.push(format!("The field `{field_name}`."));
            }
        }
        if hole.is_multi {
            said.push("May hold several segments, with `/` between them.".to_owned());
        }
        said.extend(field.and_then(|field| schemas.comment(&field.parent_file(), field.path())));
        let whole = field.filter(|_| hole.is_whole && !hole.is_multi);
        parameters.push(object! {
            "name": name.as_str(),
            "in": "path",
            "required": true,
            "description": (!said.is_empty()).then(|| said.join("\n\n")),
            "schema": segment(schemas, whole),
        });
    }
    parameters
}

/// A segment is never empty.
fn segment(schemas: &mut Schemas<'_>, field: Option<&FieldDescriptor>) -> Object {
    let mut schema =
        field.and_then(|field| text(schemas, &field.kind())).unwrap_or(object! { "type": "string" });
    if schema == (object! { "type": "string" }) {
        schema.set("minLength", 1);
    }
    schema
}

/// The parameters of the query: every field that neither path nor body sets, and that a text can express.
pub fn in_query(schemas: &mut Schemas<'_>, binding: &Binding, but: &[FieldDescriptor]) -> Vec<Object> {
    let top = match &binding.body {
        Body::All => return Vec::new(),
        Body::Field(field) => Some(field.clone()),
        Body::None => None,
    };
    let bound = variables(binding);
    let mut walk = Walk { schemas, bound, parameters: Vec::new() };
    for field in binding.method.descriptor.input().fields() {
        if top.as_ref() != Some(&field) && !but.contains(&field) {
            walk.add(&[field]);
        }
    }
    walk.parameters
}

/// Goes through the fields of a request and the messages in them.
struct Walk<'a, 'b> {
    schemas: &'a mut Schemas<'b>,
    bound: Vec<Vec<FieldDescriptor>>,
    parameters: Vec<Object>,
}

impl Walk<'_, '_> {
    /// Adds the last field of this path, or the fields in it.
    fn add(&mut self, path: &[FieldDescriptor]) {
        let Some(field) = path.last() else { return };
        if self.bound.iter().any(|bound| bound == path) {
            return;
        }
        if field.is_map() {
            if self.schemas.terms.rest.query_maps {
                self.map(path);
            }
            return;
        }
        if let Some(schema) = text(self.schemas, &field.kind()) {
            let schema = if field.is_list() {
                object! { "type": "array", "items": schema }
            } else {
                schema
            };
            return self.push(path, schema, None);
        }
        let Kind::Message(message) = field.kind() else { return };
        if field.is_list() || path.len() >= MAX_DEPTH || is_within(&message, path) || is_opaque(&message) {
            return;
        }
        for inner in message.fields() {
            self.add(&[path, &[inner]].concat());
        }
    }

    /// `name[key]=value`.
    fn map(&mut self, path: &[FieldDescriptor]) {
        let Some(field) = path.last() else { return };
        let Kind::Message(entry) = field.kind() else { return };
        if text(self.schemas, &entry.map_entry_value_field().kind()).is_some() {
            let schema = self.schemas.value_of(field);
            self.push(path, schema, Some("deepObject"));
        }
    }

    fn push(&mut self, path: &[FieldDescriptor], schema: Object, style: Option<&str>) {
        let Some(field) = path.last() else { return };
        let rivals = field.containing_oneof().filter(|oneof| oneof.fields().len() > 1);
        let rivals = rivals.map(|oneof| {
            let names = oneof.fields().map(|member| {
                let siblings = [&path[..path.len() - 1], &[member]].concat();
                format!("`{}`", self.schemas.terms.path_name(&siblings))
            });
            format!("At most one of {} is given.", names.collect::<Vec<_>>().join(", "))
        });
        let said = [self.schemas.comment(&field.parent_file(), field.path()), rivals];
        let said: Vec<_> = said.into_iter().flatten().collect();
        let options = field.field_descriptor_proto().options.as_ref();
        self.parameters.push(object! {
            "name": self.schemas.terms.path_name(path),
            "in": "query",
            "description": (!said.is_empty()).then(|| said.join("\n\n")),
            "deprecated": options.is_some_and(prost_types::FieldOptions::deprecated).then_some(true),
            "style": style,
            "explode": (field.is_list() || style.is_some()).then_some(true),
            "schema": schema,
        });
    }
}

/// The schema of a value that a text can express.
fn text(schemas: &mut Schemas<'_>, kind: &Kind) -> Option<Object> {
    let json = schemas.terms.rest.json;
    match kind {
        Kind::Message(message) => in_text(message, json),
        Kind::Enum(inner) if inner.full_name() != "google.protobuf.NullValue" => Some(schemas.one(kind)),
        kind => scalar(kind, json),
    }
}

/// Whether a message would hold itself.
fn is_within(message: &MessageDescriptor, path: &[FieldDescriptor]) -> bool {
    path.iter().any(|field| field.parent_message() == message)
}

/// Whether ProtoJSON does not write it as an object of its fields.
fn is_opaque(message: &MessageDescriptor) -> bool {
    let known = ["Any", "Struct", "Value", "ListValue", "Empty"];
    message.full_name().strip_prefix("google.protobuf.").is_some_and(|name| known.contains(&name))
}
