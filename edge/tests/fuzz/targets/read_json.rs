//! JSON to protobuf: what is read is written, and read again as the same message; what is no JSON is refused.

use lastmile_edge::transcode::{read_json, write_json};
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::Value;

use super::Target;
use crate::shop::{descriptor, shop};

pub(super) const TARGET: Target = Target {
    name: "read_json",
    run,
    words: &[
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"null",
        b"\"NaN\"",
        b"1e5",
        b"-0",
        b"\"\\ud83d\\ude00\"",
        b"\\u0000",
        b"{\"flag\":true}",
        b"\"child\":{",
        b"\"int64Value\":\"1\"",
        b"\"int64_value\":1",
        b"\"time\":\"2026-01-02T03:04:05Z\"",
        b"\"any\":{\"@type\":\"x/shop.v1.Maker\"}",
        b"\"labels\":{\"a\":\"b\"}",
        b"\"value\":[1]",
        b"\"mask\":\"a.bC\"",
    ],
};

/// Reads a message of the shop as a request is read.
pub(super) fn read(name: &str, json: &[u8]) -> Result<Vec<u8>, String> {
    read_json(&descriptor(name), json)
        .map(|message| message.encode_to_vec())
        .map_err(|error| error.to_string())
}

fn run(data: &[u8]) -> bool {
    let Ok(bytes) = read("Kinds", data) else { return false };
    assert!(serde_json::from_slice::<Value>(data).is_ok(), "what is read is JSON");
    let plan = &shop().plan;
    let id = plan.find("shop.v1.Kinds").expect("a type of the shop");
    let mut written = Vec::new();
    if write_json(plan, id, &bytes, &mut written).is_err() {
        // Infinite Values and the like are read by nobody; a message that was read has a form.
        panic!("what was read cannot be written");
    }
    let again = read("Kinds", &written).unwrap_or_else(|problem| panic!("cannot be read again: {problem}"));
    let decode = |bytes: &[u8]| DynamicMessage::decode(descriptor("Kinds"), bytes).expect("a message");
    let (first, again) = (decode(&bytes), decode(&again));
    assert!(first == again || has_nan(&written), "read again it is another message");
    true
}

/// NaN is not equal to itself.
fn has_nan(json: &[u8]) -> bool {
    json.windows(5).any(|text| text == b"\"NaN\"")
}
