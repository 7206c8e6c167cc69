//! The commands that look at a backend's descriptors: the built program, a descriptor file, no backend.

use std::path::PathBuf;
use std::process::Command;

use lastmile_edge::schema::descriptors::join_set;
use serde_json::Value;

use crate::shop::compile;

/// What a command says and ends with.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

/// A descriptor file, deleted with it.
struct Descriptors(PathBuf);

impl Descriptors {
    fn of(name: &str, proto: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lastmile-cli-{}-{name}.binpb", std::process::id()));
        std::fs::write(&path, join_set(compile(proto))).expect("a temporary file");
        Self(path)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        run(&[arguments, &["--descriptors", &self.0.display().to_string()]].concat())
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn run(arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile-edge"));
    let output = command.args(arguments).env_remove("LASTMILE_UPSTREAM").output().expect("the program");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code().expect("a code"), out: text(output.stdout), err: text(output.stderr) }
}

/// Service `t.S` with these methods.
fn service(methods: &str) -> String {
    format!(
        r#"
        syntax = "proto3";
        package t;
        import "google/api/annotations.proto";
        import "lastmile/edge/v1/annotations.proto";
        message M {{ string id = 1; map<string, string> labels = 2; repeated M inner = 3; M one = 4; }}
        service S {{ {methods} }}
        "#
    )
}

fn check(name: &str, methods: &str, arguments: &[&str]) -> Ended {
    Descriptors::of(name, &service(methods)).run(&[&["check"], arguments].concat())
}

#[test]
fn check_tells_every_mistake_at_once_and_fails() {
    let ended = check(
        "mistakes",
        r#"
        rpc A(M) returns (M) { option (google.api.http) = { get: "/v1/{nothing}" }; }
        rpc B(M) returns (M) { option (google.api.http) = { get: "v1" }; }
        rpc C(M) returns (M) { option (google.api.http) = { get: "/v1/c" body: "*" }; }
        "#,
        &[],
    );
    assert_eq!(ended.code, 1, "{}", ended.err);
    let lines: Vec<_> = ended.out.lines().collect();
    let begins = [
        "mistake: test.proto: t.S.A: http: ",
        "mistake: test.proto: t.S.B: http: ",
        "mistake: test.proto: t.S.C: http: ",
    ];
    assert_eq!(lines.len(), 4, "{}", ended.out);
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
    assert_eq!(lines[3], "failed: 3 mistakes");
}

#[test]
fn check_warns_of_what_is_hardly_meant() {
    for (name, methods, warning) in [
        (
            "query",
            r#"rpc A(M) returns (M) { option (google.api.http) = { get: "/v1/a" }; }"#,
            "warning: test.proto: t.S.A: `GET /v1/a` cannot set `labels`, `inner`: no query can hold them",
        ),
        (
            "delete",
            r#"rpc A(M) returns (M) { option (google.api.http) = { delete: "/v1/a" body: "*" }; }"#,
            "warning: test.proto: t.S.A: `DELETE /v1/a` has a body, which some clients and proxies drop",
        ),
        (
            "endless",
            r#"rpc A(M) returns (stream M) {
                option (google.api.http) = { post: "/v1/a" body: "*" };
                option (lastmile.edge.v1.stream) = { event: "id" };
            }"#,
            "warning: test.proto: t.S.A: an endless stream without `cursor` and `resume`: what a browser misses while it reconnects is lost",
        ),
    ] {
        let ended = check(name, methods, &[]);
        assert_eq!(ended.out, format!("{warning}\nok: 1 method, 1 binding, 1 warning\n"), "{name}");
        assert_eq!(ended.code, 0, "{name}: a warning does not fail");
        assert_eq!(check(&format!("{name}-strict"), methods, &["--strict"]).code, 1, "{name}");
    }
}

#[test]
fn check_notes_what_is_good_to_know_and_goes_well() {
    let ended = check(
        "notes",
        r#"
        rpc A(M) returns (M);
        rpc B(M) returns (M) { option (google.api.http) = { patch: "/v1/b" body: "*" }; }
        rpc C(M) returns (stream M) { option (google.api.http) = { post: "/v1/c" body: "*" }; }
        "#,
        &["--strict"],
    );
    let methods: Vec<_> =
        ended.out.lines().filter_map(|line| line.strip_prefix("note: test.proto: t.S.")).collect();
    assert_eq!(methods.iter().map(|line| &line[..1]).collect::<String>(), "ABC", "{}", ended.out);
    assert!(ended.out.ends_with("ok: 3 methods, 2 bindings, 0 warnings\n"), "{}", ended.out);
    assert_eq!(ended.code, 0);
}

#[test]
fn without_descriptors_there_is_nothing_to_check() {
    let missing = run(&["check", "--descriptors", "/nowhere/at-all.binpb"]);
    assert_eq!((missing.code, missing.out.as_str()), (3, ""));
    assert!(missing.err.contains("/nowhere/at-all.binpb"), "{}", missing.err);
    let unreachable = run(&["check", "--upstream", "http://127.0.0.1:1"]);
    assert_eq!(unreachable.code, 3);
    assert!(unreachable.err.contains("http://127.0.0.1:1"), "{}", unreachable.err);
}

#[test]
fn routes_are_listed_by_path() {
    let ended = Descriptors::of("routes", include_str!("openapi/library.proto")).run(&["routes"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let lines: Vec<Vec<_>> = ended.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let paths: Vec<_> = lines.iter().map(|row| row[1]).collect();
    assert!(paths.is_sorted(), "{}", ended.out);
    for row in [
        "GET /v1/books/{name} library.v1.Library/GetBook unary public",
        "GET /v1/loans:watch library.v1.Loans/Watch durable",
        "POST /v1/books library.v1.Library/AddBooks none",
    ] {
        assert!(lines.iter().any(|line| line.join(" ") == row), "{row} in {}", ended.out);
    }
}

#[test]
fn the_document_is_printed_without_a_backend() {
    let ended = Descriptors::of("openapi", include_str!("openapi/library.proto")).run(&["openapi"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let document: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["paths"]["/v1/books"]["get"]["summary"], "Finds books");
    assert!(ended.out.starts_with("{\n  \"openapi\": \"3.1.0\",\n  \"info\""), "in the order people read");
}
