//! Schemas of messages and enums: each stands once in the components, and is referred to by its full name.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};

use crate::config::rest::Enums;

use super::comments::Comments;
use super::json::{Json, Object, object};
use super::scalars::{scalar, well_known};
use super::terms::Terms;

/// The schemas that operations refer to so far.
#[derive(Debug)]
pub struct Schemas<'a> {
    pub terms: Terms<'a>,
    comments: Comments,
    found: BTreeMap<String, Object>,
}

impl<'a> Schemas<'a> {
    pub fn new(terms: Terms<'a>) -> Self {
        Self { terms, comments: Comments::read(&terms.schema.pool), found: BTreeMap::new() }
    }

    /// All that were referred to, by name.
    pub fn into_components(self) -> Object {
        self.found.into_iter().collect()
    }

    pub fn comment(&self, file: &FileDescriptor, path: &[i32]) -> Option<String> {
        self.comments.find(file, path)
    }

    /// Adds a schema that no descriptor declares.
    pub fn add(&mut self, name: &str, schema: Object) {
        self.found.insert(name.to_owned(), schema);
    }

    /// The schema of a message as a value.
    pub fn message(&mut self, message: &MessageDescriptor) -> Object {
        if let Some(schema) = well_known(message, self.terms.rest.json) {
            return schema;
        }
        let name = message.full_name();
        if !self.found.contains_key(name) {
            // First the place, then the content: it may refer to itself.
            self.add(name, Object::default());
            let schema = self.content(message, &[]);
            self.add(name, schema);
        }
        reference(name)
    }

    /// The fields of a message but those that something else sets.
    pub fn content(&mut self, message: &MessageDescriptor, without: &[FieldDescriptor]) -> Object {
        let fields: Vec<_> = message.fields().filter(|field| !without.contains(field)).collect();
        let properties: Object =
            fields.iter().map(|field| (self.terms.name(field), self.field(field))).collect();
        let options = message.descriptor_proto().options.as_ref();
        object! {
            "type": "object",
            "description": self.comment(&message.parent_file(), message.path()),
            "deprecated": options.is_some_and(prost_types::MessageOptions::deprecated).then_some(true),
            "properties": properties.filled(),
        }
    }

    /// A field with what is said of it.
    pub fn field(&mut self, field: &FieldDescriptor) -> Object {
        let mut schema = self.value_of(field);
        let said = [self.comment(&field.parent_file(), field.path()), self.rivals(field)];
        let said: Vec<_> = said.into_iter().flatten().collect();
        if !said.is_empty() {
            schema.set("description", said.join("\n\n"));
        }
        if let Some(oneof) = field.containing_oneof().filter(|oneof| oneof.fields().len() > 1) {
            schema.set("x-oneof", oneof.name());
        }
        for behavior in behaviors(field) {
            schema.set(behavior, true);
        }
        let options = field.field_descriptor_proto().options.as_ref();
        if options.is_some_and(prost_types::FieldOptions::deprecated) {
            schema.set("deprecated", true);
        }
        schema
    }

    /// What the values of a field look like.
    pub fn value_of(&mut self, field: &FieldDescriptor) -> Object {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let value = self.one(&entry.map_entry_value_field().kind());
                object! {
                    "type": "object",
                    "propertyNames": key(&entry.map_entry_key_field().kind()),
                    "additionalProperties": value,
                }
            }
            kind if field.is_list() => object! { "type": "array", "items": self.one(&kind) },
            kind => self.one(&kind),
        }
    }

    /// What one value of this kind looks like.
    pub fn one(&mut self, kind: &Kind) -> Object {
        match kind {
            Kind::Message(message) => self.message(message),
            Kind::Enum(kind) if kind.full_name() != "google.protobuf.NullValue" => self.enumeration(kind),
            kind => scalar(kind, self.terms.rest.json).unwrap_or_default(),
        }
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) -> Object {
        let name = kind.full_name();
        if !self.found.contains_key(name) {
            let values: Vec<_> = kind.values().collect();
            let names: Vec<_> = values.iter().map(|value| value.name().to_owned()).collect();
            let mut said: Vec<_> = self.comment(&kind.parent_file(), kind.path()).into_iter().collect();
            let lines = values.iter().filter_map(|value| {
                let comment = self.comment(&kind.parent_file(), value.path())?;
                Some(format!("- `{}`: {}", value.name(), comment.replace('\n', " ")))
            });
            said.extend(Some(lines.collect::<Vec<_>>().join("\n")).filter(|lines| !lines.is_empty()));
            let description = (!said.is_empty()).then(|| said.join("\n\n"));
            let schema = match self.terms.rest.json.enums {
                Enums::Name => object! { "type": "string", "description": description, "enum": names },
                Enums::Number => object! {
                    "type": "integer",
                    "description": description,
                    "enum": values.iter().map(|value| Json::from(value.number())).collect::<Vec<_>>(),
                    "x-enum-varnames": names,
                },
            };
            self.add(name, schema);
        }
        reference(name)
    }

    /// Which fields exclude each other. Not by `oneOf`: a field that is absent must stay allowed.
    fn rivals(&self, field: &FieldDescriptor) -> Option<String> {
        let oneof = field.containing_oneof().filter(|oneof| oneof.fields().len() > 1)?;
        let names: Vec<_> = oneof.fields().map(|member| format!("`{}`", self.terms.name(&member))).collect();
        Some(format!("At most one of {} is set.", names.join(", ")))
    }
}

pub fn reference(name: &str) -> Object {
    object! { "$ref": format!("#/components/schemas/{name}") }
}

/// What the keys of a map look like: JSON has only strings.
fn key(kind: &Kind) -> Option<Object> {
    match kind {
        Kind::String => None,
        Kind::Bool => Some(object! { "enum": ["true", "false"] }),
        _ => Some(object! { "pattern": "^-?[0-9]+$" }),
    }
}

/// What `google.api.field_behavior` says of a field, where the backend uses it.
fn behaviors(field: &FieldDescriptor) -> Vec<&'static str> {
    const INPUT_ONLY: i32 = 4;
    const OUTPUT_ONLY: i32 = 3;
    let Some(extension) = field.parent_pool().get_extension_by_name("google.api.field_behavior") else {
        return Vec::new();
    };
    let options = field.options();
    let values = options.get_extension(&extension);
    let numbers = values.as_list().into_iter().flatten().filter_map(prost_reflect::Value::as_enum_number);
    let words = numbers.filter_map(|number| match number {
        INPUT_ONLY => Some("writeOnly"),
        OUTPUT_ONLY => Some("readOnly"),
        _ => None,
    });
    words.collect()
}
