//! The page of settings: every key with its default, and none that does not exist.

use std::collections::BTreeMap;

use lastmile_edge::config::{EdgeConfig, UpstreamConfig};
use serde_json::{Map, Value};

const PAGE: &str = include_str!("../../SETTINGS.md");

/// Keys and defaults as the page spells them.
type Settings = BTreeMap<String, String>;

fn collect(prefix: &str, fields: &Map<String, Value>, found: &mut Settings) {
    for (key, value) in fields {
        let key = format!("{prefix}{key}");
        match value {
            Value::Object(fields) if !fields.is_empty() => collect(&format!("{key}."), fields, found),
            Value::Null => drop(found.insert(key, "–".into())),
            value => drop(found.insert(key, format!("`{value}`"))),
        }
    }
}

fn declared() -> Settings {
    let mut found = Settings::new();
    let mut edge = serde_json::to_value(EdgeConfig::default()).expect("JSON");
    edge.as_object_mut().expect("keys").remove("upstream").expect("told in a table of its own");
    let upstream = serde_json::to_value(UpstreamConfig::default()).expect("JSON");
    for (prefix, settings) in [("", edge), ("upstream.", upstream)] {
        collect(prefix, settings.as_object().expect("keys"), &mut found);
    }
    found
}

fn told() -> Settings {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| {
        let (key, rest) = row.split_once("` | ").expect("a key");
        let (default, meaning) = rest.split_once(" | ").expect("a default");
        assert!(meaning.trim_end_matches('|').trim().len() > 3, "`{key}` has no meaning");
        (key.to_owned(), default.to_owned())
    });
    cells.collect()
}

#[test]
fn the_page_tells_every_key_and_its_default() {
    assert_eq!(told(), declared());
}
