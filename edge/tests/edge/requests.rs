//! Path, query and body become one request message, or an error that names the field.

use bytes::Bytes;
use lastmile_edge::config::rest::Unknown;
use lastmile_edge::error::{Error, Result};
use lastmile_edge::schema::routes::Found;
use lastmile_edge::transcode::{Parts, Payload, ReadOptions, query, request};
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};

use crate::shop::shop;

/// The request message, written by prost-reflect: only what is set.
fn build(method: &str, target: &str, body: &[u8]) -> Result<Value> {
    build_with(ReadOptions::default(), method, target, body)
}

pub(crate) fn build_with(options: ReadOptions, method: &str, target: &str, body: &[u8]) -> Result<Value> {
    let (path, parameters) = target.split_once('?').unwrap_or((target, ""));
    let Ok(Found::Route(route)) = shop().routes.find(method, path) else {
        panic!("no route {method} {target}")
    };
    let parameters = query::parse(parameters)?;
    let body = Payload::Json(Bytes::copy_from_slice(body));
    let parts = Parts { variables: &route.variables, query: &parameters, body: &body };
    let http_method = method.parse().expect("an HTTP method");
    let message = request(route.value, &http_method, &parts, options)?;
    let input = route.value.method.descriptor.input();
    let message = DynamicMessage::decode(input, message.as_slice()).expect("an encoded request");
    Ok(serde_json::to_value(&message).expect("a request that can be written"))
}

#[track_caller]
pub(crate) fn accepts(method: &str, target: &str, body: impl AsRef<[u8]>, expected: Value) {
    let message = build(method, target, body.as_ref()).map_err(|error| error.to_string());
    assert_eq!(message, Ok(expected), "{method} {target}");
}

#[track_caller]
pub(crate) fn refused(method: &str, target: &str, body: &[u8]) -> Error {
    match build(method, target, body) {
        Err(error) => {
            assert_eq!(error.http_status(), 400, "{method} {target}: {error}");
            error
        }
        Ok(message) => panic!("{method} {target}: accepted as {message}"),
    }
}

/// Refused with `field` named and a text that holds `words`.
#[track_caller]
pub(crate) fn refuses(method: &str, target: &str, body: impl AsRef<[u8]>, field: &str, words: &str) {
    let error = refused(method, target, body.as_ref());
    let named = error.to_problem()["errors"][0]["field"].clone();
    assert_eq!((error.reason_text(), named), ("FIELD_INVALID", json!(field)), "{method} {target}: {error}");
    assert!(error.message().contains(words), "{method} {target}: `{words}` is not in: {error}");
}

/// Refused as no JSON at all.
#[track_caller]
fn refuses_json(method: &str, target: &str, body: impl AsRef<[u8]>) {
    let error = refused(method, target, body.as_ref());
    assert_eq!(error.reason_text(), "JSON_INVALID", "{method} {target}: {error}");
}

#[test]
fn every_binding_fills_the_message_from_its_parts() {
    accepts("GET", "/v1/items/7", "", json!({ "id": "7" }));
    accepts("GET", "/v1/items/a%2Fb%20c+d", "", json!({ "id": "a/b c+d" }));
    accepts("GET", "/v1/items", "", json!({}));
    accepts(
        "POST",
        "/v1/shelves/3/items?requestId=r1&dry_run=true",
        r#"{"id":"7","amount":2}"#,
        json!({ "parent": "shelves/3", "item": { "id": "7", "amount": 2 }, "requestId": "r1", "dryRun": true }),
    );
    accepts("POST", "/v1/shelves/3/items", "", json!({ "parent": "shelves/3" }));
    accepts("PUT", "/v1/items/7", r#"{"item":{"amount":1}}"#, json!({ "item": { "id": "7", "amount": 1 } }));
    accepts("PUT", "/v1/items/7", "", json!({ "item": { "id": "7" } }));
    accepts("GET", "/v1/shelves/1/files/a/b%2Fc", "", json!({ "name": "shelves/1/files/a/b%2Fc" }));
    accepts("GET", "/v1/shelves/1/files", "", json!({ "name": "shelves/1/files" }));
    accepts("POST", "/v1/kinds:echo", r#"{"flag":true}"#, json!({ "flag": true }));
    accepts("GET", "/v1/kinds?flag=true", "", json!({ "flag": true }));
    accepts(
        "POST",
        "/v1/kinds/5?text=x",
        r#"{"text":"y"}"#,
        json!({ "int32Value": 5, "text": "x", "child": { "text": "y" } }),
    );
    accepts("PURGE", "/v1/kinds?text=x", "", json!({ "text": "x" }));
}

#[test]
fn a_field_of_the_path_is_changed_by_nobody() {
    let equal = json!({ "item": { "id": "7" } });
    for (target, body) in [
        ("/v1/items/7?item.id=7", r#"{"item":{"id":"7"}}"#),
        ("/v1/items/7", r#"{"item":{"id":"7"}}"#),
        ("/v1/items/7?item.id=7", ""),
    ] {
        accepts("PUT", target, body, equal.clone());
    }
    refuses("PUT", "/v1/items/7", r#"{"item":{"id":"8"}}"#, "item.id", "set by the path");
    refuses("PUT", "/v1/items/7?item.id=8", "{}", "item.id", "set by the path");
    refuses("PATCH", "/v1/items/7", r#"{"id":"8"}"#, "item.id", "set by the path");
    refuses("GET", "/v1/items/7?id=8", "", "id", "set by the path");
    refuses("GET", "/v1/items/7?id=", "", "id", "set by the path");
    refuses("POST", "/v1/kinds/5?int32Value=6", "{}", "int32Value", "set by the path");
    refuses("POST", "/v1/kinds/5?int32_value=6", "{}", "int32_value", "set by the path");
    refuses("POST", "/v1/kinds/5?int32_value=0", "{}", "int32_value", "set by the path");
    refuses("POST", "/v1/kinds/x", "{}", "int32_value", "in the path");
    accepts("POST", "/v1/kinds/5?int32_value=5", "{}", json!({ "int32Value": 5, "child": {} }));
}

#[test]
fn a_field_of_the_path_is_changed_under_no_other_spelling() {
    accepts("GET", "/v1/wrapped/5?wrappedNumber=5", "", json!({ "wrappedNumber": "5" }));
    accepts("PUT", "/v1/wrapped/5", r#"{"wrappedNumber":5}"#, json!({ "wrappedNumber": "5" }));
    refuses("GET", "/v1/wrapped/5?wrappedNumber=6", "", "wrappedNumber", "set by the path");
    refuses("GET", "/v1/wrapped/5?wrapped_number.value=6", "", "wrapped_number.value", "set by the path");
    refuses("PUT", "/v1/wrapped/5", r#"{"wrappedNumber":"6"}"#, "wrapped_number.value", "set by the path");
    refuses("PUT", "/v1/items/7", r#"{"item":{"id":""}}"#, "item.id", "set by the path");
    accepts("PUT", "/v1/items/7", r#"{"item":{"id":null}}"#, json!({ "item": { "id": "7" } }));
    let two = "/v1/kinds?wrappedNumber=5&wrapped_number.value=5";
    refuses("GET", two, "", "wrapped_number.value", "given twice");
}

#[test]
fn a_body_fills_a_field_of_any_kind() {
    let fills = |target: &str, body: &str, mut expected: Value| {
        expected["text"] = json!("x");
        accepts("POST", &format!("/v1/kinds/x/{target}"), body, expected);
    };
    fills("texts", r#"["a","b"]"#, json!({ "texts": ["a", "b"] }));
    fills("texts", "null", json!({}));
    fills("makers", r#"{"3":{"name":"n"}}"#, json!({ "makersById": { "3": { "name": "n" } } }));
    fills("number", "7", json!({ "int32Value": 7 }));
    fills("time", r#""2026-01-02T03:04:05Z""#, json!({ "time": "2026-01-02T03:04:05Z" }));
    refuses("POST", "/v1/kinds/x/texts", r#"["a",5]"#, "texts[1]", "must be a string");
    refuses("POST", "/v1/kinds/x/texts", "{}", "texts", "must be an array");
    refuses("POST", "/v1/kinds/x/makers", r#"{"3":{"nope":1}}"#, "makersById.3.nope", "unknown");
    refuses("POST", "/v1/kinds/x/number", "\"x\"", "int32Value", "32-bit integer (line 1, column 1)");
    refuses("POST", "/v1/kinds/x/texts?texts=c", r#"["a"]"#, "texts", "belongs in the body");
}

#[test]
fn a_body_that_no_field_takes_is_refused() {
    for body in ["{}", " { } ", ""] {
        accepts("GET", "/v1/items/7", body, json!({ "id": "7" }));
    }
    for body in [r#"{"id":"7"}"#, "null", "[]", "x"] {
        let error = refused("GET", "/v1/items/7", body.as_bytes());
        assert_eq!(error.reason_text(), "BODY_UNEXPECTED", "{body}: {error}");
    }
}

#[test]
fn what_is_unknown_is_passed_over_where_that_is_on() {
    let options = ReadOptions {
        unknown_query: Unknown::Ignore,
        unknown_fields: Unknown::Ignore,
        ..ReadOptions::default()
    };
    let built = build_with(
        options,
        "POST",
        "/v1/shelves/3/items?utm_source=x&requestId=r",
        br#"{"id":"7","nope":1}"#,
    );
    let expected = json!({ "parent": "shelves/3", "item": { "id": "7" }, "requestId": "r" });
    assert_eq!(built.map_err(|error| error.to_string()), Ok(expected));
    let patched =
        build_with(options, "PATCH", "/v1/items/7", br#"{"nope":1,"amount":2}"#).expect("a request");
    assert_eq!(patched["updateMask"], json!("amount"));
    assert!(build_with(options, "GET", "/v1/kinds?int32Value=x", b"").is_err(), "it is known");
}

#[test]
fn a_oneof_of_the_path_is_changed_by_nobody() {
    accepts("GET", "/v1/choices/5", "", json!({ "number": 5 }));
    refuses("GET", "/v1/choices/5?word=x", "", "word", "");
    assert_eq!(refused("POST", "/v1/choices/5", br#"{"word":"x"}"#).reason_text(), "FIELD_INVALID");
}

#[test]
fn members_of_a_oneof_exclude_each_other() {
    refuses("GET", "/v1/choices?word=x&number=5", "", "number", "");
    let body = br#"{"word":"x","number":5}"#;
    assert_eq!(refused("POST", "/v1/kinds:echo", body).reason_text(), "FIELD_INVALID");
    accepts("POST", "/v1/kinds:echo", r#"{"word":"x","number":null}"#, json!({ "word": "x" }));
}

#[test]
fn a_parameter_of_the_body_belongs_there() {
    refuses("POST", "/v1/kinds:echo?text=x", "{}", "text", "belongs in the body");
    refuses("POST", "/v1/shelves/3/items?item.amount=1", "{}", "item.amount", "belongs in the body");
}

#[test]
fn a_patch_without_a_mask_gets_the_leaves_of_its_body() {
    let patch = |body: &str, expected: Value| accepts("PATCH", "/v1/items/7", body, expected);
    patch(
        r#"{"display_name":"x","maker":{"homeTown":"y"},"amount":0,"tags":[],"labels":{"a":"b"}}"#,
        json!({
            "item": { "id": "7", "displayName": "x", "maker": { "homeTown": "y" }, "labels": { "a": "b" } },
            "updateMask": "amount,displayName,labels,maker.homeTown,tags",
        }),
    );
    patch(
        r#"{"maker":{},"labels":{},"color":"RED"}"#,
        json!({ "item": { "id": "7", "maker": {}, "color": "RED" }, "updateMask": "color,labels,maker" }),
    );
    patch(
        r#"{"madeTime":"2026-01-02T03:04:05Z","color":null}"#,
        json!({ "item": { "id": "7", "madeTime": "2026-01-02T03:04:05Z" }, "updateMask": "color,madeTime" }),
    );
    patch(r#"{"id":"7","amount":1}"#, json!({ "item": { "id": "7", "amount": 1 }, "updateMask": "amount" }));
    let given = json!({ "item": { "id": "7", "amount": 1 }, "updateMask": "displayName" });
    for name in ["updateMask=displayName", "update_mask=display_name"] {
        accepts("PATCH", &format!("/v1/items/7?{name}"), r#"{"amount":1}"#, given.clone());
    }
    accepts("PUT", "/v1/items/7", r#"{"item":{"amount":1}}"#, json!({ "item": { "id": "7", "amount": 1 } }));
}

#[test]
fn json_values_are_read_by_their_kind() {
    for (body, expected) in [
        (r#"{"int32Value":"5","int64Value":5}"#, json!({ "int32Value": 5, "int64Value": "5" })),
        (r#"{"int64_value":"-9223372036854775808"}"#, json!({ "int64Value": "-9223372036854775808" })),
        (r#"{"int32Value":1e2,"uint32Value":2.0}"#, json!({ "int32Value": 100, "uint32Value": 2 })),
        (
            r#"{"doubleValue":"NaN","floatValue":"-Infinity"}"#,
            json!({ "doubleValue": "NaN", "floatValue": "-Infinity" }),
        ),
        (
            r#"{"color":"RED","colors":[2,"ULTRAVIOLET",77]}"#,
            json!({ "color": "RED", "colors": ["BLUE", "ULTRAVIOLET", 77] }),
        ),
        (r#"{"data":"+/8="}"#, json!({ "data": "+/8=" })),
        (r#"{"data":"-_8"}"#, json!({ "data": "+/8=" })),
        (r#"{"data":"-_8="}"#, json!({ "data": "+/8=" })),
        (r#"{"mask":"displayName,maker.homeTown"}"#, json!({ "mask": "displayName,maker.homeTown" })),
        (r#"{"text":null,"child":null,"texts":null,"maybeText":null}"#, json!({})),
        (r#"{"value":null}"#, json!({ "value": null })),
        (
            r#"{"structure":{"a":[1,null,{"b":"c"}]},"list":[]}"#,
            json!({ "structure": { "a": [1.0, null, { "b": "c" }] }, "list": [] }),
        ),
        (r#"{"wrappedNumber":"0","wrappedText":null}"#, json!({ "wrappedNumber": "0" })),
        (
            r#"{"any":{"@type":"x/shop.v1.Maker","name":"n"}}"#,
            json!({ "any": { "@type": "x/shop.v1.Maker", "name": "n" } }),
        ),
        (
            r#"{"makersById":{"-1":{"name":"n"}},"colorsByFlag":{"true":"RED"}}"#,
            json!({ "makersById": { "-1": { "name": "n" } }, "colorsByFlag": { "true": "RED" } }),
        ),
        (" {\n} ", json!({})),
    ] {
        accepts("POST", "/v1/kinds:echo", body, expected);
    }
}

#[test]
fn a_bad_json_value_names_its_field_from_the_root() {
    for (body, field) in [
        (r#"{"nope":1}"#, "nope"),
        (r#"{"child":{"nope":1}}"#, "child.nope"),
        (r#"{"makers":[{},{"nope":1}]}"#, "makers[1].nope"),
        (r#"{"makers":[{},{"name":1}]}"#, "makers[1].name"),
        (r#"{"text":1}"#, "text"),
        (r#"{"flag":"true"}"#, "flag"),
        (r#"{"flag":0}"#, "flag"),
        (r#"{"int32Value":2147483648}"#, "int32Value"),
        (r#"{"int32Value":1.5}"#, "int32Value"),
        (r#"{"int32Value":""}"#, "int32Value"),
        (r#"{"uint64Value":-1}"#, "uint64Value"),
        (r#"{"int64Value":true}"#, "int64Value"),
        (r#"{"color":"GREEN"}"#, "color"),
        (r#"{"data":"*"}"#, "data"),
        (r#"{"texts":"x"}"#, "texts"),
        (r#"{"texts":["x",null]}"#, "texts[1]"),
        (r#"{"labels":{"a":null}}"#, "labels.a"),
        (r#"{"child":[]}"#, "child"),
        (r#"{"child":"x"}"#, "child"),
        (r#"{"time":"yesterday"}"#, "time"),
        (r#"{"duration":"1"}"#, "duration"),
        (r#"{"text":"a","text":"b"}"#, "text"),
        (r#"{"otherName":"a","renamed":"a"}"#, "renamed"),
        (r#"{"child":{"int32Value":1,"int32_value":1}}"#, "child.int32_value"),
        (r#"{"labels":{"a":"1","a":"2"}}"#, "labels.a"),
        (r#"{"structure":{"a":{"b":1,"b":2}}}"#, "structure.a.b"),
    ] {
        refuses("POST", "/v1/kinds:echo", body, field, "");
    }
    refuses("POST", "/v1/shelves/3/items", r#"{"maker":{"name":5}}"#, "item.maker.name", "");
    refuses("POST", "/v1/kinds/5", r#"{"child":{"nope":5}}"#, "child.child.nope", "");
}

#[test]
fn messages_in_maps_and_any_are_read_as_strictly() {
    refuses("POST", "/v1/kinds:echo", r#"{"makersById":{"1":{"nope":1}}}"#, "makersById.1.nope", "unknown");
    let makers = r#"{"makersById":{"1":{"homeTown":"a","home_town":"b"}}}"#;
    refuses("POST", "/v1/kinds:echo", makers, "makersById.1.home_town", "twice");
    let any = r#"{"any":{"@type":"x/shop.v1.Maker","homeTown":"a","home_town":"b"}}"#;
    assert_eq!(refused("POST", "/v1/kinds:echo", any.as_bytes()).reason_text(), "FIELD_INVALID");
}

#[test]
fn a_body_is_one_json_document() {
    for body in ["null", "1", "[]", "\"x\""] {
        let error = refused("POST", "/v1/kinds:echo", body.as_bytes());
        assert_eq!(error.reason_text(), "FIELD_INVALID", "{body}: {error}");
    }
    for body in
        [&b"{"[..], b"{}x", b"{}{}", b"{} {}", b"{'a':1}", b"{\"text\":1e999}", b"{\"doubleValue\":1e999}"]
    {
        refuses_json("POST", "/v1/kinds:echo", body);
    }
    for body in
        [&b"{\"text\":\"\xff\"}"[..], b"{\"text\":\"\\ud800\"}", b"{\"text\":\"a\nb\"}", b"\xff\xfe{\0}\0"]
    {
        refuses_json("POST", "/v1/kinds:echo", body);
    }
}

#[test]
fn a_body_fills_only_its_own_field() {
    refuses_json("POST", "/v1/shelves/3/items", r#"{"id":"1"},"requestId":"r""#);
    refuses_json("POST", "/v1/shelves/3/items", r#"{"id":"1"},"dryRun":true"#);
    refuses_json("PATCH", "/v1/items/7", r#"{"amount":1},"updateMask":"displayName""#);
    refuses_json("POST", "/v1/shelves/3/items", r#"{}}"#);
    refuses_json("POST", "/v1/shelves/3/items", " ");
}

#[test]
fn nesting_ends_at_a_hundred_levels() {
    let nested = |levels: usize| format!("{}{}", r#"{"child":"#.repeat(levels - 1) + "{", "}".repeat(levels));
    assert!(build("POST", "/v1/kinds:echo", nested(100).as_bytes()).is_ok());
    let error = refused("POST", "/v1/kinds:echo", nested(102).as_bytes());
    assert!(error.message().contains("nested deeper than 100"), "{error}");
    let list = format!(r#"{{"value":{}{}}}"#, "[".repeat(101), "]".repeat(101));
    assert!(refused("POST", "/v1/kinds:echo", list.as_bytes()).message().contains("nested deeper than 100"));
    let flood = "[".repeat(100_000);
    assert_eq!(refused("POST", "/v1/kinds:echo", flood.as_bytes()).http_status(), 400);
}
