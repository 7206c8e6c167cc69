//! JSON to bytes: what ProtoJSON allows is read, what it forbids is refused with its path and place.

use std::sync::LazyLock;

use lastmile_edge::config::rest::Unknown;
use lastmile_edge::error::{Error, Result};
use lastmile_edge::schema::Schema;
use lastmile_edge::transcode::{self, ReadOptions};
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Value, json};

use crate::shop::{load, shop};

static OLD: LazyLock<Schema> = LazyLock::new(|| {
    load(
        r#"
        syntax = "proto2";
        package old;
        message Old {
          optional int32 number = 1 [default = 7];
          repeated int32 packed = 2 [packed = true];
          repeated int32 loose = 3;
          optional group Data = 4 { optional string text = 1; optional Old inner = 2; }
          repeated group Item = 5 { optional int32 number = 1; }
          optional Kind kind = 6;
          oneof choice { string word = 7; int32 count = 8; }
          extensions 100 to 199;
        }
        extend Old { optional string note = 100; repeated int32 notes = 101; optional Old more = 102; }
        enum Kind { option allow_alias = true; ONE = 1; UNO = 1; TWO = 2; }
        "#,
    )
    .expect("a good schema")
});

pub(crate) fn read_with(
    schema: &Schema,
    name: &str,
    options: ReadOptions,
    json: &[u8],
) -> Result<DynamicMessage> {
    let id = schema.plan.find(name).expect("a type of the schema");
    let mut bytes = Vec::new();
    transcode::read_json(&schema.plan, id, options, json, &mut bytes)?;
    let descriptor = schema.pool.get_message_by_name(name).expect("a type of the schema");
    Ok(DynamicMessage::decode(descriptor, bytes.as_slice()).expect("an encoded message"))
}

/// Reads Kinds of the shop.
fn read(json: &str) -> Result<Value> {
    let message = read_with(shop(), "shop.v1.Kinds", ReadOptions::default(), json.as_bytes())?;
    Ok(serde_json::to_value(&message).expect("JSON"))
}

pub(crate) fn ignoring() -> ReadOptions {
    ReadOptions { unknown_fields: Unknown::Ignore, ..ReadOptions::default() }
}

#[track_caller]
fn told(error: &Error) -> Vec<(String, String)> {
    let problem = error.to_problem();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    errors.iter().map(|error| (text(&error["field"]), text(&error["message"]))).collect()
}

#[test]
fn every_mistake_of_a_body_is_told_with_its_place() {
    let error = read(
        "{\n \"text\": 5, \"nope\": {\"deep\": [1]},\n \"makers\": [{}, {\"name\": [], \"homeTown\": \"x\"}, 7],\n\
         \"numbers\": [1, \"x\", 2.5],\n \"labels\": {\"a\": 1, \"b\": \"\"}, \"flag\": true}",
    )
    .expect_err("mistakes");
    let told = told(&error);
    let fields: Vec<&str> = told.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(
        fields,
        ["text", "nope", "makers[1].name", "makers[2]", "numbers[1]", "numbers[2]", "labels.a"]
    );
    assert_eq!(told[0].1, "must be a string, not this number (line 2, column 10)");
    assert_eq!(told[5].1, "must be a 64-bit integer (line 4, column 21)");
    assert!(error.message().starts_with("text: must be a string"), "{error}");
}

#[test]
fn a_misspelt_field_is_told_the_name_that_was_meant() {
    for (key, meant) in
        [("txet", "did you mean `text`?"), ("int32Valu", "did you mean `int32Value`?"), ("zzz", "check its")]
    {
        let error = read(&format!("{{\"{key}\": 1}}")).expect_err("unknown");
        assert!(error.message().contains(meant), "{error}");
    }
}

#[test]
fn text_that_is_no_json_is_told_alone() {
    let error = read("{\"text\": 5,\n \"flag\": tru}").expect_err("no JSON");
    assert_eq!(error.reason_text(), "JSON_INVALID");
    assert!(error.message().contains("line 2, column 10"), "{error}");
    assert!(told(&error).is_empty(), "{error}");
}

#[test]
fn no_more_mistakes_are_told_than_one_can_read() {
    let error = read(&format!("{{\"texts\": [{}0]}}", "0,".repeat(100_000))).expect_err("mistakes");
    assert_eq!(told(&error).len(), 20);
}

#[test]
fn integers_come_in_every_form_of_a_json_number() {
    for (field, value, expected) in [
        ("int32Value", "1e2", Some(json!(100))),
        ("int32Value", "\"1e2\"", Some(json!(100))),
        ("int32Value", "\"1.0\"", Some(json!(1))),
        ("int32Value", "-2.147483648e9", Some(json!(i32::MIN))),
        ("int64Value", "9223372036854775807", Some(json!(i64::MAX.to_string()))),
        ("int64Value", "9223372036854775807.0", Some(json!(i64::MAX.to_string()))),
        ("uint64Value", "18446744073709551615", Some(json!(u64::MAX.to_string()))),
        ("sint64Value", "-9223372036854775808", Some(json!(i64::MIN.to_string()))),
        ("sfixed32Value", "-1", Some(json!(-1))),
        ("uint64Value", "18446744073709551616", None),
        ("int32Value", "\" 1\"", None),
        ("int32Value", "\"1 \"", None),
        ("int32Value", "\"01\"", None),
        ("int32Value", "\"+1\"", None),
        ("int32Value", "\"0x1\"", None),
        ("int32Value", "\"\"", None),
        ("int32Value", "0.5", None),
        ("int32Value", "1e-1", None),
        ("int32Value", "1e300", None),
        ("fixed32Value", "-1", None),
        ("fixed32Value", "4294967296", None),
    ] {
        check(field, value, expected);
    }
}

/// Compares what `{field: value}` is read as; `None` is a mistake of this field.
#[track_caller]
fn check(field: &str, value: &str, expected: Option<Value>) {
    match (read(&format!("{{\"{field}\": {value}}}")), expected) {
        (Ok(message), Some(expected)) => assert_eq!(message[field], expected, "{field}: {value}"),
        (Err(error), None) => assert_eq!(told(&error)[0].0, field, "{value}: {error}"),
        (read, expected) => panic!("{field}: {value} was read as {read:?}, not as {expected:?}"),
    }
}

#[test]
fn floats_are_rounded_once() {
    // Halfway between two floats but for a digit that a double drops.
    check("floatValue", "1.00000017881393432617187499", Some(json!(1.000_000_1_f32)));
    check("floatValue", "1.00000017881393432617187501", Some(json!(1.000_000_2_f32)));
    check("floatValue", "\"1.5\"", Some(json!(1.5)));
    check("floatValue", "3.4028235e38", Some(json!(f32::MAX)));
    for wrong in
        ["3.502823e+38", "-3.502823e+38", "\"inf\"", "\"nan\"", "\"+Infinity\"", "\" NaN\"", "\"\"", "true"]
    {
        check("floatValue", wrong, None);
    }
    assert_eq!(read("{\"doubleValue\": 1e-400}").unwrap(), json!({}));
}

#[test]
fn bytes_come_in_both_alphabets_with_or_without_padding() {
    for (text, expected) in [
        ("", Some("")),
        ("-_", Some("+w==")),
        ("-_8", Some("+/8=")),
        ("+/8=", Some("+/8=")),
        ("AQI=", Some("AQI=")),
        ("AQI", Some("AQI=")),
        ("A", None),
        ("+_8", None),
        ("AQ I=", None),
        ("AQI==", None),
        ("=", None),
    ] {
        if expected == Some("") {
            assert_eq!(read("{\"data\": \"\"}").unwrap(), json!({}));
        } else {
            check("data", &json!(text).to_string(), expected.map(|text| json!(text)));
        }
    }
}

#[test]
fn well_known_types_are_read_in_their_own_form() {
    for (field, value, expected) in [
        ("time", "\"2026-01-02T05:04:05.5+02:00\"", Some(json!("2026-01-02T03:04:05.500Z"))),
        ("time", "\"0000-01-01T00:00:00Z\"", None),
        ("time", "1", None),
        ("duration", "\"-0.000000001s\"", Some(json!("-0.000000001s"))),
        ("duration", "\"1.s\"", None),
        ("mask", "\"a,barBaz.quX\"", Some(json!("a,barBaz.quX"))),
        ("mask", "\"bar_baz\"", None),
        ("mask", "\"a,,b\"", None),
        ("mask", "[\"a\"]", None),
        ("wrappedNumber", "\"5e0\"", Some(json!("5"))),
        ("wrappedNumber", "{\"value\": 5}", None),
        ("empty", "{}", Some(json!({}))),
        ("empty", "{\"a\": 1}", None),
        ("value", "\"NaN\"", Some(json!("NaN"))),
        ("value", "[null, {\"a\": null}]", Some(json!([null, { "a": null }]))),
        ("list", "{}", None),
        ("structure", "[]", None),
        ("any", "{\"name\": \"n\"}", None),
        ("any", "{\"@type\": 5}", None),
        ("any", "{\"@type\": \"\", \"value\": \"\"}", None),
        ("any", "{\"@type\": \"x/shop.v1.Nothing\"}", None),
        ("any", "[]", None),
    ] {
        let read = read(&format!("{{\"{field}\": {value}}}"));
        match (read, expected) {
            (Ok(message), Some(expected)) => assert_eq!(message[field], expected, "{field}: {value}"),
            (Err(error), None) => assert!(told(&error)[0].0.starts_with(field), "{value}: {error}"),
            (read, expected) => panic!("{field}: {value} was read as {read:?}, not as {expected:?}"),
        }
    }
}

#[test]
fn the_type_of_an_any_may_stand_anywhere_in_it() {
    let first = read(r#"{"any":{"@type":"x/shop.v1.Maker","name":"n","homeTown":"h"}}"#).unwrap();
    for body in [
        r#"{"any":{"homeTown":"h","name":"n","@type":"x/shop.v1.Maker"}}"#,
        r#"{"any":{"home_town":"h","\u0040type":"x/shop.v1.Maker","name":"n"}}"#,
    ] {
        assert_eq!(read(body).unwrap(), first, "{body}");
    }
    let nested = r#"{"any":{"value":{"value":"1.5s","@type":"x/google.protobuf.Duration"},"@type":"x/google.protobuf.Any"}}"#;
    assert_eq!(read(nested).unwrap()["any"]["value"]["value"], json!("1.500s"));
    for (body, field) in [
        (r#"{"any":{"@type":"x/shop.v1.Maker","@type":"x/shop.v1.Maker"}}"#, "any.@type"),
        (r#"{"any":{"@type":"x/shop.v1.Maker","value":{}}}"#, "any.value"),
        (r#"{"any":{"@type":"x/google.protobuf.Duration"}}"#, "any"),
        (r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s","more":1}}"#, "any.more"),
        (r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s","value":"1s"}}"#, "any.value"),
        (r#"{"any":{"name":5,"@type":"x/shop.v1.Maker"}}"#, "any.name"),
    ] {
        assert_eq!(told(&read(body).expect_err("a mistake"))[0].0, field, "{body}");
    }
}

#[test]
fn null_is_absence_but_for_value() {
    assert_eq!(read(r#"{"word":null,"number":3}"#).unwrap(), json!({ "number": 3 }));
    assert_eq!(
        read(r#"{"value":null,"labels":null,"wrappedFlag":null,"structure":null}"#).unwrap(),
        json!({ "value": null })
    );
    for (body, field) in [
        (r#"{"makers":[null]}"#, "makers[0]"),
        (r#"{"numbers":[null]}"#, "numbers[0]"),
        (r#"{"makersById":{"1":null}}"#, "makersById.1"),
        (r#"{"word":null,"word":"x"}"#, "word"),
        (r#"{"word":"x","number":3}"#, "number"),
    ] {
        assert_eq!(told(&read(body).expect_err("a mistake"))[0].0, field, "{body}");
    }
}

#[test]
fn keys_of_maps_are_values_of_their_type() {
    let body =
        r#"{"makersById":{"-5":{}},"colorsByFlag":{"false":1},"dataById":{"18446744073709551615":"AQ=="}}"#;
    assert!(read(body).is_ok());
    for (body, field) in [
        (r#"{"makersById":{"2147483648":{}}}"#, "makersById.2147483648"),
        (r#"{"makersById":{"x":{}}}"#, "makersById.x"),
        (r#"{"makersById":{"1":{},"1.0":{}}}"#, "makersById.1.0"),
        (r#"{"colorsByFlag":{"TRUE":1}}"#, "colorsByFlag.TRUE"),
        (r#"{"dataById":{"-1":""}}"#, "dataById.-1"),
        (r#"{"labels":{"a":"1","b":"2","\u0061":"3"}}"#, "labels.a"),
    ] {
        assert_eq!(told(&read(body).expect_err("a mistake"))[0].0, field, "{body}");
    }
}

#[test]
fn what_is_unknown_is_passed_over_where_it_may_be() {
    let body = r#"{"nope":[{"a":[1]}],"color":"NOPE","colors":["RED","NOPE","BLUE"],"maker":{"nope":1,"name":"n"},
        "colorsByFlag":{"true":"NOPE","false":"RED"},"any":{"@type":"x/shop.v1.Maker","nope":{}}}"#;
    let message = read_with(shop(), "shop.v1.Kinds", ignoring(), body.as_bytes()).unwrap();
    let expected = json!({
        "colors": ["RED", "BLUE"], "maker": { "name": "n" }, "colorsByFlag": { "false": "RED" },
        "any": { "@type": "x/shop.v1.Maker" },
    });
    assert_eq!(serde_json::to_value(&message).unwrap(), expected);
    assert!(read_with(shop(), "shop.v1.Kinds", ignoring(), br#"{"nope":[}"#).is_err(), "it must be JSON");
    assert!(read_with(shop(), "shop.v1.Kinds", ignoring(), br#"{"text":5}"#).is_err(), "it is known");
}

#[test]
fn proto2_has_groups_extensions_and_aliases() {
    let read = |json: &str| read_with(&OLD, "old.Old", ReadOptions::default(), json.as_bytes());
    let body = r#"{"number":0,"packed":[1,-1],"loose":[2],"data":{"text":"t","inner":{"kind":"UNO"}},
        "item":[{"number":1},{}],"[old.note]":"n","[old.notes]":[1,2],"[old.more]":{"count":0}}"#;
    let message = read(body).unwrap();
    let options = SerializeOptions::new().skip_default_fields(true);
    let written = message.serialize_with_options(serde_json::value::Serializer, &options).unwrap();
    let expected = json!({
        "number": 0, "packed": [1, -1], "loose": [2], "data": { "text": "t", "inner": { "kind": "ONE" } },
        "item": [{ "number": 1 }, {}], "[old.note]": "n", "[old.notes]": [1, 2], "[old.more]": { "count": 0 },
    });
    assert_eq!(written, expected);
    assert_eq!(told(&read(r#"{"[old.nope]":1}"#).expect_err("unknown"))[0].0, "[old.nope]");
}

#[test]
fn what_is_accepted_is_not_too_deep_for_decoders() {
    // `read_with` decodes with prost's limit.
    for (open, close) in [(r#"{"child":"#, "}"), (r#"{"structure":{"a":"#, "}}"), (r#"{"value":["#, "]}")] {
        let inner = if open.contains("structure") {
            r#"{"a":"#
        } else if open.contains("value") {
            "["
        } else {
            open
        };
        let shut = if inner == "[" { "]" } else { "}" };
        let body = |levels: usize| {
            let leaf = if inner == open { "{}" } else { "1" };
            format!("{open}{}{leaf}{}{close}", inner.repeat(levels), shut.repeat(levels))
        };
        let deepest = (1..150).take_while(|levels| read(&body(*levels)).is_ok()).last().expect("some depth");
        assert!(deepest >= 30, "{open}: {deepest}");
        let error = read(&body(deepest + 1)).expect_err("too deep");
        assert!(error.message().contains("nested deeper than 100"), "{error}");
    }
    assert!(read(&format!("{{\"value\":{}", "[".repeat(1_000_000))).is_err());
}
