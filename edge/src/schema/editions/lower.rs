//! Rewrites a file of an edition so that a reader of proto2 and proto3 understands it.

use std::borrow::Cow;
use std::collections::HashSet;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};

use super::declared::{Declared, Field, File};
use super::features::{FeatureSet, FieldPresence, JsonFormat, MessageEncoding, RepeatedFieldEncoding};
use super::splice::{Problem, append, append_number, splice};

/// 2023 and 2024; later ones may have features that nobody here knows.
const EDITIONS: std::ops::RangeInclusive<i32> = 1000..=1001;

/// The numbers of descriptor.proto under which the bytes are changed.
mod number {
    pub(super) mod file {
        pub(crate) const MESSAGE_TYPE: u32 = 4;
        pub(crate) const EXTENSION: u32 = 7;
        pub(crate) const SYNTAX: u32 = 12;
    }
    pub(super) mod message {
        pub(crate) const FIELD: u32 = 2;
        pub(crate) const NESTED_TYPE: u32 = 3;
        pub(crate) const EXTENSION: u32 = 6;
    }
    pub(super) mod field {
        pub(crate) const LABEL: u32 = 4;
        pub(crate) const TYPE: u32 = 5;
        pub(crate) const OPTIONS: u32 = 8;
        pub(crate) const PROTO3_OPTIONAL: u32 = 17;
    }
    pub(super) const PACKED: u32 = 2;
}

/// Which syntax is written instead of an edition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    /// Has fields with presence and without, but only enums that begin with 0, and names that differ in camel case.
    Proto3,
    /// Has all enums and names, but no field without presence.
    Proto2,
}

/// An encoded file; one of an edition is rewritten, any other is as it was.
///
/// # Errors
/// A sentence naming the file when it is of an edition that is not known, or when neither syntax can say what it says.
pub fn lower(encoded: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let file = File::decode(encoded).map_err(|error| Problem::from(error).0)?;
    if file.syntax != "editions" {
        return Ok(Cow::Borrowed(encoded));
    }
    if !EDITIONS.contains(&file.edition) {
        let problem = "uses an edition of protobuf that is not known here; use 2024, 2023 or proto3";
        return Err(format!("{}: {problem}", file.name));
    }
    rewrite(&file, encoded).map(Cow::Owned).map_err(|Problem(problem)| format!("{}: {problem}", file.name))
}

fn rewrite(file: &File, encoded: &[u8]) -> Result<Vec<u8>, Problem> {
    let features = FeatureSet::defaults().with(file.options.as_ref().and_then(|options| options.features));
    let needs_proto2 = features.json_format() == JsonFormat::LegacyBestEffort
        || file.enum_type.iter().any(begins_elsewhere)
        || file.message_type.iter().any(needs_proto2);
    let syntax = if needs_proto2 { Syntax::Proto2 } else { Syntax::Proto3 };
    let mut out = splice(encoded, |number, value| match number {
        number::file::MESSAGE_TYPE => syntax.message(value, features).map(Some),
        number::file::EXTENSION => syntax.extension(value, features).map(Some),
        _ => Ok(None),
    })?;
    let name = if syntax == Syntax::Proto2 { "proto2" } else { "proto3" };
    append(number::file::SYNTAX, name.as_bytes(), &mut out);
    Ok(out)
}

fn begins_elsewhere(kind: &prost_types::EnumDescriptorProto) -> bool {
    kind.value.first().is_some_and(|value| value.number() != 0)
}

fn needs_proto2(message: &Declared) -> bool {
    let features = message.options.as_ref().and_then(|options| options.features);
    features.is_some_and(|features| features.json_format() == JsonFormat::LegacyBestEffort)
        || message.enum_type.iter().any(begins_elsewhere)
        || message.nested_type.iter().any(needs_proto2)
}

impl Syntax {
    fn message(self, encoded: &[u8], around: FeatureSet) -> Result<Vec<u8>, Problem> {
        let message = Declared::decode(encoded)?;
        let options = message.options.clone().unwrap_or_default();
        if options.map_entry {
            // Map entries have one form in all editions.
            return Ok(encoded.to_vec());
        }
        let features = around.with(options.features);
        let is_entry = |nested: &&Declared| nested.options.as_ref().is_some_and(|options| options.map_entry);
        let entries: HashSet<_> =
            message.nested_type.iter().filter(is_entry).map(|entry| entry.name.as_str()).collect();
        splice(encoded, |number, value| match number {
            number::message::FIELD => self.field(value, features, &message.name, &entries).map(Some),
            number::message::NESTED_TYPE => self.message(value, features).map(Some),
            number::message::EXTENSION => self.extension(value, features).map(Some),
            _ => Ok(None),
        })
    }

    fn field(
        self,
        encoded: &[u8],
        around: FeatureSet,
        message: &str,
        entries: &HashSet<&str>,
    ) -> Result<Vec<u8>, Problem> {
        let field = Field::decode(encoded)?;
        let (_, type_name) = field.type_name.rsplit_once('.').unwrap_or_default();
        if field.label() == Label::Repeated && entries.contains(type_name) {
            return Ok(encoded.to_vec());
        }
        let features = around.with(field.options.as_ref().and_then(|options| options.features));
        let mut out = encoded.to_vec();
        encoding(&field, features, &mut out);
        let is_singular = field.label() != Label::Repeated && field.oneof_index.is_none();
        if is_singular {
            self.presence(&field, features, &mut out)
                .map_err(|Problem(problem)| Problem(format!("{message}.{}: {problem}", field.name)))?;
        }
        Ok(out)
    }

    /// Extensions have presence, whatever is said.
    fn extension(self, encoded: &[u8], around: FeatureSet) -> Result<Vec<u8>, Problem> {
        let field = Field::decode(encoded)?;
        let features = around.with(field.options.as_ref().and_then(|options| options.features));
        let mut out = encoded.to_vec();
        encoding(&field, features, &mut out);
        Ok(out)
    }

    fn presence(self, field: &Field, features: FeatureSet, out: &mut Vec<u8>) -> Result<(), Problem> {
        let is_message = matches!(field.r#type(), Type::Message | Type::Group);
        match (features.field_presence(), self) {
            (FieldPresence::LegacyRequired, _) => {
                append_number(number::field::LABEL, Label::Required as u64, out);
                append_number(number::field::PROTO3_OPTIONAL, 1, out);
            }
            (FieldPresence::Implicit, Self::Proto2) if !is_message => {
                return Err(Problem(
                    "has IMPLICIT presence in a file that has an enum without 0 in the first place, or \
                     LEGACY_BEST_EFFORT names: move one of them to another file"
                        .into(),
                ));
            }
            (FieldPresence::Implicit, _) => {}
            (FieldPresence::Explicit | FieldPresence::Unknown, Self::Proto3) if !is_message => {
                append_number(number::field::PROTO3_OPTIONAL, 1, out);
            }
            (FieldPresence::Explicit | FieldPresence::Unknown, _) => {}
        }
        Ok(())
    }
}

/// Says how values are encoded: groups have a type of their own, packed lists an option.
fn encoding(field: &Field, features: FeatureSet, out: &mut Vec<u8>) {
    if field.r#type() == Type::Message && features.message_encoding() == MessageEncoding::Delimited {
        append_number(number::field::TYPE, Type::Group as u64, out);
    }
    let is_packable = !matches!(field.r#type(), Type::String | Type::Bytes | Type::Message | Type::Group);
    if field.label() == Label::Repeated && is_packable {
        let is_packed = features.repeated_field_encoding() == RepeatedFieldEncoding::Packed;
        let mut options = Vec::new();
        append_number(number::PACKED, u64::from(is_packed), &mut options);
        append(number::field::OPTIONS, &options, out);
    }
}
