//! Messages and JSON: what is written is what ProtoJSON says, always in the same bytes, and reads back as it was.

use lastmile_edge::error::Result;
use lastmile_edge::transcode::{self, ReadOptions};
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, SerializeOptions};
use serde_json::{Value, json};

use crate::arbitrary::{Sample, sample, unrecorded};
use crate::shop::{message, shop};
use crate::wire::{write_field_json, write_json};

/// What prost-reflect writes.
pub(crate) fn oracle(message: &DynamicMessage) -> Value {
    try_oracle(message).expect("a message that has JSON")
}

pub(crate) fn try_oracle(message: &DynamicMessage) -> Option<Value> {
    let mut json = Vec::new();
    let options = SerializeOptions::new().skip_default_fields(false);
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options).ok()?;
    serde_json::from_slice(&json).ok()
}

fn written(message: &DynamicMessage) -> Value {
    serde_json::from_slice(&write_json(message).expect("a message that has JSON")).expect("JSON")
}

/// JSON has one kind of number: `1.0` is `1`.
pub(crate) fn plain(json: Value) -> Value {
    match json {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                json!(float as i64)
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        other => other,
    }
}

/// Reads a message of the shop, which is decoded by prost-reflect.
fn read_json(descriptor: &MessageDescriptor, json: &[u8]) -> Result<DynamicMessage> {
    let plan = &shop().plan;
    let id = plan.find(descriptor.full_name()).expect("a type of the shop");
    let mut bytes = b"before".to_vec();
    let read = transcode::read_json(plan, id, ReadOptions::default(), json, &mut bytes);
    assert!(bytes.starts_with(b"before"), "what was there stays");
    assert!(read.is_ok() || bytes.len() == 6, "a failure leaves nothing");
    read.map(|()| DynamicMessage::decode(descriptor.clone(), &bytes[6..]).expect("an encoded message"))
}

fn canonical(message: &DynamicMessage) -> Vec<u8> {
    let plan = &shop().plan;
    let id = plan.find(message.descriptor().full_name()).expect("a type of the shop");
    transcode::canonical(plan, id, &message.encode_to_vec()).expect("an encoded message")
}

proptest! {
    #![proptest_config(unrecorded())]

    #[test]
    fn writes_what_the_oracle_writes(message in sample("Kinds")) {
        prop_assert_eq!(plain(written(&message.0)), plain(oracle(&message.0)));
    }

    #[test]
    fn reads_back_what_it_wrote(message in sample("Kinds")) {
        let json = write_json(&message.0).expect("JSON");
        let read = read_json(&message.0.descriptor(), &json);
        let read = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(Sample(read).again(), message);
    }

    #[test]
    fn equal_messages_have_equal_canonical_bytes(message in sample("Kinds")) {
        prop_assert_eq!(canonical(&message.0), canonical(&message.again().0));
    }

    #[test]
    fn different_messages_have_different_canonical_bytes(a in sample("Kinds"), b in sample("Kinds")) {
        prop_assert_eq!(canonical(&a.0) == canonical(&b.0), a == b);
    }

    #[test]
    fn damaged_json_is_read_or_refused(message in sample("Kinds"), at in any::<Index>(), byte in any::<u8>()) {
        let mut json = write_json(&message.0).expect("JSON");
        *at.get_mut(&mut json) = byte;
        if let Err(error) = read_json(&message.0.descriptor(), &json) {
            prop_assert_eq!(error.http_status(), 400);
        }
    }

    #[test]
    fn small_messages_too(a in sample("WatchRequest"), b in sample("WatchRequest")) {
        prop_assert_eq!(canonical(&a.0) == canonical(&b.0), a == b);
    }
}

#[test]
fn a_list_cannot_imitate_the_field_behind_it() {
    // `otherName` is field 44: its number, length and text are 48 bytes, as are a length of 44 and 44 bytes.
    let text = "a".repeat(40);
    let field = message("Kinds", json!({ "texts": ["x"], "otherName": text }));
    let list = message("Kinds", json!({ "texts": ["x", format!("\0\0\0\u{28}{text}")] }));
    assert_ne!(canonical(&field), canonical(&list));
}

#[test]
fn defaults_are_printed_where_they_cannot_be_told_from_absence() {
    assert_eq!(
        String::from_utf8(write_json(&message("Item", json!({}))).unwrap()).unwrap(),
        r#"{"id":"","displayName":"","amount":0,"color":"COLOR_UNSPECIFIED","tags":[],"labels":{},"makers":[],"makersByRole":{}}"#,
    );
    let set = written(&message(
        "Kinds",
        json!({ "maybeNumber": 0, "word": "", "child": {}, "wrappedFlag": false }),
    ));
    assert_eq!(
        (&set["maybeNumber"], &set["word"], &set["wrappedFlag"]),
        (&json!(0), &json!(""), &json!(false))
    );
    assert!(
        set["child"].is_object() && set.get("maybeText").is_none() && set.get("maker").is_none(),
        "{set}"
    );
}

#[test]
fn values_are_written_in_the_form_that_browsers_keep() {
    for (field, value, expected) in [
        ("int64Value", json!("-9223372036854775808"), r#""-9223372036854775808""#),
        ("uint64Value", json!("18446744073709551615"), r#""18446744073709551615""#),
        ("fixed64Value", json!(1), r#""1""#),
        ("int32Value", json!(-1), "-1"),
        ("doubleValue", json!("NaN"), r#""NaN""#),
        ("doubleValue", json!("-Infinity"), r#""-Infinity""#),
        ("floatValue", json!("Infinity"), r#""Infinity""#),
        ("floatValue", json!(0.1), "0.1"),
        ("color", json!(77), "77"),
        ("color", json!(-1), r#""ULTRAVIOLET""#),
        ("data", json!("-_8"), r#""+/8=""#),
        ("text", json!("\u{2028}\r\n\""), "\"\u{2028}\\r\\n\\\"\""),
        ("otherName", json!("x"), r#""x""#),
        ("time", json!("2026-01-02T03:04:05.120Z"), r#""2026-01-02T03:04:05.120Z""#),
        ("duration", json!("-1.5s"), r#""-1.500s""#),
        ("value", json!(null), "null"),
        ("value", json!([1, 1.5, { "b": {} }, { "a": null }]), r#"[1,1.5,{"b":{}},{"a":null}]"#),
        ("empty", json!({}), "{}"),
        (
            "any",
            json!({ "@type": "x/shop.v1.Maker" }),
            r#"{"@type":"x/shop.v1.Maker","name":"","homeTown":""}"#,
        ),
        ("wrappedNumber", json!("5"), r#""5""#),
        ("wrappedDouble", json!("-Infinity"), r#""-Infinity""#),
    ] {
        let message = message("Kinds", json!({ field: value }));
        let field = message.descriptor().get_field_by_json_name(field).expect("a field");
        let json = write_field_json(&message, &field).unwrap();
        assert_eq!(String::from_utf8_lossy(&json), expected, "{}", field.name());
    }
}

#[test]
fn what_has_no_json_is_an_error() {
    let with = |name: &str, inner: &str, value: prost_reflect::Value| {
        let mut message = message("Kinds", json!({}));
        let field = message.get_field_by_name_mut(name).and_then(prost_reflect::Value::as_message_mut);
        field.expect("a message field").set_field_by_name(inner, value);
        message
    };
    for (name, inner, value) in [
        ("time", "seconds", prost_reflect::Value::I64(-62_135_596_801)),
        ("duration", "seconds", prost_reflect::Value::I64(315_576_000_001)),
        ("value", "number_value", prost_reflect::Value::F64(f64::NAN)),
    ] {
        let written = write_json(&with(name, inner, value));
        assert!(
            written.is_err(),
            "{name}.{inner}: {}",
            String::from_utf8_lossy(&written.unwrap_or_default())
        );
    }
}
