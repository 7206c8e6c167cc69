//! gRPC-Web, binary and text, over HTTP/1.1 and from another origin.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

use crate::rpc::cafe::{framed, gzip, word};
use crate::rpc::client::{Answer, post, read, read_some, send, words};
use crate::rpc::stack::{BODY_LIMIT, Stack};

const BINARY: &str = "application/grpc-web+proto";

async fn call(stack: &Stack, method: &str, text: &str, headers: &[(&str, &str)]) -> Answer {
    let body = framed(0, &word(text, 1).encode_to_vec());
    read(send(stack.edge, post(method, BINARY, headers, body)).await).await
}

/// The trailers of the last frame, as sorted lines.
fn trailers(end: Option<(u8, String)>) -> String {
    let (flags, text) = end.expect("trailers");
    assert_eq!(flags, 0x80);
    let mut lines: Vec<&str> = text.split_terminator("\r\n").collect();
    lines.sort_unstable();
    lines.join(" ")
}

#[tokio::test]
async fn a_unary_call_has_message_trailers_and_listed_metadata() {
    let stack = Stack::start().await;
    for content_type in [BINARY, "application/grpc-web", "application/grpc-web+proto; charset=utf-8"] {
        let body = framed(0, &word("hello", 1).encode_to_vec());
        let answer = read(send(stack.edge, post("Do", content_type, &[], body)).await).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, BINARY));
        assert_eq!((answer.header("x-initial"), answer.header("x-secret")), ("first", ""));
        let (texts, end) = answer.words();
        assert_eq!(texts, ["hello"]);
        assert_eq!(trailers(end), "grpc-status:0 x-cost:5 x-key-bin:AAE");
    }
}

#[tokio::test]
async fn only_listed_metadata_reaches_the_backend() {
    let stack = Stack::start().await;
    let headers = [
        ("x-tenant", "acme"),
        ("x-key-bin", "AAE"),
        ("x-other", "no"),
        ("cookie", "a=b"),
        ("authorization", "Bearer t"),
        ("grpc-timeout", "5S"),
        ("x-grpc-web", "1"),
    ];
    let (texts, _) = call(&stack, "Tell", "headers", &headers).await.words();
    let lines: Vec<&str> = texts[0].lines().filter(|line| !line.starts_with("grpc-timeout: ")).collect();
    let expected = [
        "authorization: Bearer t",
        "content-type: application/grpc+proto",
        "te: trailers",
        "x-key-bin: AAE",
        "x-tenant: acme",
    ];
    assert_eq!(lines, expected);
    let timeout = texts[0].lines().find_map(|line| line.strip_prefix("grpc-timeout: ")).expect("a deadline");
    let left: u32 = timeout.trim_end_matches('m').parse().expect("milliseconds");
    assert!((1..=5000).contains(&left), "{timeout}");
}

#[tokio::test]
async fn failures_keep_their_details_first_and_later() {
    let stack = Stack::start().await;
    let first = call(&stack, "Tell", "trailers only", &[]).await;
    assert_eq!(
        (first.status.as_u16(), first.header("grpc-status"), first.header("grpc-message")),
        (200, "10", "n%C3%A4h")
    );
    assert!(first.body.is_empty());
    let (texts, end) = call(&stack, "Tell", "fail", &[]).await.words();
    assert_eq!(texts, ["one"]);
    let details = first.header("grpc-status-details-bin").to_owned();
    let later = trailers(end);
    assert_eq!(
        later,
        format!(
            "grpc-message:n%C3%A4h grpc-status-details-bin:{details} grpc-status:10 x-cost:5 x-key-bin:AAE"
        )
    );
}

#[tokio::test]
async fn what_the_backend_leaves_unfinished_is_not_passed_on() {
    let stack = Stack::start().await;
    for (text, status) in [("cut", "14"), ("torn", "14"), ("huge", "8")] {
        let (texts, end) = call(&stack, "Tell", text, &[]).await.words();
        assert_eq!(texts, ["one"], "{text}");
        assert!(trailers(end).contains(&format!("grpc-status:{status}")), "{text}");
    }
    let proxy = call(&stack, "Tell", "proxy", &[]).await;
    assert_eq!(proxy.header("grpc-status"), "14");
}

#[tokio::test]
async fn a_time_limit_holds_on_the_body_of_a_stream() {
    let stack = Stack::start().await;
    let (texts, end) = call(&stack, "Tell", "hang", &[("grpc-timeout", "200m")]).await.words();
    assert_eq!(texts, ["one"]);
    assert!(trailers(end).contains("grpc-status:4"));
    stack.cafe.open(0).await;
    let refused = call(&stack, "Tell", "1", &[("grpc-timeout", "soon")]).await;
    assert_eq!(refused.header("grpc-status"), "3");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call() {
    let stack = Stack::start().await;
    let body = framed(0, &word("hang", 1).encode_to_vec());
    let mut response = send(stack.edge, post("Tell", BINARY, &[], body)).await;
    read_some(response.body_mut()).await;
    stack.cafe.open(1).await;
    drop(response);
    stack.cafe.open(0).await;
}

#[tokio::test]
async fn text_is_base64_both_ways_with_padding_anywhere() {
    let stack = Stack::start().await;
    let frame = framed(0, &word("2", 1).encode_to_vec());
    let (head, tail) = frame.split_at(4);
    // Two flushes, each padded for itself.
    let body = STANDARD.encode(head) + &STANDARD.encode(tail);
    for content_type in ["application/grpc-web-text", "application/grpc-web-text+proto"] {
        let request = post("Tell", content_type, &[], body.clone());
        let answer = read(send(stack.edge, request).await).await;
        assert_eq!(answer.header("content-type"), "application/grpc-web-text+proto");
        let mut decoder = lastmile_edge::front::rpc::base64_text::Base64Text::default();
        let decoded = decoder.decode(&answer.body).expect("base64");
        let (texts, end) = words(&decoded);
        assert_eq!(texts, ["2", "2"]);
        assert!(trailers(end).starts_with("grpc-status:0"));
    }
}

#[tokio::test]
async fn cookies_of_the_rule_are_set_and_stand_in_for_the_field() {
    let stack = Stack::start().await;
    let expected = "seat=inside; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000";
    let headers = [("cookie", "seat=inside"), ("grpc-accept-encoding", "gzip")];
    let answer = call(&stack, "Enter", "", &headers).await;
    assert_eq!(
        (answer.header("set-cookie"), answer.header("cache-control")),
        (expected, "no-store, no-transform")
    );
    let (texts, end) = answer.words();
    assert_eq!(
        (texts, trailers(end)),
        (vec!["inside".into()], "grpc-status:0 x-cost:5 x-key-bin:AAE".into())
    );
    assert_eq!(call(&stack, "Enter", "outside", &headers).await.words().0, ["outside"]);
    let failed = call(&stack, "Enter", "fail", &headers).await;
    assert_eq!((failed.header("grpc-status"), failed.header("set-cookie")), ("10", ""));
    let text = STANDARD.encode(framed(0, b""));
    let request = post("Enter", "application/grpc-web-text", &headers[..1], text);
    let answer = read(send(stack.edge, request).await).await;
    assert_eq!(words(&STANDARD.decode(&answer.body).expect("base64")).0, ["inside"]);
}

#[tokio::test]
async fn cookies_stand_in_for_the_field_of_a_compressed_message() {
    let stack = Stack::start().await;
    let send_gzip = async |encoding: &str, message: &[u8]| {
        let headers = [("cookie", "seat=inside"), ("grpc-encoding", encoding)];
        let request = post("Enter", BINARY, &headers, framed(1, message));
        read(send(stack.edge, request).await).await
    };
    let filled = send_gzip("gzip", &gzip(&word("", 7).encode_to_vec())).await;
    assert_eq!(filled.words().0, ["inside"]);
    assert!(filled.header("set-cookie").starts_with("seat=inside;"), "{filled:?}");
    let own = send_gzip("gzip", &gzip(&word("outside", 7).encode_to_vec())).await;
    assert_eq!(own.words().0, ["outside"]);
    let compressed = send_gzip("gzip", &gzip(&word("compressed", 7).encode_to_vec())).await;
    assert!(
        compressed.header("set-cookie").starts_with("seat=plain;"),
        "the answer is read too: {compressed:?}"
    );
    for (encoding, message, status) in [
        ("br", gzip(b"").as_slice(), "12"),
        ("gzip", b"no gzip", "3"),
        ("gzip", &gzip(&vec![0; BODY_LIMIT + 1]), "8"),
    ] {
        assert_eq!(send_gzip(encoding, message).await.header("grpc-status"), status, "{encoding}");
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_used_are_refused() {
    let stack = Stack::start().await;
    let whole = framed(0, &word("1", 1).encode_to_vec());
    let large = framed(0, &vec![0; BODY_LIMIT + 1]);
    let text = "application/grpc-web-text";
    for (content_type, body, status, reason) in [
        (BINARY, whole.slice(..7).to_vec(), "3", "cut short"),
        (BINARY, large.to_vec(), "8", "limits.body_bytes"),
        (text, b"%%%%".to_vec(), "3", "base64"),
        (text, b"AAA".to_vec(), "3", "base64"),
    ] {
        let answer = read(send(stack.edge, post("Tell", content_type, &[], body)).await).await;
        assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (200, status), "{reason}");
        assert!(answer.header("grpc-message").contains(reason), "{reason}: {answer:?}");
    }
}

#[tokio::test]
async fn unknown_methods_are_unimplemented() {
    let stack = Stack::start().await;
    for method in ["Nope", "say", "../x"] {
        let answer = call(&stack, method, "", &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (200, "12"), "{method}");
        assert_eq!(answer.header("content-type"), BINARY);
    }
}
