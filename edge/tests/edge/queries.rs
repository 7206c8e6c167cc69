//! Query parameters become fields of the request, or an error that names the parameter.

use std::time::{Duration, Instant};

use lastmile_edge::transcode::ReadOptions;
use serde_json::json;

use crate::requests::{accepts, build_with, refused, refuses};

#[test]
fn query_parameters_reach_nested_and_repeated_fields() {
    accepts(
        "GET",
        "/v1/items/7?maker.name=A+B&maker.home_town=%C3%9C&tags=x&tags=y",
        "",
        json!({ "id": "7", "maker": { "name": "A B", "homeTown": "Ü" }, "tags": ["x", "y"] }),
    );
    for target in ["/v1/items?filter.child.maybeText=", "/v1/items?filter.child.maybe_text"] {
        accepts("GET", target, "", json!({ "filter": { "child": { "maybeText": "" } } }));
    }
    accepts("GET", "/v1/kinds?otherName=x&&", "", json!({ "otherName": "x" }));
    accepts("GET", "/v1/kinds?renamed=x", "", json!({ "otherName": "x" }));
}

#[test]
fn query_values_are_read_by_their_kind() {
    for (query, expected) in [
        ("int32Value=-5", json!({ "int32Value": -5 })),
        ("uint64_value=18446744073709551615", json!({ "uint64Value": "18446744073709551615" })),
        ("doubleValue=1.5e3", json!({ "doubleValue": 1500.0 })),
        ("doubleValue=-Infinity", json!({ "doubleValue": "-Infinity" })),
        ("color=BLUE", json!({ "color": "BLUE" })),
        ("color=-1", json!({ "color": "ULTRAVIOLET" })),
        ("color=77", json!({ "color": 77 })),
        ("colors=RED&colors=2", json!({ "colors": ["RED", "BLUE"] })),
        ("data=%2B%2F8%3D", json!({ "data": "+/8=" })),
        ("data=-_8", json!({ "data": "+/8=" })),
        ("time=2026-01-02T03:04:05Z", json!({ "time": "2026-01-02T03:04:05Z" })),
        ("duration=1.5s", json!({ "duration": "1.500s" })),
        ("mask=displayName,maker.homeTown", json!({ "mask": "displayName,maker.homeTown" })),
        ("mask=display_name,maker.home_town", json!({ "mask": "displayName,maker.homeTown" })),
        ("wrappedNumber=5", json!({ "wrappedNumber": "5" })),
        ("wrappedText=", json!({ "wrappedText": "" })),
        ("maybeNumber=0", json!({ "maybeNumber": 0 })),
    ] {
        accepts("GET", &format!("/v1/kinds?{query}"), "", expected);
    }
}

#[test]
fn a_bad_query_names_its_parameter() {
    for (query, field, words) in [
        ("nope=1", "nope", "has no field `nope`"),
        ("child.nope=1", "child.nope", "has no field `nope`"),
        ("texts.x=1", "texts.x", "not a single message"),
        ("text=a&text=b", "text", "given twice"),
        ("otherName=a&renamed=a", "renamed", "given twice"),
        ("maybeNumber=0&maybeNumber=0", "maybeNumber", "given twice"),
        ("int32Value=2147483648", "int32Value", "32-bit integer"),
        ("int32Value=1.5", "int32Value", "32-bit integer"),
        ("int32Value=", "int32Value", "32-bit integer"),
        ("uint32Value=-1", "uint32Value", "unsigned"),
        ("flag=TRUE", "flag", "`true` or `false`"),
        ("color=GREEN", "color", "COLOR_UNSPECIFIED, RED, BLUE"),
        ("data=*", "data", "base64"),
        ("makers=x", "makers", "list of messages"),
        ("value=5", "value", "send it in the body"),
        ("duration=1h2m", "duration", "1.5s"),
        ("int32Value=%201", "int32Value", "32-bit integer"),
        ("doubleValue=inf", "doubleValue", "number"),
        ("time=yesterday", "time", ""),
        ("child=x", "child", "name one of its fields"),
        ("labels=x", "labels", "map"),
        ("labels.a=x", "labels.a", "not a single message"),
    ] {
        refuses("GET", &format!("/v1/kinds?{query}"), "", field, words);
    }
    let error = refused("GET", "/v1/kinds?text=%zz", b"");
    assert_eq!(error.reason_text(), "QUERY_INVALID");
}

#[test]
fn a_field_given_twice_in_the_query_is_refused_even_with_its_default_first() {
    refuses("GET", "/v1/kinds?int32Value=0&int32Value=5", "", "int32Value", "given twice");
}

#[test]
fn a_deep_query_path_is_refused() {
    let deep = "child.".repeat(101);
    refuses("GET", &format!("/v1/kinds?{deep}text=x"), "", &format!("{deep}text"), "deep");
}

#[test]
fn entries_of_maps_stand_in_a_query_where_that_is_on() {
    let options = ReadOptions { query_maps: true, ..ReadOptions::default() };
    let on = |query: &str| build_with(options, "GET", &format!("/v1/kinds?{query}"), b"");
    for (query, expected) in [
        ("labels[a]=x&labels[b]=y", json!({ "labels": { "a": "x", "b": "y" } })),
        ("labels%5Ba%5D=x%26y", json!({ "labels": { "a": "x&y" } })),
        ("labels[a[b].c]=", json!({ "labels": { "a[b].c": "" } })),
        ("labels[]=x", json!({ "labels": { "": "x" } })),
        ("child.labels[a]=x", json!({ "child": { "labels": { "a": "x" } } })),
        ("colorsByFlag[true]=RED", json!({ "colorsByFlag": { "true": "RED" } })),
        ("data_by_id[18446744073709551615]=AQ", json!({ "dataById": { "18446744073709551615": "AQ==" } })),
    ] {
        assert_eq!(on(query).map_err(|error| error.to_string()), Ok(expected), "{query}");
    }
    for (query, words) in [
        ("labels=x", "is a map"),
        ("colorsByFlag[TRUE]=RED", "has a key that must be `true` or `false`"),
        ("colorsByFlag[true]=GREEN", "COLOR_UNSPECIFIED, RED"),
        ("makersById[1]=x", "is a message"),
        ("labels[a]=x&labels[a]=y", "given twice"),
        ("text[a]=x", "has no field `text[a]`"),
        ("nope[a]=x", "has no field `nope[a]`"),
    ] {
        let error = on(query).expect_err("a mistake");
        assert!(error.message().contains(words), "{query}: {error}");
    }
    refuses("GET", "/v1/kinds?labels[a]=x", "", "labels[a]", "rest.query_maps");
}

#[test]
fn many_parameters_beside_a_long_body_are_read_in_one_pass() {
    // Quadratic work takes a minute here.
    let query = "colors=RED&".repeat(1500);
    let body = format!("[{}\"\"]", "\"\",".repeat(300_000));
    let target = format!("/v1/kinds/x/texts?{query}");
    let begun = Instant::now();
    let message = build_with(ReadOptions::default(), "POST", &target, body.as_bytes()).expect("a request");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let length = |field: &str| message[field].as_array().map(Vec::len);
    assert_eq!((length("colors"), length("texts")), (Some(1500), Some(300_001)));
}
