//! What is declared as an OpenAPI document: whole by a golden file, and what must hold for any schema.

use std::collections::HashSet;

use bytes::Bytes;
use lastmile_edge::config::RestConfig;
use lastmile_edge::config::rest::{Compat, Enums, Envelope, ErrorForm, Int64, JsonConfig, Names};
use lastmile_edge::openapi::{Terms, document};
use lastmile_edge::schema::{RuleFile, Schema};
use prost::Message;
use prost_types::{FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto};
use serde_json::{Value, json};

use crate::shop::{compile, load, shop};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/edge/openapi/library.json");

fn library() -> Schema {
    load(include_str!("openapi/library.proto")).expect("a good schema")
}

fn describe_with(schema: &Schema, rest: &RestConfig) -> Value {
    let text = pretty(schema, rest);
    serde_json::from_str(&text).expect("JSON")
}

fn describe(schema: &Schema) -> Value {
    describe_with(schema, &RestConfig::default())
}

fn pretty(schema: &Schema, rest: &RestConfig) -> String {
    let terms = Terms { schema, rest, verifies: true, cookie: "lm_access" };
    serde_json::to_string_pretty(&document(terms)).expect("a document") + "\n"
}

/// `LASTMILE_WRITE=1` writes the file anew; look at what changed.
#[test]
fn the_library_is_described_as_before() {
    let text = pretty(&library(), &RestConfig::default());
    if std::env::var_os("LASTMILE_WRITE").is_some() {
        std::fs::write(GOLDEN, &text).expect("a golden file");
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("a golden file");
    if let Some((number, (now, before))) =
        text.lines().zip(golden.lines()).enumerate().find(|(_, (now, before))| now != before)
    {
        panic!("line {}: `{now}` was `{before}`; LASTMILE_WRITE=1 accepts it", number + 1);
    }
    assert_eq!(text.len(), golden.len(), "LASTMILE_WRITE=1 accepts it");
}

/// A second file with a service of its own, bound by a rule.
fn other_file() -> Bytes {
    let method = MethodDescriptorProto {
        name: Some("Ask".into()),
        input_type: Some(".google.protobuf.Empty".into()),
        output_type: Some(".google.protobuf.Empty".into()),
        ..Default::default()
    };
    let service = ServiceDescriptorProto {
        name: Some("Desk".into()),
        method: vec![method],
        ..ServiceDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("desk.proto".into()),
        package: Some("desk.v1".into()),
        syntax: Some("proto3".into()),
        dependency: vec!["google/protobuf/empty.proto".into()],
        service: vec![service],
        ..Default::default()
    };
    file.encode_to_vec().into()
}

#[test]
fn equal_schemas_give_equal_bytes_whatever_the_order_of_their_files() {
    let mut files = compile(include_str!("openapi/library.proto"));
    files.push(other_file());
    let rules =
        RuleFile::parse("rules.yaml", "http: { rules: [{ selector: desk.v1.Desk.Ask, get: /v1/desk }] }")
            .expect("rules");
    let first = Schema::load(files.clone(), &rules, JsonConfig::default(), |_| false).expect("a good schema");
    files.reverse();
    let second = Schema::load(files, &rules, JsonConfig::default(), |_| false).expect("a good schema");
    let rest = RestConfig::default();
    assert!(pretty(&first, &rest) == pretty(&second, &rest), "the order of the files shows");
}

/// Calls `visit` with every value in the document.
fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}

fn operations(document: &Value) -> Vec<(&str, &Value)> {
    let items = document["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, item) in items {
        let others = item["x-additionalOperations"].as_object();
        let usual = item.as_object().expect("a path item").iter().filter(|(key, _)| !key.starts_with("x-"));
        operations.extend(
            usual.chain(others.into_iter().flatten()).map(|(_, operation)| (path.as_str(), operation)),
        );
    }
    operations
}

#[track_caller]
fn check_sound(schema: &Schema) {
    let document = describe(schema);
    walk(&document, &mut |value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            let pointer = target.strip_prefix('#').expect("a reference within the document");
            assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
        }
    });
    let mut shapes = HashSet::new();
    for path in document["paths"].as_object().expect("paths").keys() {
        let shape: String =
            path.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
        assert!(shapes.insert((path.matches('{').count(), shape)), "{path} is another path's twin");
    }
    let mut ids = HashSet::new();
    let mut methods = HashSet::new();
    for (path, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().expect("an id")), "{operation}");
        methods.insert(operation["x-lastmile-method"].as_str().expect("a method"));
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let mut names = HashSet::new();
        for parameter in &parameters {
            assert!(
                names.insert((parameter["in"].to_string(), parameter["name"].to_string())),
                "{parameter}"
            );
            let hole = format!("{{{}}}", parameter["name"].as_str().expect("a name"));
            assert!(parameter["in"] != "path" || path.contains(&hole), "{hole} is not in {path}");
        }
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(path.matches('{').count(), in_path, "{path}");
    }
    for binding in &schema.bindings {
        assert!(methods.contains(binding.method.name()), "{} is not described", binding.method.name());
    }
}

#[test]
fn any_document_is_sound() {
    check_sound(shop());
    check_sound(&library());
}

/// The value at a JSON pointer.
#[track_caller]
fn at<'a>(document: &'a Value, pointer: &str) -> &'a Value {
    document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"))
}

#[test]
fn settings_show_in_the_schemas() {
    let mut rest = RestConfig::default();
    rest.json.int64 = Int64::Number;
    rest.json.enums = Enums::Number;
    rest.json.names = Names::Proto;
    rest.query_maps = true;
    let document = describe_with(&library(), &rest);
    let book = at(&document, "/components/schemas/library.v1.Book/properties");
    assert_eq!(book["pages"]["type"], "integer");
    assert_eq!(book["publish_time"]["format"], "date-time");
    assert_eq!(book["title"]["type"], "string", "not the json_name");
    assert_eq!(at(&document, "/components/schemas/library.v1.Genre/enum"), &json!([0, 1, 2]));
    let query = at(&document, "/paths/~1v1~1books/get/parameters").as_array().expect("parameters");
    let find = |name: &str| query.iter().find(|parameter| parameter["name"] == name).expect(name);
    assert_eq!(find("limits")["style"], "deepObject");
    assert_eq!(find("filter.published_after")["schema"]["format"], "date-time");
}

#[test]
fn errors_are_described_in_the_form_they_have() {
    let content = |rest: RestConfig| {
        let document = describe_with(&library(), &rest);
        let content = at(&document, "/components/responses/Error/content").clone();
        let (media, schema) = content.as_object().and_then(|content| content.iter().next()).expect("content");
        format!("{media} {}", schema["schema"]["$ref"].as_str().expect("a reference"))
    };
    let base = RestConfig::default;
    for (rest, expected) in [
        (base(), "application/problem+json #/components/schemas/lastmile.Problem"),
        (
            RestConfig { errors: ErrorForm::Status, ..base() },
            "application/json #/components/schemas/google.rpc.Status",
        ),
        (
            RestConfig { compat: Compat::GrpcGateway, ..base() },
            "application/json #/components/schemas/google.rpc.Status",
        ),
        (
            RestConfig { envelope: Envelope::CodeData, ..base() },
            "application/json #/components/schemas/lastmile.Failure",
        ),
    ] {
        assert_eq!(content(rest), expected);
    }
}

#[test]
fn an_edge_that_does_not_verify_demands_no_token() {
    let schema = library();
    let rest = RestConfig::default();
    let terms = Terms { schema: &schema, rest: &rest, verifies: false, cookie: "lm_access" };
    let document = serde_json::to_value(document(terms)).expect("JSON");
    assert_eq!(document["security"], json!([{}, {"bearer": []}]));
    assert!(document.pointer("/paths/~1v1~1books/get/responses/401").is_none());
}
