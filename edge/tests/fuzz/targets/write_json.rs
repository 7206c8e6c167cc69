//! Protobuf to JSON: what is written is JSON, under every setting, and is written again when it was read.

use std::sync::LazyLock;

use lastmile_edge::config::rest::{Defaults, Enums, Int64, JsonConfig, Names};
use lastmile_edge::schema::Plan;
use lastmile_edge::schema::plan::{self, Style};
use lastmile_edge::transcode::write_json;
use serde_json::Value;

use super::Target;
use super::read_json::read;
use crate::shop::shop;

pub(super) const TARGET: Target = Target {
    name: "write_json",
    run,
    words: &[
        b"\xaa\x02\x11\x0a\x0fx/shop.v1.Maker",
        b"\xaa\x02\x1e\x0a\x1cx/google.protobuf.Int64Value",
        b"\xf2\x01\x02\x08\x01",
        b"\x9a\x02\x04\x1a\x02\x08\x01",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\xd2\x01\x04\x0a\x01k\x12",
    ],
};

/// Everything that can be told to be otherwise.
static OTHER: LazyLock<Plan> = LazyLock::new(|| {
    let json = JsonConfig {
        defaults: Defaults::Omit,
        int64: Int64::Number,
        enums: Enums::Number,
        names: Names::Proto,
    };
    plan::compile(&shop().pool, Style { json, ..Style::default() }, &mut Vec::new())
});

fn run(data: &[u8]) -> bool {
    let written = write(&shop().plan, data);
    assert_eq!(write(&OTHER, data).is_some(), written.is_some(), "another form, another answer");
    let Some(json) = written else { return false };
    let value: Value = serde_json::from_slice(&json).expect("JSON");
    // An Any of unknown type is written, but cannot be read.
    if !json.windows(7).any(|text| text == b"\"@type\"") {
        let bytes =
            read("Kinds", &json).unwrap_or_else(|problem| panic!("{value} cannot be read: {problem}"));
        let again: Value =
            serde_json::from_slice(&write(&shop().plan, &bytes).expect("JSON again")).expect("JSON");
        assert_eq!(again, value);
    }
    true
}

fn write(plan: &Plan, data: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let id = plan.find("shop.v1.Kinds").expect("a type of the shop");
    write_json(plan, id, data, &mut out).ok().map(|()| out)
}
