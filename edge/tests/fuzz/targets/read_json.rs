//! JSON to protobuf: what is read is written, and written the same when it is read again; what is no JSON is refused.

use lastmile_edge::transcode::{ReadOptions, read_json, write_json};
use serde_json::Value;

use super::Target;
use crate::shop::shop;

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
    let plan = &shop().plan;
    let id = plan.find(&format!("shop.v1.{name}")).ok_or("no such message")?;
    let mut bytes = Vec::new();
    read_json(plan, id, ReadOptions::default(), json, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn run(data: &[u8]) -> bool {
    let Ok(bytes) = read("Kinds", data) else { return false };
    assert!(serde_json::from_slice::<Value>(data).is_ok(), "what is read is JSON");
    let written = write(&bytes);
    let again = read("Kinds", &written).unwrap_or_else(|problem| panic!("cannot be read again: {problem}"));
    let parse = |json: &[u8]| serde_json::from_slice::<Value>(json).expect("JSON");
    assert_eq!(parse(&write(&again)), parse(&written));
    true
}

/// A message that was read has a form.
fn write(message: &[u8]) -> Vec<u8> {
    let plan = &shop().plan;
    let id = plan.find("shop.v1.Kinds").expect("a type of the shop");
    let mut out = Vec::new();
    write_json(plan, id, message, &mut out).unwrap_or_else(|problem| panic!("{problem}"));
    out
}
