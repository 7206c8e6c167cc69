//! Files of edition 2023: what their features say holds, and clients get them as they are.
//!
//! `editions/files.binpb` is made of the protos beside it: `buf build --exclude-imports --exclude-source-info`.

use bytes::Bytes;
use lastmile_edge::schema::{Mistakes, Schema, descriptors};
use lastmile_edge::transcode;
use prost_reflect::Cardinality;

use crate::shop::load_with;

const FILES: &[u8] = include_bytes!("editions/files.binpb");

fn files() -> Vec<Bytes> {
    descriptors::split_set(FILES).expect("a descriptor set")
}

fn schema() -> Schema {
    load_with(files(), "{}").expect("a good schema")
}

fn json(schema: &Schema, name: &str, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    let id = schema.plan.find(name).expect("a type");
    match transcode::write_json(&schema.plan, id, bytes, &mut out) {
        Ok(()) => String::from_utf8(out).expect("UTF-8"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn features_say_how_fields_are_encoded_and_when_they_are_printed() {
    let schema = schema();
    for (name, bytes, expected) in [
        ("Order", b"".as_slice(), r#"{"plain":0,"packed":[],"apart":[],"lines":[],"byName":{},"size":"SIZE_UNSPECIFIED"}"#),
        (
            "Order",
            b"\x08\x01\x10\x00\x18\x00\x22\x02\x01\x02\x28\x03\x33\x0a\x01a\x34\x3b\x3c\x42\x07\x0a\x01k\x12\x02\x0a\x00\x4a\x00\x58\x01\x62\x00\xa3\x06\xa4\x06",
            r#"{"plain":1,"maybe":0,"must":0,"packed":[1,2],"apart":[3],"line":{"sku":"a"},"lines":[{"sku":""}],"byName":{"k":{"sku":""}},"word":"","size":"SMALL","framed":{"sku":""},"[t.extra]":{"sku":""}}"#,
        ),
        ("Legacy", b"", r#"{"byName":{},"apart":[],"packed":[]}"#),
        (
            "Legacy",
            b"\x08\x00\x10\x02\x1a\x05\x0a\x01k\x12\x00\x23\x10\x01\x24",
            r#"{"number":0,"grade":"BAD","byName":{"k":{"byName":{},"apart":[],"packed":[]}},"inner":{"grade":"GOOD","byName":{},"apart":[],"packed":[]},"apart":[],"packed":[]}"#,
        ),
        ("Legacy", b"\x22\x00", "cannot be written as JSON: inner: is encoded as another type"),
        ("Order", b"\x32\x00", "cannot be written as JSON: line: is encoded as another type"),
    ] {
        assert_eq!(json(&schema, &format!("t.{name}"), bytes), expected, "{bytes:x?}");
    }
}

#[test]
fn descriptors_say_what_the_features_said() {
    let schema = schema();
    let field = |message: &str, name: &str| {
        let message = schema.pool.get_message_by_name(message).expect("a message");
        message.get_field_by_name(name).expect("a field")
    };
    for (message, name, has_presence, is_packed, is_group) in [
        ("t.Order", "plain", false, false, false),
        ("t.Order", "maybe", true, false, false),
        ("t.Order", "packed", false, true, false),
        ("t.Order", "apart", false, false, false),
        ("t.Order", "line", true, false, true),
        ("t.Order", "framed", true, false, false),
        ("t.Order", "by_name", false, false, false),
        ("t.Order", "word", true, false, false),
        ("t.Legacy", "number", true, false, false),
        ("t.Legacy", "by_name", false, false, false),
        ("t.Legacy", "inner", true, false, true),
        ("t.Legacy", "apart", false, false, false),
        ("t.Legacy", "packed", false, true, false),
    ] {
        let field = field(message, name);
        let found = (field.supports_presence(), field.is_packed(), field.is_group());
        assert_eq!(found, (has_presence, is_packed, is_group), "{message}.{name}");
    }
    assert_eq!(field("t.Order", "must").cardinality(), Cardinality::Required);
}

#[test]
fn options_survive_and_clients_get_the_files_as_they_are() {
    let schema = schema();
    let declared = schema.bindings.iter().filter(|binding| !binding.implicit);
    assert_eq!(declared.map(|binding| &*binding.template).collect::<Vec<_>>(), ["/orders/{sku}"]);
    let sent = descriptors::split_set(&schema.descriptors).expect("a descriptor set");
    assert!(files().iter().all(|file| sent.contains(file)));
}

#[test]
fn what_no_syntax_can_say_is_refused_by_name() {
    // Appended options count: IMPLICIT presence in the whole file, an edition of another year.
    let legacy = |appended: &[u8]| -> Mistakes {
        let changed = files().into_iter().map(|file| match file.windows(6).any(|bytes| bytes == b"Legacy") {
            true => [&file, appended].concat().into(),
            false => file,
        });
        load_with(changed.collect(), "{}").expect_err("no schema")
    };
    let problem = legacy(b"\x42\x05\x92\x03\x02\x08\x02").to_string();
    assert!(problem.contains("legacy.proto: Legacy.number: has IMPLICIT presence"), "{problem}");
    let problem = legacy(b"\x70\x8f\x4e").to_string();
    assert!(problem.contains("legacy.proto: uses an edition of protobuf that is not known"), "{problem}");
    let problem = legacy(b"\x42\xff").to_string();
    assert!(problem.contains("not a FileDescriptorProto"), "{problem}");
}
