//! Rules of HTTP are checked when descriptors load, wherever they are written.

use lastmile_edge::schema::RuleFile;
use lastmile_edge::schema::method::{Binding, Body};
use lastmile_edge::schema::routes::Found;

use crate::rules::{backend, check, mistakes};
use crate::shop::{compile, load, load_with};

#[test]
fn a_wrong_http_rule_is_told() {
    for (rule, problems) in [
        (r#"get: "/v1/{id}""#, &[][..]),
        (r#"body: "*""#, &["http: a binding needs one of get, put, post, delete, patch or custom"]),
        (r#"get: "v1""#, &["http: path template `v1`: must begin with `/`"]),
        (r#"custom: { path: "/v1" }"#, &["http: custom needs a `kind`: an HTTP method, or `*` for all"]),
        (
            r#"get: "/a" additional_bindings: { get: "/b" additional_bindings: { get: "/c" } }"#,
            &["http: additional_bindings cannot have additional_bindings of their own"],
        ),
        (
            r#"custom { kind: "NO METHOD" path: "/v1" }"#,
            &["http: custom needs a `kind`: an HTTP method, or `*` for all"],
        ),
        (r#"custom { kind: "head" path: "/v1" } body: "*""#, &["http: a HEAD binding cannot have a body"]),
        (
            r#"post: "/v1/{number}" body: "number""#,
            &["http: `number` cannot be both in the path and the body"],
        ),
        (r#"post: "/v1/{inner.id}" body: "inner""#, &[]),
        (r#"get: "/v1/{raw}/{number}""#, &[]),
        (r#"get: "/v1/{time}/{raw}""#, &[]),
        (r#"get: "/v1/{value}""#, &["http: path variable `value` must be a single scalar field"]),
        (r#"get: "/v1/{names}""#, &["http: path variable `names` must be a single scalar field"]),
        (r#"post: "/t.S/M""#, &[]),
        (r#"post: "/t.S/{id}""#, &[]),
        (r#"get: "/v1/{id}/{id}""#, &["http: path template `/v1/{id}/{id}`: a variable may stand only once"]),
        (r#"get: "/v1/{id=**}/**""#, &["http: path template `/v1/{id=**}/**`: `**` may stand only once"]),
        (r#"get: "/v1/{nope}""#, &["http: path variable: `t.Request` has no field `nope`"]),
        (r#"get: "/v1/{inner.nope}""#, &["http: path variable: `t.Inner` has no field `nope`"]),
        (
            r#"get: "/v1/{id.x}""#,
            &["http: path variable: `id` is not a single message, so it has no field `x`"],
        ),
        (r#"get: "/v1/{ids}""#, &["http: path variable `ids` must be a single scalar field"]),
        (r#"get: "/v1/{inner}""#, &["http: path variable `inner` must be a single scalar field"]),
        (r#"post: "/v1" body: "nope""#, &["http: body names `nope`, but `t.Request` has no such field"]),
        (r#"get: "/v1" body: "*""#, &["http: a GET binding cannot have a body"]),
        (
            r#"get: "/v1" response_body: "nope""#,
            &["http: response_body names `nope`, but `t.Response` has no such field"],
        ),
        (
            r#"get: "/v1" additional_bindings { post: "x" }"#,
            &["http: path template `x`: must begin with `/`"],
        ),
        (
            r#"get: "/v1/{id}" additional_bindings { get: "/v1/{after}" }"#,
            &["http: GET /v1/{after} is already bound to t.S/M"],
        ),
        (r#"get: "/ws""#, &["http: `/ws` is a path of the edge itself"]),
        (r#"get: "/stream/{id}""#, &["http: `/stream/{id}` is a path of the edge itself"]),
        (r#"get: "/.well-known/{id}""#, &["http: `/.well-known/{id}` is a path of the edge itself"]),
        (r#"get: "/wsx""#, &[]),
    ] {
        check(&backend(&format!("option (google.api.http) = {{ {rule} }};"), ""), problems);
    }
}

#[test]
fn a_stream_delivers_the_message_that_a_binding_names() {
    let rule = |field: &str, data: &str| {
        let http = format!(r#"option (google.api.http) = {{ get: "/v1" response_body: "{field}" }};"#);
        let stream = format!(r#"option (lastmile.edge.v1.stream) = {{ data: "{data}" }};"#);
        backend(&format!("{http}{}", if data.is_empty() { "" } else { &stream }), "stream")
    };
    check(&rule("inner", ""), &[]);
    check(&rule("inner", "inner"), &[]);
    check(&rule("bad", "inner"), &["http: response_body names `bad`, but the stream's `data` is `inner`"]);
    for field in ["type", "inners"] {
        let problem = format!("http: response_body of a stream, `{field}`, must be a message");
        check(&rule(field, ""), &[&problem]);
    }
}

#[test]
fn rules_of_a_file_say_all_that_annotations_can() {
    let text = backend("", "");
    let rules = r#"
http:
  rules:
    - selector: t.S.M
      custom: { kind: purge, path: "/v1/{id}" }
      additional_bindings:
        - { get: "/v1/{id}", response_body: inner }
        - { put: "/v1/{id}", body: "*" }
        - { post: "/v1/{id=a/*/b/**}/c:do", body: inner, responseBody: inners }
        - { delete: "/v1/{id}" }
        - { patch: "/v1/{inner.id}", body: inner }
        - { custom: { kind: "*", path: /v1/any/**/more } }
"#;
    let schema = load_with(compile(&text), rules).expect("a schema");
    for (method, path, expected) in [
        ("PURGE", "/v1/1", "PURGE /v1/{id} None None"),
        ("GET", "/v1/1", "GET /v1/{id} None Some(inner)"),
        ("PUT", "/v1/1", "PUT /v1/{id} All None"),
        ("POST", "/v1/a/1/b/c:do", "POST /v1/{id=a/*/b/**}/c:do Field(inner) Some(inners)"),
        ("DELETE", "/v1/1", "DELETE /v1/{id} None None"),
        ("PATCH", "/v1/1", "PATCH /v1/{inner.id} Field(inner) None"),
        ("BREW", "/v1/any/x/y/more", "* /v1/any/**/more None None"),
    ] {
        let Ok(Found::Route(route)) = schema.routes.find(method, path) else { panic!("no {method} {path}") };
        let Binding { http_method, template, body, response_body, .. } = &**route.value;
        let body = match body {
            Body::None => "None".to_owned(),
            Body::All => "All".to_owned(),
            Body::Field(field) => format!("Field({})", field.name()),
        };
        let answer = response_body.as_ref().map(|field| format!("Some({})", field.name()));
        let answer = answer.unwrap_or_else(|| "None".to_owned());
        assert_eq!(format!("{http_method} {template} {body} {answer}"), expected);
    }
    for (rule, problem) in
        [("get: /v1, nope: x", "t.S.M"), ("get: 5", "t.S.M"), ("additional_bindings: [{ nope: x }]", "t.S.M")]
    {
        let text = format!("http: {{ rules: [{{ selector: t.S.M, {rule} }}] }}");
        let error = RuleFile::parse("rules.yaml", &text).expect_err("a wrong rule");
        assert!(error.contains(problem), "{rule}: {error}");
    }
}

#[test]
fn the_path_of_another_method_cannot_be_taken() {
    let text = backend(r#"option (google.api.http) = { post: "/t.S/Other" };"#, "");
    let problem =
        "test.proto: t.S.Other: http: t.S/M binds `/t.S/Other`, which is the path of this method itself";
    assert_eq!(mistakes(load(&text)), [problem]);
}
