//! Rules are checked when descriptors load: every mistake at once, each with its file, its method and what to do.

use std::sync::LazyLock;

use bytes::Bytes;
use lastmile_edge::config::rest::JsonConfig;
use lastmile_edge::schema::method::{EventName, Tier};
use lastmile_edge::schema::routes::Found;
use lastmile_edge::schema::{Mistakes, RuleFile, Schema};
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorProto};

use crate::arbitrary::unrecorded;
use crate::shop::{compile, load, load_with, method, shop};

/// A backend whose method `t.S.M` has these options; `stream` stands before its response.
pub(crate) fn backend(options: &str, stream: &str) -> String {
    format!(
        r#"
        syntax = "proto3";
        package t;
        import "google/api/annotations.proto";
        import "google/protobuf/struct.proto";
        import "google/protobuf/timestamp.proto";
        import "lastmile/edge/v1/annotations.proto";
        message Request {{
          string id = 1; int32 number = 2; repeated string ids = 3; Inner inner = 4; string after = 5; bytes raw = 6;
          google.protobuf.Timestamp time = 7; google.protobuf.Value value = 9;
          map<string, string> names = 10;
        }}
        message Response {{
          string cursor = 1; bool position = 2; string previous = 3; Inner inner = 4; repeated Inner inners = 5;
          string type = 6; double ratio = 7; oneof change {{ Bad bad = 8; string open = 9; }}
        }}
        message Inner {{ string id = 1; }}
        message Bad {{ option (lastmile.edge.v1.event) = "lm-bad"; }}
        service S {{
          rpc M(Request) returns ({stream} Response) {{ {options} }}
          rpc Other(Inner) returns (Response);
          rpc Watch(Inner) returns (stream Response);
        }}
        "#
    )
}

pub(crate) fn mistakes(loaded: Result<Schema, Mistakes>) -> Vec<String> {
    loaded.err().map(|mistakes| mistakes.0.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

/// Exactly these problems, each told of file and method.
#[track_caller]
pub(crate) fn check(text: &str, problems: &[&str]) {
    let expected: Vec<String> =
        problems.iter().map(|problem| format!("test.proto: t.S.M: {problem}")).collect();
    assert_eq!(mistakes(load(text)), expected);
}

#[test]
fn a_wrong_stream_rule_is_told() {
    for (rule, problems) in [
        (
            r#"cursor: "cursor" resume: "after" position: "position" previous: "previous" event: "type" data: "inner""#,
            &[][..],
        ),
        (
            r#"cursor: "cursor" resume: "after""#,
            &["stream: a resumable stream needs `position`: a message without an event that is sent first"],
        ),
        (
            r#"cursor: "cursor" position: "position""#,
            &["stream: `cursor` and `resume` make a stream resumable only together"],
        ),
        (r#"resume: "after""#, &["stream: `cursor` and `resume` make a stream resumable only together"]),
        (
            r#"cursor: "curser" resume: "after" position: "position""#,
            &["stream: cursor: `t.Response` has no field `curser`"],
        ),
        (
            r#"cursor: "ratio" resume: "after" position: "position""#,
            &[
                "stream: cursor must be a single string, bytes or integer field",
                "stream: `cursor` and `resume` must be of the same type",
            ],
        ),
        (
            r#"cursor: "cursor" resume: "number" position: "position""#,
            &["stream: `cursor` and `resume` must be of the same type"],
        ),
        (
            r#"cursor: "cursor" resume: "ids" position: "position""#,
            &["stream: resume must be a single string, bytes or integer field"],
        ),
        (r#"position: "type""#, &["stream: position must be a bool field"]),
        (r#"previous: "inner""#, &["stream: previous must be a single string, bytes or integer field"]),
        (r#"data: "type""#, &["stream: data must be a single message field"]),
        (r#"data: "inners""#, &["stream: data must be a single message field"]),
        (r#"event: "nope""#, &["stream: event: `t.Response` has no field `nope`"]),
        (r#"event: "ratio""#, &["stream: event must be a string or enum field, or the name of a oneof"]),
        (
            r#"event: "change""#,
            &[
                "stream: `lm-bad` cannot name an event: [A-Za-z0-9_.:-]{1,64}, not open, error, message or lm-*",
                "stream: `open` cannot name an event: [A-Za-z0-9_.:-]{1,64}, not open, error, message or lm-*",
            ],
        ),
        (r#"split: "ids""#, &["stream: split `ids` must name two request fields, as in \"topics:topic\""]),
        (
            r#"split: "ids:nope""#,
            &["stream: split `ids:nope` must name two request fields, as in \"topics:topic\""],
        ),
        (
            r#"split: "id:after""#,
            &["stream: split needs a repeated field, then a single one of the same type"],
        ),
        (
            r#"split: "ids:number""#,
            &["stream: split needs a repeated field, then a single one of the same type"],
        ),
        (r#"snapshot: "t.S/Nope""#, &["stream: snapshot `t.S/Nope` is not a unary method"]),
        (r#"snapshot: "t.S/Watch""#, &["stream: snapshot `t.S/Watch` is not a unary method"]),
        (
            r#"snapshot: "t.S/Other" snapshot_cursor: "nope""#,
            &["stream: snapshot_cursor: `t.Response` has no field `nope`"],
        ),
        (r#"heartbeat { nanos: 1 }"#, &["stream: heartbeat must be at least 1s"]),
        (r#"beginning: ["id", "nope"]"#, &["stream: beginning `nope` is not a field of the request"]),
        (r#"max_age { seconds: -5 }"#, &["stream: max_age must be at least 1s"]),
        (r#"share { scope: SCOPE_AUTHORIZED }"#, &["stream: share scope AUTHORIZED needs `authorize`"]),
        (
            r#"share { scope: SCOPE_AUTHORIZED authorize: "t.S/Other" }"#,
            &["stream: authorize `t.S/Other` is not a unary method with the same request type"],
        ),
    ] {
        check(&backend(&format!("option (lastmile.edge.v1.stream) = {{ {rule} }};"), "stream"), problems);
    }
    let unary = backend(r#"option (lastmile.edge.v1.stream) = { event: "type" };"#, "");
    check(&unary, &["stream: only a server-streaming method can have a StreamRule"]);
}

#[test]
fn a_wrong_auth_rule_is_told() {
    for (rule, problems) in [
        (
            r#"set_cookie { key: "token" value: "cursor" } from_cookie { key: "t" value: "after" } clear_cookie: "t""#,
            &[][..],
        ),
        (r#"set_cookie { key: "a b" value: "cursor" }"#, &["auth: set_cookie: `a b` cannot name a cookie"]),
        (r#"set_cookie { key: "a" value: "nope" }"#, &["auth: set_cookie: `t.Response` has no field `nope`"]),
        (
            r#"from_cookie { key: "a" value: "number" }"#,
            &["auth: from_cookie: `number` must be a string field"],
        ),
        (r#"clear_cookie: """#, &["auth: clear_cookie: `` cannot name a cookie"]),
    ] {
        check(&backend(&format!("option (lastmile.edge.v1.auth) = {{ {rule} }};"), ""), problems);
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let options = r#"
        option (google.api.http) = { get: "v1" additional_bindings { get: "/ws" } };
        option (lastmile.edge.v1.stream) = { cursor: "cursor" position: "position" event: "nope" };
        option (lastmile.edge.v1.auth) = { clear_cookie: "=" };
    "#;
    let loaded = load_with(compile(&backend(options, "stream")), "events: { t.Nope: 'x' }");
    let told = loaded.expect_err("mistakes");
    assert_eq!(
        told.to_string(),
        "6 mistakes in the backend's rules:\
         \n  rules.yaml: t.Nope: the backend has no such method or message\
         \n  test.proto: t.S.M: stream: `cursor` and `resume` make a stream resumable only together\
         \n  test.proto: t.S.M: stream: event: `t.Response` has no field `nope`\
         \n  test.proto: t.S.M: auth: clear_cookie: `=` cannot name a cookie\
         \n  test.proto: t.S.M: http: path template `v1`: must begin with `/`\
         \n  test.proto: t.S.M: http: `/ws` is a path of the edge itself",
    );
}

#[test]
fn two_methods_cannot_have_one_path() {
    let text = r#"
        syntax = "proto3";
        package t;
        import "google/api/annotations.proto";
        message Empty { string a = 1; }
        service S {
          rpc First(Empty) returns (Empty) { option (google.api.http) = { get: "/v1/{a}" }; }
          rpc Second(Empty) returns (Empty) { option (google.api.http) = { get: "/v1/*" }; }
        }
    "#;
    assert_eq!(
        mistakes(load(text)),
        ["test.proto: t.S.Second: http: GET /v1/* is already bound to t.S/First"]
    );
}

#[test]
fn a_rule_file_reaches_a_backend_without_annotations() {
    let text = r#"
        syntax = "proto3";
        package acme;
        message Request { string shop = 1; uint64 after = 2; }
        message Stock { uint64 seq = 1; oneof change { Sold sold = 2; } bool is_position = 3; }
        message Sold { string id = 1; }
        service Warehouse { rpc Watch(Request) returns (stream Stock); }
    "#;
    let rules = r#"
        http: { rules: [{ selector: acme.Warehouse.Watch, get: "/v1/{shop}/stock:watch" }] }
        stream: { rules: [{ selector: acme.Warehouse.Watch, cursor: seq, resume: after, position: isPosition, event: change, maxAge: 60s }] }
        auth: { rules: [{ selector: acme.Warehouse.Watch, public: true, perMinute: 5 }] }
        events: { acme.Sold: "stock:sold" }
    "#;
    let schema = load_with(compile(text), rules).expect("a schema");
    let Ok(Found::Route(route)) = schema.routes.find("GET", "/v1/7/stock:watch") else { panic!("no route") };
    let method = &route.value.method;
    let stream = method.stream.as_ref().expect("a stream");
    assert_eq!((method.name(), stream.tier()), ("acme.Warehouse/Watch", Tier::Durable));
    assert_eq!(stream.max_age.map(|age| age.as_secs()), Some(60));
    assert!(method.auth.public && method.auth.per_minute == Some(5));
    let EventName::Oneof(_, names) = &stream.event else { panic!("no oneof") };
    assert_eq!(names[&2], "stock:sold");

    let bare = load(text).expect("a schema");
    assert!(bare.bindings.iter().all(|binding| binding.implicit));
    let stream = bare.methods["acme.Warehouse/Watch"].stream.as_ref().expect("a stream");
    assert_eq!((stream.tier(), stream.finite), (Tier::Ring, true));
}

#[test]
fn a_rule_file_wins_over_options() {
    let text = backend(r#"option (google.api.http) = { get: "/v1/old" };"#, "");
    let rules = "http: { rules: [{ selector: t.S.M, get: /v1/new }] }";
    let schema = load_with(compile(&text), rules).expect("a schema");
    assert!(matches!(schema.routes.find("GET", "/v1/new"), Ok(Found::Route(_))));
    assert!(matches!(schema.routes.find("GET", "/v1/old"), Ok(Found::Nothing)));
    let wrong =
        "stream: { rules: [{ selector: t.S.M, cursor: cursor, resume: after }, { selector: t.S.N }] }";
    assert_eq!(
        mistakes(load_with(compile(&text), wrong)),
        [
            "rules.yaml: t.S.N: the backend has no such method or message",
            "rules.yaml: t.S.M: stream: only a server-streaming method can have a StreamRule",
        ],
    );
}

#[test]
fn a_good_rule_is_resolved_whole() {
    let watch = method("Streams/Watch");
    let stream = watch.stream.as_ref().expect("a stream");
    let durable = stream.durable.as_ref().expect("a durable stream");
    assert_eq!((durable.cursor.to_string(), durable.resume.to_string()), ("cursor".into(), "after".into()));
    assert!(durable.position.is_some() && durable.previous.is_some() && !stream.finite);
    let times = [stream.heartbeat, stream.max_age].map(|time| time.map(|time| time.as_secs()));
    assert_eq!(times, [Some(5), Some(60)]);
    assert_eq!(shop().bindings.iter().filter(|binding| !binding.implicit).count(), 30);
}

#[test]
fn unreadable_descriptors_are_refused_in_a_sentence() {
    let file = |syntax: &str, imports: &[&str]| -> Bytes {
        let file = FileDescriptorProto {
            name: Some("new.proto".into()),
            syntax: Some(syntax.into()),
            dependency: imports.iter().map(|&import| import.into()).collect(),
            ..FileDescriptorProto::default()
        };
        file.encode_to_vec().into()
    };
    let mistyped = {
        let mut file =
            FileDescriptorProto::decode(&*compile(&backend("", "")).pop().expect("a file")).expect("a file");
        file.message_type[0].field[3].type_name = Some(".t.Gone".into());
        Bytes::from(file.encode_to_vec())
    };
    for (files, words) in [
        (
            vec![file("editions", &[])],
            "new.proto: uses an edition of protobuf that is not known here; use 2024, 2023 or proto3",
        ),
        (vec![file("proto9", &[])], "new.proto: unknown syntax `proto9`"),
        (
            vec![file("proto3", &["gone.proto"])],
            "new.proto: imports `gone.proto`, which the descriptors do not hold",
        ),
        (vec![Bytes::from_static(b"\xff\xff")], "not a FileDescriptorProto"),
        (vec![mistyped], "t.Gone"),
    ] {
        let told = mistakes(load_with(files, "{}"));
        assert!(
            told.len() == 1 && told[0].starts_with("descriptors: all files: ") && told[0].contains(words),
            "{told:?}"
        );
    }
}

#[test]
fn maps_that_no_compiler_writes_are_refused_by_name() {
    let text = "syntax = \"proto3\"; package t; message R { map<string, R> parts = 1; }";
    for (change, words) in [
        ((|entry| entry.field[0].number = Some(3)) as fn(&mut DescriptorProto), "lacks its key, field 1"),
        (|entry| drop(entry.field.pop()), "or its value, field 2"),
        (|entry| entry.field[0].set_type(Type::Double), "its key is no string, bool or integer"),
    ] {
        let mut files = compile(text);
        let encoded = files.last_mut().expect("a file");
        let mut file = FileDescriptorProto::decode(&**encoded).expect("a file");
        change(&mut file.message_type[0].nested_type[0]);
        *encoded = file.encode_to_vec().into();
        let told = mistakes(load_with(files, "{}"));
        assert!(
            told.len() == 1 && told[0].starts_with("test.proto: t.R.PartsEntry: ") && told[0].contains(words),
            "{told:?}"
        );
    }
}

#[test]
fn a_panic_while_a_schema_loads_is_a_mistake() {
    // In place of the library, which panics on what nobody has found yet.
    let panics = |_: &str| panic!("on purpose");
    let options = "option (google.api.http) = { get: \"/v1/x\" };";
    let loaded =
        Schema::load(compile(&backend(options, "")), &RuleFile::default(), JsonConfig::default(), panics);
    assert_eq!(
        mistakes(loaded),
        ["descriptors: all files: the descriptors cannot be read (malformed or too new)"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..unrecorded() })]

    #[test]
    fn damaged_descriptors_never_end_the_process(file in any::<Index>(), at in any::<Index>(), byte in any::<u8>()) {
        let mut files = compiled().to_vec();
        let damaged = file.get_mut(&mut files);
        let mut bytes = damaged.to_vec();
        *at.get_mut(&mut bytes) = byte;
        *damaged = bytes.into();
        if let Err(mistakes) = load_with(files, "{}") {
            prop_assert!(!mistakes.0.is_empty());
        }
    }
}

fn compiled() -> &'static [Bytes] {
    static FILES: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
        let options = r#"option (lastmile.edge.v1.stream) = { cursor: "cursor" resume: "after" position: "position" split: "ids:id" };"#;
        compile(&backend(options, "stream"))
    });
    &FILES
}
