//! What a backend says of its own faults stays inside, whichever face asks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use lastmile_edge::config::EdgeConfig;
use prost::Message;
use serde_json::json;

use crate::rpc::cafe::{framed, word};
use crate::rpc::client::{Answer, post, read, send, send2};
use crate::rpc::stack::Stack;

/// Everything that an answer says, base64 in it decoded too.
fn everything(answer: &Answer) -> String {
    let mut text = String::from_utf8_lossy(&answer.body).into_owned();
    for (name, value) in answer.headers.iter().chain(&answer.trailers) {
        text += &format!("\n{name}: {}", value.to_str().expect("text"));
    }
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || letter == '+' || letter == '/';
    let runs: Vec<String> = text.split(|letter| !is_base64(letter)).map(ToOwned::to_owned).collect();
    for run in runs {
        let decoded = STANDARD_NO_PAD.decode(&run[..run.len() / 4 * 4]).unwrap_or_default();
        text += &String::from_utf8_lossy(&decoded);
        let rest = STANDARD_NO_PAD.decode(&run).unwrap_or_default();
        text += &String::from_utf8_lossy(&rest);
    }
    text
}

/// What every face answers to a request of this text.
async fn every_face(stack: &Stack, text: &str) -> Vec<(&'static str, String)> {
    let json = json!({ "text": text }).to_string();
    let frame = || framed(0, &word(text, 0).encode_to_vec());
    let connect = [("connect-protocol-version", "1")];
    let mut told = Vec::new();
    for (face, request) in [
        ("Connect", post("Do", "application/json", &connect, json.clone())),
        ("Connect stream", post("Tell", "application/connect+json", &[], framed(0, json.as_bytes()))),
        ("gRPC-Web", post("Do", "application/grpc-web+proto", &[], frame())),
        ("gRPC-Web with cookies", post("Enter", "application/grpc-web+proto", &[], frame())),
    ] {
        told.push((face, everything(&read(send(stack.edge, request).await).await)));
    }
    let request = post("Do", "application/grpc", &[("te", "trailers")], frame());
    told.push(("gRPC", everything(&read(send2(stack.edge, request).await).await)));
    told
}

#[tokio::test]
async fn tables_and_stacks_are_told_to_developers_only() {
    let open = |config: &mut EdgeConfig| config.rest.internal_messages = Some(true);
    let dev = |config: &mut EdgeConfig| config.dev = true;
    let (closed, open, dev) =
        (Stack::start().await, Stack::start_with(open).await, Stack::start_with(dev).await);
    for text in ["own fault", "own fault at once", "own fault with a message"] {
        for (face, told) in every_face(&closed, text).await {
            assert!(!told.contains("users") && !told.contains("main.go"), "{face}, {text}: {told}");
            assert!(told.contains("The backend failed. The log of the edge has the cause"), "{face}: {told}");
        }
    }
    for (face, told) in every_face(&closed, "denied").await {
        assert!(told.contains("row 7 of users") && told.contains("NOT_YOURS"), "{face}: {told}");
        assert!(!told.contains("main.go"), "{face}: {told}");
    }
    for stack in [open, dev] {
        for text in ["own fault", "own fault at once", "denied"] {
            for (face, told) in every_face(&stack, text).await {
                assert!(told.contains("row 7 of users") && told.contains("main.go:7"), "{face}: {told}");
            }
        }
    }
}
