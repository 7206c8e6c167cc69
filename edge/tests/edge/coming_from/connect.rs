//! Rows of Connect.

use lastmile_edge::front::rpc::base64_text::{self, Base64Text};
use lastmile_edge::upstream::envelope::{END_STREAM, Envelopes};
use serde_json::json;
use tonic::Code;

use crate::backend::{Act, Backend, failure};
use crate::site::Answer;

use super::stage::{echo, site, stream};

pub(super) async fn connect_timeout() {
    let hanging = Backend::new(|_, _| vec![Act::Hang]);
    assert_eq!(site(&hanging).await.get("/v1/notes/a", &[("connect-timeout-ms", "30")]).await.status, 504);
}

pub(super) async fn codes() {
    let site = site(&Backend::new(|_, _| vec![failure(Code::NotFound, "NOTE_MISSING")])).await;
    let problem = site.get("/v1/notes/a", &[]).await.json();
    assert_eq!((&problem["code"], &problem["reason"]), (&json!("NOT_FOUND"), &json!("NOTE_MISSING")));
}

pub(super) async fn protobuf() {
    let answer = site(&echo()).await.get("/v1/notes/a", &[("accept", "application/x-protobuf")]).await;
    assert_eq!(answer.header("content-type"), "application/x-protobuf");
    assert!(answer.body.starts_with(b"\x0a\x01a"));
}

/// A call by its own path.
pub(super) async fn rpc(backend: &Backend, method: &str, kind: &str, body: impl AsRef<[u8]>) -> Answer {
    let headers = [("connect-protocol-version", "1"), ("content-type", kind)];
    site(backend).await.ask(&format!("POST /shop.v1.{method}"), &headers, body).await
}

pub(super) async fn connect_unary() {
    let answer = rpc(&echo(), "Notes/GetNote", "application/json", r#"{"name":"a"}"#).await;
    assert_eq!((answer.status, answer.json()["name"].clone()), (200, json!("a")));
}

pub(super) async fn connect_errors() {
    let backend = Backend::new(|_, _| vec![failure(Code::NotFound, "NOTE_MISSING")]);
    let error = rpc(&backend, "Notes/GetNote", "application/json", "{}").await;
    assert_eq!((error.status, error.json()["code"].clone()), (404, json!("not_found")));
    assert_eq!(error.json()["details"][0]["type"], "google.rpc.ErrorInfo");
}

pub(super) async fn connect_streams() {
    let streamed =
        rpc(&stream(Act::End), "Streams/Tick", "application/connect+json", b"\0\0\0\0\x02{}").await;
    assert_eq!(streamed.status, 200, "{streamed:?}");
    let mut envelopes = Envelopes::new(1 << 20);
    envelopes.push(streamed.body.into());
    let flags =
        std::iter::from_fn(|| envelopes.take().expect("small messages")).map(|envelope| envelope.flags);
    assert_eq!(flags.collect::<Vec<_>>(), [0, 0, END_STREAM]);
}

pub(super) async fn grpc_web() {
    let request = [&b"\0\0\0\0\x03"[..], b"\x0a\x01a"].concat();
    let binary = rpc(&echo(), "Notes/GetNote", "application/grpc-web+proto", &request).await;
    let mut envelopes = Envelopes::new(1 << 20);
    envelopes.push(binary.body.clone().into());
    let message = envelopes.take().expect("a small message").expect("a message");
    assert!(message.message.starts_with(b"\x0a\x01a"), "{binary:?}");
    let text =
        rpc(&echo(), "Notes/GetNote", "application/grpc-web-text", base64_text::encode(&request)).await;
    let mut decoder = Base64Text::default();
    assert_eq!(decoder.decode(&text.body).expect("base64"), binary.body);
}
