//! Bytes to JSON: however a message is encoded, its JSON has the same bytes; what is no message is refused.

use lastmile_edge::schema::Schema;
use lastmile_edge::transcode::{self, Unwritable};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage};
use serde_json::{Value, json};

use crate::arbitrary::{sample, unrecorded};
use crate::json::{oracle, plain, try_oracle};
use crate::scramble::{ordered, scrambled};
use crate::shop::{load, message, shop};

type Written = Result<Vec<u8>, Unwritable>;

/// Writes a message of the shop.
pub(crate) fn write_json(message: &DynamicMessage) -> Written {
    write_bytes(shop(), message.descriptor().full_name(), &message.encode_to_vec())
}

/// Writes one field of a message of the shop.
pub(crate) fn write_field_json(message: &DynamicMessage, field: &FieldDescriptor) -> Written {
    write_field_bytes(message.descriptor().full_name(), field.number(), &message.encode_to_vec())
}

fn write_field_bytes(name: &str, number: u32, bytes: &[u8]) -> Written {
    let plan = &shop().plan;
    let id = plan.find(name).expect("a type of the shop");
    let mut out = Vec::new();
    transcode::write_field_json(plan, id, number, bytes, &mut out).map(|()| out)
}

fn write_bytes(schema: &Schema, name: &str, bytes: &[u8]) -> Written {
    let id = schema.plan.find(name).expect("a type of the schema");
    let mut out = b"before".to_vec();
    let written = transcode::write_json(&schema.plan, id, bytes, &mut out);
    assert!(out.starts_with(b"before"), "what was there stays");
    assert!(written.is_ok() || out.len() == 6, "a failure leaves nothing");
    written.map(|()| out.split_off(6))
}

fn text(written: &Written) -> String {
    match written {
        Ok(json) => String::from_utf8_lossy(json).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// Compares a message, however it is encoded, with what prost-reflect reads and writes.
fn check(message: &DynamicMessage, seed: u64) -> Result<(), TestCaseError> {
    let name = message.descriptor().full_name().to_owned();
    let bytes = scrambled(message, seed);
    let decoded = DynamicMessage::decode(message.descriptor(), bytes.as_slice());
    let decoded = decoded.map_err(|error| TestCaseError::fail(format!("the test is wrong: {error}")))?;
    let (usual, odd) = (write_bytes(shop(), &name, &ordered(message)), write_bytes(shop(), &name, &bytes));
    prop_assert_eq!(text(&usual), text(&odd));
    let json: Value = serde_json::from_slice(&odd.unwrap_or_default()).expect("JSON");
    for field in message.descriptor().fields() {
        let alone = write_field_bytes(&name, field.number(), &bytes);
        if let Some(expected) = json.get(field.json_name()) {
            let alone: Value = serde_json::from_slice(&alone.unwrap_or_default()).expect("JSON");
            prop_assert_eq!(&alone, expected);
        }
    }
    prop_assert_eq!(plain(json), plain(oracle(&decoded)));
    Ok(())
}

proptest! {
    #![proptest_config(unrecorded())]

    #[test]
    fn equal_messages_have_equal_bytes(message in sample("Kinds"), seed in any::<u64>()) {
        check(&message.0, seed)?;
    }

    #[test]
    fn messages_declared_in_another_order_too(message in sample("Jumbled"), seed in any::<u64>()) {
        check(&message.0, seed)?;
    }

    #[test]
    fn damaged_bytes_are_written_as_the_oracle_would_or_refused(
        message in sample("Kinds"),
        seed in any::<u64>(),
        damages in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = scrambled(&message.0, seed);
        prop_assume!(!bytes.is_empty());
        for (at, byte) in damages {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Ok(json) = write_bytes(shop(), "shop.v1.Kinds", &bytes) {
            let json: Value = serde_json::from_slice(&json).expect("JSON");
            let decoded = DynamicMessage::decode(message.0.descriptor(), bytes.as_slice());
            if let Some(expected) = decoded.ok().as_ref().and_then(try_oracle) {
                prop_assert_eq!(plain(json), plain(expected));
            }
        }
    }

    #[test]
    fn cut_bytes_are_written_or_refused(message in sample("Jumbled"), seed in any::<u64>(), at in any::<Index>()) {
        let bytes = scrambled(&message.0, seed);
        prop_assume!(!bytes.is_empty());
        let cut = &bytes[..at.index(bytes.len())];
        let is_whole = DynamicMessage::decode(message.0.descriptor(), cut).is_ok();
        prop_assert_eq!(write_bytes(shop(), "shop.v1.Jumbled", cut).is_ok(), is_whole);
    }

    #[test]
    fn random_bytes_are_written_or_refused(bytes in vec(any::<u8>(), 0..60)) {
        for name in ["shop.v1.Kinds", "shop.v1.Jumbled", "google.protobuf.Any", "google.protobuf.Value"] {
            if let Ok(json) = write_bytes(shop(), name, &bytes) {
                prop_assert!(serde_json::from_slice::<Value>(&json).is_ok());
            }
        }
    }
}

#[test]
fn map_entries_stay_in_the_order_of_the_wire_and_the_last_of_a_key_counts() {
    let entry = |key: &str, value: &str| {
        let item = message("Item", json!({ "labels": { key: value } }));
        item.encode_to_vec()
    };
    let written = |entries: &[Vec<u8>]| {
        let json = write_bytes(shop(), "shop.v1.Item", &entries.concat()).expect("JSON");
        let json = String::from_utf8(json).expect("UTF-8");
        let start = json.find("\"labels\":").expect("labels");
        json[start + 9..].split_inclusive('}').next().unwrap_or_default().to_owned()
    };
    assert_eq!(written(&[entry("b", "1"), entry("a", "2"), entry("c", "3")]), r#"{"b":"1","a":"2","c":"3"}"#);
    assert_eq!(written(&[entry("b", "1"), entry("a", "2"), entry("b", "3")]), r#"{"b":"3","a":"2"}"#);
    assert_eq!(written(&[entry("a", "1"), entry("a", "2")]), r#"{"a":"2"}"#);
    assert_eq!(written(&[]), "{}");
}

#[test]
fn a_field_alone_has_its_default_when_it_is_not_set() {
    for (number, expected) in [
        (1, "false"),
        (7, "\"0\""),
        (16, "\"COLOR_UNSPECIFIED\""),
        (17, "0"),
        (19, "\"\""),
        (21, r#"{"name":"","homeTown":""}"#),
        (22, "[]"),
        (26, "{}"),
        (31, "\"1970-01-01T00:00:00Z\""),
        (32, "\"0s\""),
        (33, "\"\""),
        (34, "{}"),
        (35, "null"),
        (36, "[]"),
        (37, "{}"),
        (38, "{}"),
        (41, "0"),
    ] {
        assert_eq!(text(&write_field_bytes("shop.v1.Kinds", number, b"")), expected, "{number}");
    }
    let problem = text(&write_field_bytes("shop.v1.Kinds", 99, b""));
    assert_eq!(problem, "cannot be written as JSON: has no field 99");
}

#[test]
fn special_forms_inside_any_stand_under_value() {
    for (name, value, expected) in [
        ("google.protobuf.Duration", b"\x08\x01".as_slice(), r#""1s""#),
        ("google.protobuf.Empty", b"", "{}"),
        ("google.protobuf.Int64Value", b"\x08\x05", r#""5""#),
        ("google.protobuf.DoubleValue", b"\x09\0\0\0\0\0\0\xf8\x7f", r#""NaN""#),
        ("google.protobuf.Any", b"", "{}"),
        ("google.protobuf.ListValue", b"", "[]"),
    ] {
        let any = prost_types::Any { type_url: format!("x/{name}"), value: value.to_vec() };
        let json = text(&write_bytes(shop(), "google.protobuf.Any", &any.encode_to_vec()));
        assert_eq!(json, format!(r#"{{"@type":"x/{name}","value":{expected}}}"#));
    }
}

#[test]
fn what_is_no_message_is_refused_by_the_name_of_its_field() {
    for (name, bytes, problem) in [
        ("Kinds", b"\x08".as_slice(), "flag: ends in the middle"),
        ("Kinds", b"\x0a\x01\x00", "flag: is encoded as another type"),
        ("Kinds", b"\x72\x01\xff", "text: is not valid UTF-8"),
        ("Kinds", b"\xaa\x01\x03\x0a\x01\xff", "maker.name: is not valid UTF-8"),
        ("Kinds", b"\xf2\x01\x05\xaa\x01\x02\x0a\x05", "child.maker.name: ends in the middle"),
        ("Kinds", b"\xd2\x01\x02\x0a\x05", "ends in the middle"),
        ("Kinds", b"\xd2\x01\x02\x08\x05", "labels: has a key that is encoded as another type"),
        ("Kinds", b"\xb2\x01\x01\x80", "numbers: ends in the middle"),
        ("Kinds", b"\x94\x03", "ends a group"),
        ("Kinds", b"\xfa\x01\x02\x08\x80", "time: ends in the middle"),
        ("Kinds", b"\xaa\x02\x03\x0a\x01\xff", "any: has a type that is not valid UTF-8"),
        ("Kinds", b"\xaa\x02\x14\x0a\x0fx/shop.v1.Maker\x12\x01\x0a", "any.name: ends in the middle"),
    ] {
        let error = write_bytes(shop(), &format!("shop.v1.{name}"), bytes).unwrap_err();
        assert!(error.to_string().contains(problem), "{bytes:x?}: {error}");
        assert_eq!(error.is_malformed(), !problem.starts_with("any.name"), "{error}");
    }
}

/// `child` messages of Kinds, this many levels below the first.
fn nested(levels: usize, innermost: &[u8]) -> Vec<u8> {
    (0..levels).fold(innermost.to_vec(), |inner, _| length_delimited(30, &inner))
}

fn length_delimited(number: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::bytes::encode(number, &payload.to_vec(), &mut bytes);
    bytes
}

#[test]
fn nesting_has_a_limit() {
    assert!(write_bytes(shop(), "shop.v1.Kinds", &nested(100, b"")).is_ok());
    let error = write_bytes(shop(), "shop.v1.Kinds", &nested(101, b"")).unwrap_err();
    assert!(error.to_string().ends_with("child: is nested deeper than 100 levels"), "{error}");
    // Each level of Value is a list and a value; each level of Any is one.
    for (name, levels) in [("Value", 50), ("Any", 100)] {
        let deep = |levels| {
            let wrap = |inner: Vec<u8>| match name {
                "Value" => length_delimited(6, &length_delimited(1, &inner)),
                _ => [length_delimited(1, b"x/google.protobuf.Any"), length_delimited(2, &inner)].concat(),
            };
            write_bytes(
                shop(),
                &format!("google.protobuf.{name}"),
                &(0..levels).fold(Vec::new(), |b, _| wrap(b)),
            )
        };
        assert!(deep(levels).is_ok(), "{name}");
        let error = deep(levels + 1).unwrap_err();
        assert!(error.to_string().ends_with("is nested deeper than 100 levels"), "{error}");
    }
}

#[test]
fn what_has_no_json_in_parts_may_have_one_when_merged() {
    let any = |bytes: &[u8]| length_delimited(37, bytes);
    let parts = [any(b"\x12\x03\x0a\x01n"), any(b"\x0a\x0fx/shop.v1.Maker")].concat();
    let json = write_bytes(shop(), "shop.v1.Kinds", &parts).expect("JSON");
    let value: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(value["any"], json!({ "@type": "x/shop.v1.Maker", "name": "n", "homeTown": "" }));
    // A try that failed at the deepest level has not made it deeper.
    assert!(write_bytes(shop(), "shop.v1.Kinds", &nested(99, &parts)).is_ok());
}

#[test]
fn disorder_at_every_level_takes_no_time() {
    // What is written twice at every level would take 2^50 steps.
    let repeat = |levels, wrap: fn(&[u8]) -> Vec<u8>| (0..levels).fold(Vec::new(), |inner, _| wrap(&inner));
    let backwards = repeat(100, |inner| [length_delimited(30, inner), b"\x08\x01".to_vec()].concat());
    assert!(write_bytes(shop(), "shop.v1.Kinds", &backwards).is_ok());
    let lists =
        repeat(50, |inner| length_delimited(6, &[length_delimited(1, inner), b"\x50\x01".to_vec()].concat()));
    assert!(write_bytes(shop(), "google.protobuf.Value", &lists).is_ok());
    let maps = repeat(50, |inner| {
        let first = [length_delimited(1, b"b"), length_delimited(2, inner)].concat();
        let second = length_delimited(1, b"a");
        length_delimited(5, &[length_delimited(1, &first), length_delimited(1, &second)].concat())
    });
    assert!(write_bytes(shop(), "google.protobuf.Value", &maps).is_ok());
}

#[test]
fn proto2_has_groups_extensions_and_no_defaults() {
    let schema = load(
        r#"
        syntax = "proto2";
        package t;
        message Old {
          optional int32 number = 1 [default = 7];
          required string name = 2;
          repeated int32 plain = 3;
          optional group Inner = 4 { optional string word = 1; optional Old old = 2; }
          repeated group Many = 5 { optional int32 n = 1; }
          extensions 100 to 199;
        }
        extend Old { optional string note = 100; repeated int32 marks = 101; }
        "#,
    )
    .expect("a schema");
    for (bytes, expected) in [
        (b"".as_slice(), r#"{"plain":[],"many":[]}"#),
        (b"\x08\x00\x12\x00", r#"{"number":0,"name":"","plain":[],"many":[]}"#),
        (
            b"\x23\x0a\x01x\x12\x02\x08\x05\x24",
            r#"{"plain":[],"inner":{"word":"x","old":{"number":5,"plain":[],"many":[]}},"many":[]}"#,
        ),
        (b"\x23\x0a\x01x\x24\x23\x24\x08\x01", r#"{"number":1,"plain":[],"inner":{"word":"x"},"many":[]}"#),
        (b"\x2b\x08\x01\x2c\x18\x01\x2b\x2c", r#"{"plain":[1],"many":[{"n":1},{}]}"#),
        (
            b"\xa2\x06\x01x\xa8\x06\x01\xaa\x06\x02\x02\x03",
            r#"{"plain":[],"many":[],"[t.note]":"x","[t.marks]":[1,2,3]}"#,
        ),
    ] {
        assert_eq!(text(&write_bytes(&schema, "t.Old", bytes)), expected, "{bytes:x?}");
    }
    let error = write_bytes(&schema, "t.Old", b"\x23\x0a\x01x").unwrap_err();
    assert!(error.to_string().contains("inner: ends in the middle"), "{error}");
}

#[test]
fn message_sets_are_written_as_the_extensions_they_hold() {
    let schema = load(
        r#"
        syntax = "proto2";
        package t;
        message Set { option message_set_wire_format = true; extensions 4 to max; }
        message Note { extend Set { optional Note note = 1000; } optional string text = 1; optional Set inner = 2; }
        "#,
    )
    .expect("a schema");
    for (bytes, expected) in [
        (b"".as_slice(), "{}"),
        (b"\x0b\x10\xe8\x07\x1a\x03\x0a\x01x\x0c", r#"{"[t.Note.note]":{"text":"x"}}"#),
        (b"\x0b\x1a\x03\x0a\x01x\x10\xe8\x07\x0c", r#"{"[t.Note.note]":{"text":"x"}}"#),
        (b"\x0b\x10\x05\x1a\x01x\x0c", "{}"),
        (
            b"\x0b\x10\xe8\x07\x1a\x03\x0a\x01x\x0c\x0b\x10\xe8\x07\x1a\x02\x12\x00\x0c",
            r#"{"[t.Note.note]":{"text":"x","inner":{}}}"#,
        ),
    ] {
        assert_eq!(text(&write_bytes(&schema, "t.Set", bytes)), expected, "{bytes:x?}");
    }
    let any =
        prost_types::Any { type_url: "x/t.Set".into(), value: b"\x0b\x10\xe8\x07\x1a\x00\x0c".to_vec() };
    let json = text(&write_bytes(&schema, "google.protobuf.Any", &any.encode_to_vec()));
    assert_eq!(json, r#"{"@type":"x/t.Set","[t.Note.note]":{}}"#);
}
