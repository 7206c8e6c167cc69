//! How JSON looks under each setting, and what becomes of an Any that nobody knows.

use lastmile_edge::config::rest::{Defaults, Enums, Int64, JsonConfig, Names};
use lastmile_edge::schema::plan::{self, Plan, Style, UnknownAny};
use lastmile_edge::transcode;

use proptest::prelude::*;
use prost_reflect::{DynamicMessage, ReflectMessage, SerializeOptions};
use serde_json::Value;

use crate::arbitrary::{sample, unrecorded};
use crate::json::plain;
use crate::scramble::{ordered, scrambled};
use crate::shop::shop;

const USUAL: JsonConfig =
    JsonConfig { defaults: Defaults::Print, int64: Int64::String, enums: Enums::Name, names: Names::Json };
const OMIT: JsonConfig = JsonConfig { defaults: Defaults::Omit, ..USUAL };
const NUMBERS: JsonConfig = JsonConfig { int64: Int64::Number, enums: Enums::Number, ..OMIT };
const PROTO: JsonConfig = JsonConfig { names: Names::Proto, ..OMIT };

fn plan(json: JsonConfig) -> Plan {
    plan::compile(&shop().pool, Style { json, ..Style::default() }, &mut Vec::new())
}

fn text(plan: &Plan, name: &str, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    match transcode::write_json(plan, plan.find(name).expect("a type"), bytes, &mut out) {
        Ok(()) => String::from_utf8(out).expect("UTF-8"),
        Err(error) => error.to_string(),
    }
}

/// Any of the sixteen settings.
fn settings() -> impl Strategy<Value = JsonConfig> {
    any::<[bool; 4]>().prop_map(|[omits, counts, numbers, proto]| JsonConfig {
        defaults: if omits { Defaults::Omit } else { Defaults::Print },
        int64: if counts { Int64::Number } else { Int64::String },
        enums: if numbers { Enums::Number } else { Enums::Name },
        names: if proto { Names::Proto } else { Names::Json },
    })
}

fn oracle(message: &DynamicMessage, json: JsonConfig) -> Value {
    let options = SerializeOptions::new()
        .skip_default_fields(json.defaults == Defaults::Omit)
        .stringify_64_bit_integers(json.int64 == Int64::String)
        .use_enum_numbers(json.enums == Enums::Number)
        .use_proto_field_name(json.names == Names::Proto);
    let mut out = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut out), &options).expect("JSON");
    serde_json::from_slice(&out).expect("JSON")
}

proptest! {
    #![proptest_config(unrecorded())]

    #[test]
    fn every_setting_is_what_the_oracle_makes_of_it(
        message in sample("Kinds"),
        seed in any::<u64>(),
        json in settings(),
    ) {
        let plan = plan(json);
        let (usual, odd) = (ordered(&message.0), scrambled(&message.0, seed));
        let written = text(&plan, message.0.descriptor().full_name(), &usual);
        prop_assert_eq!(&written, &text(&plan, "shop.v1.Kinds", &odd));
        let value: Value = serde_json::from_str(&written).expect("JSON");
        prop_assert_eq!(plain(value), plain(oracle(&message.0, json)));
    }
}

#[test]
fn settings_change_the_form_and_nothing_else() {
    for (json, name, bytes, expected) in [
        (OMIT, "shop.v1.Item", b"".as_slice(), "{}"),
        // Zeros that stand on the wire are defaults too, in any order and however they are encoded.
        (
            OMIT,
            "shop.v1.Kinds",
            b"\x08\x00\x70\x80\x00",
            "cannot be written as JSON: text: is encoded as another type",
        ),
        (OMIT, "shop.v1.Kinds", b"\x08\x00\x72\x00\x80\x01\x80\x00\xb2\x01\x00", "{}"),
        (OMIT, "shop.v1.Kinds", b"\x72\x00\x08\x80\x00", "{}"),
        (OMIT, "shop.v1.Kinds", b"\x08\x01\x08\x00", "{}"),
        (OMIT, "shop.v1.Kinds", b"\x08\x01\x72\x01x", r#"{"flag":true,"text":"x"}"#),
        (OMIT, "google.protobuf.Int64Value", b"", r#""0""#),
        (OMIT, "google.protobuf.ListValue", b"", "[]"),
        (OMIT, "google.protobuf.Struct", b"", "{}"),
        (NUMBERS, "shop.v1.Kinds", b"\x38\x05\x80\x01\x01", r#"{"int64Value":5,"color":1}"#),
        (NUMBERS, "google.protobuf.Int64Value", b"", "0"),
        (NUMBERS, "google.protobuf.UInt64Value", b"\x08\x05", "5"),
        (NUMBERS, "google.protobuf.Value", b"\x08\x00", "null"),
        (USUAL, "google.protobuf.Value", b"\x08\x00", "null"),
        (PROTO, "shop.v1.Kinds", b"\x38\x05", r#"{"int64_value":"5"}"#),
        (PROTO, "shop.v1.Kinds", b"\xaa\x01\x03\x12\x01x", r#"{"maker":{"home_town":"x"}}"#),
    ] {
        assert_eq!(text(&plan(json), name, bytes), expected, "{json:?} {bytes:x?}");
    }
}

#[test]
fn numbers_stand_where_names_stood() {
    let numbers = JsonConfig { defaults: Defaults::Print, ..NUMBERS };
    let json = text(&plan(numbers), "shop.v1.Kinds", b"");
    for member in [r#""int64Value":0,"#, r#""fixed64Value":0,"#, r#""color":0,"#] {
        assert!(json.contains(member), "{member}: {json}");
    }
}

#[test]
fn an_any_that_nobody_knows_is_opaque_or_refused() {
    let any = |type_url: &str, value: &[u8]| {
        prost::Message::encode_to_vec(&prost_types::Any { type_url: type_url.into(), value: value.to_vec() })
    };
    let strict = Style { unknown_any: UnknownAny::Refused, ..Style::default() };
    let strict = plan::compile(&shop().pool, strict, &mut Vec::new());
    let refused = "cannot be written as JSON: holds a type that the descriptors do not have: `x/y.Z`";
    for (plan, bytes, expected) in [
        (&*shop().plan, any("x/y.Z", b"\x08\x01"), r#"{"@type":"x/y.Z","value":"CAE="}"#),
        (&*shop().plan, any("y.\"Z", b""), r#"{"@type":"y.\"Z","value":""}"#),
        (&*shop().plan, any("", b"\x08"), r#"{"@type":"","value":"CA=="}"#),
        (&strict, any("x/y.Z", b"\x08\x01"), refused),
        (&strict, any("", b""), "{}"),
        // A type that is known, and bytes that are not of it, is a mistake.
        (
            &*shop().plan,
            any("x/shop.v1.Maker", b"\x0a"),
            "cannot be written as JSON: name: ends in the middle of a field",
        ),
    ] {
        assert_eq!(text(plan, "google.protobuf.Any", &bytes), expected);
    }
}
