//! A file of declarations as it is compared with another upstream's: without what differs for no reason.

use bytes::{Buf, Bytes};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_varint, skip_field};
use prost_types::FieldDescriptorProto;

/// A file that an upstream declares.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) package: String,
    pub(super) imports: Vec<String>,
    /// Full names.
    pub(super) services: Vec<String>,
    /// What is compared: fields in the order of their numbers, without source info and derived JSON names.
    bare: Vec<u8>,
    pub(super) encoded: Bytes,
}

/// The parts of a FileDescriptorProto that have names; the generated type would lose custom options.
#[derive(Clone, PartialEq, Message)]
struct Outline {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(string, repeated, tag = "3")]
    imports: Vec<String>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    messages: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "5")]
    enums: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    services: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    extensions: Vec<Vec<u8>>,
}

/// Messages, enums, services and fields all have their name in the first field.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

impl Declared {
    pub(super) fn parse(encoded: Bytes) -> Result<Self, String> {
        let unreadable = |error| format!("not a FileDescriptorProto: {error}");
        let outline = Outline::decode(encoded.clone()).map_err(unreadable)?;
        let bare = bare(&encoded, Kind::File).map_err(unreadable)?;
        let services = outline.full_names(&outline.services);
        let Outline { name, package, imports, .. } = outline;
        Ok(Self { name, package, imports, services, bare, encoded })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.bare == other.bare
    }

    /// How much it declares.
    pub(super) fn size(&self) -> usize {
        self.bare.len()
    }

    /// Full names of what stands at the top of the file.
    pub(super) fn symbols(&self) -> Vec<String> {
        self.parts().into_iter().map(|(name, _)| name).collect()
    }

    /// The first declaration that is not the same in both.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let (ours, theirs) = (self.parts(), other.parts());
        let lacking = |one: &[(String, Vec<u8>)], other: &[(String, Vec<u8>)]| {
            one.iter().find(|part| !other.contains(part)).map(|(name, _)| name.clone())
        };
        lacking(&ours, &theirs).or_else(|| lacking(&theirs, &ours))
    }

    fn parts(&self) -> Vec<(String, Vec<u8>)> {
        let outline = Outline::decode(self.bare.as_slice()).unwrap_or_default();
        let parts = [&outline.messages, &outline.enums, &outline.services, &outline.extensions];
        let named = parts.into_iter().map(|parts| outline.full_names(parts).into_iter().zip(parts.clone()));
        named.flatten().collect()
    }
}

impl Outline {
    fn full_names(&self, parts: &[Vec<u8>]) -> Vec<String> {
        let name = |part: &Vec<u8>| Named::decode(part.as_slice()).unwrap_or_default().name;
        let full = |name: String| {
            if self.package.is_empty() { name } else { format!("{}.{name}", self.package) }
        };
        parts.iter().map(|part| full(name(part))).collect()
    }
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Message,
    Field,
}

impl Kind {
    /// What a field of this message holds, where that is looked into.
    fn inside(self, number: u32) -> Option<Self> {
        match (self, number) {
            (Self::File, 4) | (Self::Message, 3) => Some(Self::Message),
            (Self::File, 7) | (Self::Message, 2 | 6) => Some(Self::Field),
            _ => None,
        }
    }
}

/// Rewrites an encoded message so that equal declarations are equal bytes.
fn bare(mut encoded: &[u8], kind: Kind) -> Result<Vec<u8>, prost::DecodeError> {
    let derived_json_name = matches!(kind, Kind::Field) && has_derived_json_name(encoded);
    let mut fields: Vec<(u32, Vec<u8>)> = Vec::new();
    while encoded.has_remaining() {
        let whole = encoded;
        let (number, wire_type) = decode_key(&mut encoded)?;
        let after_key = encoded;
        skip_field(wire_type, number, &mut encoded, DecodeContext::default())?;
        let key_length = whole.len() - after_key.len();
        let dropped = match kind {
            Kind::File => number == 9,
            Kind::Field => number == 10 && derived_json_name,
            Kind::Message => false,
        };
        match kind.inside(number) {
            _ if dropped => {}
            Some(inner) if wire_type == WireType::LengthDelimited => {
                let mut content = &after_key[..after_key.len() - encoded.len()];
                decode_varint(&mut content)?;
                let content = bare(content, inner)?;
                let mut field = whole[..key_length].to_vec();
                encode_varint(content.len() as u64, &mut field);
                fields.push((number, [field, content].concat()));
            }
            _ => fields.push((number, whole[..whole.len() - encoded.len()].to_vec())),
        }
    }
    fields.sort_by_key(|(number, _)| *number);
    Ok(fields.into_iter().flat_map(|(_, field)| field).collect())
}

/// Some compilers write the JSON name of every field, others only where the file says one.
fn has_derived_json_name(encoded: &[u8]) -> bool {
    let field = FieldDescriptorProto::decode(encoded).unwrap_or_default();
    let mut derived = String::new();
    let mut is_word_start = false;
    for character in field.name().chars() {
        match character {
            '_' => is_word_start = true,
            _ if is_word_start => {
                derived.push(character.to_ascii_uppercase());
                is_word_start = false;
            }
            _ => derived.push(character),
        }
    }
    field.json_name.is_some_and(|name| name == derived)
}

#[cfg(test)]
mod tests {
    use prost_types::{DescriptorProto, FileDescriptorProto, SourceCodeInfo};

    use super::*;

    fn file(change: impl Fn(&mut FileDescriptorProto)) -> Declared {
        let field = FieldDescriptorProto { name: Some("some_id".into()), ..FieldDescriptorProto::default() };
        let message = |name: &str| DescriptorProto {
            name: Some(name.into()),
            field: vec![field.clone()],
            nested_type: vec![DescriptorProto { field: vec![field.clone()], ..DescriptorProto::default() }],
            ..DescriptorProto::default()
        };
        let mut file = FileDescriptorProto {
            name: Some("a.proto".into()),
            package: Some("acme".into()),
            message_type: vec![message("One"), message("Two")],
            ..FileDescriptorProto::default()
        };
        change(&mut file);
        Declared::parse(file.encode_to_vec().into()).unwrap()
    }

    fn json_name(name: &'static str) -> impl Fn(&mut FileDescriptorProto) {
        move |file| {
            file.message_type[1].nested_type[0].field[0].json_name = Some(name.into());
            file.message_type[1].field[0].json_name = Some(name.into());
        }
    }

    #[test]
    fn comments_and_derived_names_are_no_difference() {
        let plain = file(|_| {});
        assert!(plain.is_same(&file(|file| file.source_code_info = Some(SourceCodeInfo::default()))));
        assert!(plain.is_same(&file(json_name("someId"))));
        let other = file(json_name("some_id"));
        assert!(!plain.is_same(&other));
        assert_eq!(plain.difference(&other).as_deref(), Some("acme.Two"));
        let more = file(|file| file.message_type.push(DescriptorProto::default()));
        assert_eq!(plain.difference(&more).as_deref(), Some("acme."));
        let imports = file(|file| file.dependency.push("b.proto".into()));
        assert!(!plain.is_same(&imports) && plain.difference(&imports).is_none());
        assert_eq!(plain.symbols(), ["acme.One", "acme.Two"]);
    }
}
