//! The guards before these faces, and the ends that the edge itself makes.

use axum::body::Body;
use http::Request;
use prost::Message;

use crate::rpc::cafe::{framed, word};
use crate::rpc::client::{post, read, read_some, send, send2};
use crate::rpc::stack::Stack;

const WEB: &str = "application/grpc-web+proto";

#[tokio::test]
async fn every_face_is_told_of_limits_in_its_own_form() {
    let stack = Stack::start().await;
    let body = framed(0, &word("x", 1).encode_to_vec());
    let first = read(send(stack.edge, post("Scarce", WEB, &[], body.clone())).await).await;
    assert_eq!(first.header("grpc-status"), "");
    let web = read(send(stack.edge, post("Scarce", WEB, &[], body.clone())).await).await;
    assert_eq!((web.status.as_u16(), web.header("grpc-status")), (200, "8"));
    assert!(!web.header("retry-after").is_empty());
    let grpc = read(send2(stack.edge, post("Scarce", "application/grpc", &[], body)).await).await;
    assert_eq!(grpc.header("grpc-status"), "8");
    let connect = post("Scarce", "application/json", &[("connect-protocol-version", "1")], "{}");
    let connect = read(send(stack.edge, connect).await).await;
    assert_eq!((connect.status.as_u16(), connect.json()["code"].as_str()), (429, Some("resource_exhausted")));
}

#[tokio::test]
async fn a_page_of_another_origin_may_call_and_read_the_status() {
    let stack = Stack::start().await;
    let preflight = Request::options("/cafe.v1.Cafe/Do")
        .header("origin", "https://app.test")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "connect-protocol-version,x-tenant");
    let allowed = read(send(stack.edge, preflight.body(Body::empty()).expect("a request")).await).await;
    for name in ["connect-protocol-version", "connect-timeout-ms", "x-grpc-web", "grpc-timeout", "x-tenant"] {
        let listed = allowed.header("access-control-allow-headers").split(", ").any(|one| one == name);
        assert!(listed, "{name}");
    }
    let body = framed(0, b"");
    let answer =
        read(send(stack.edge, post("Nope", WEB, &[("origin", "https://app.test")], body.clone())).await)
            .await;
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin", "trailer-x-cost"] {
        assert!(answer.header("access-control-expose-headers").split(", ").any(|one| one == name), "{name}");
    }
    let evil = read(send(stack.edge, post("Do", WEB, &[("origin", "https://evil.test")], body)).await).await;
    assert_eq!((evil.status.as_u16(), evil.header("grpc-status")), (403, ""));
}

#[tokio::test]
async fn a_shutdown_ends_streams_in_so_many_words_and_lets_unary_calls_finish() {
    let stack = Stack::start().await;
    let body = framed(0, &word("hang", 1).encode_to_vec());
    let mut web = send(stack.edge, post("Tell", WEB, &[], body.clone())).await;
    let mut grpc = send2(stack.edge, post("Tell", "application/grpc", &[], body)).await;
    read_some(web.body_mut()).await;
    read_some(grpc.body_mut()).await;
    stack.drain.cancel();
    let web = String::from_utf8_lossy(&read(web).await.body).into_owned();
    assert!(web.contains("grpc-status:14\r\n"), "{web}");
    assert_eq!(read(grpc).await.trailer("grpc-status"), "14");
    stack.serving.await.expect("everything has ended");
}

#[tokio::test]
async fn health_and_reflection_are_for_developers() {
    let paths = ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"];
    for dev in [false, true] {
        let stack = Stack::start_with(|config| config.dev = dev).await;
        for path in paths {
            let mut request = post("", "application/grpc", &[], framed(0, &word("x", 1).encode_to_vec()));
            *request.uri_mut() = path.parse().expect("a path");
            let answer = read(send2(stack.edge, request).await).await;
            let status = [answer.header("grpc-status"), answer.trailer("grpc-status")].concat();
            assert_eq!(status, if dev { "0" } else { "12" }, "{path}");
        }
    }
}

#[tokio::test]
async fn a_prefix_moves_what_browsers_call() {
    let stack = Stack::start_with(|config| config.paths.prefix = "/edge".into()).await;
    let body = framed(0, &word("x", 1).encode_to_vec());
    for (path, content_type, status) in [
        ("/edge/cafe.v1.Cafe/Do", WEB, ""),
        ("/cafe.v1.Cafe/Do", WEB, "12"),
        // gRPC clients know hosts, not prefixes.
        ("/cafe.v1.Cafe/Do", "application/grpc", ""),
        ("/edge/cafe.v1.Cafe/Do", "application/grpc", ""),
    ] {
        let mut request = post("", content_type, &[], body.clone());
        *request.uri_mut() = path.parse().expect("a path");
        let answer = read(send2(stack.edge, request).await).await;
        assert_eq!(answer.header("grpc-status"), status, "{path} {content_type}");
    }
}
