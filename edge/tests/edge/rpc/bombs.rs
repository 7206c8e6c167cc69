//! Messages that are small on the wire and large in memory wait until they are read.

use std::time::Duration;

use prost::Message;
use tokio::time::timeout;

use crate::rpc::cafe::{framed, gzip, word};
use crate::rpc::client::{post, send2};
use crate::rpc::stack::Stack;

const PROTO: &str = "application/connect+proto";

/// Whether the call is still open after a while: what cannot be used behind the bombs would have ended it.
async fn waits(stack: &Stack) -> bool {
    stack.cafe.open(1).await;
    timeout(Duration::from_millis(400), stack.cafe.open(0)).await.is_err()
}

#[tokio::test]
async fn a_chunk_of_bombs_waits_for_a_backend_that_does_not_read() {
    let stack = Stack::start().await;
    let deaf = framed(0, &word("deaf", 0).encode_to_vec());
    let bomb = framed(1, &gzip(&word(&"x".repeat(19_000), 0).encode_to_vec()));
    let body = [&deaf[..], &bomb.repeat(200), &framed(2, b"unusable")].concat();
    assert!(body.len() < 16_384, "one chunk: {}", body.len());
    let request = post("Gather", PROTO, &[("connect-content-encoding", "gzip")], body);
    let call = tokio::spawn(send2(stack.edge, request));
    assert!(waits(&stack).await);
    call.abort();
}

#[tokio::test]
async fn a_chunk_of_bombs_waits_for_a_client_that_does_not_read() {
    let stack = Stack::start().await;
    let request = post("Tell", PROTO, &[], framed(0, &word("bombs", 0).encode_to_vec()));
    let unread = send2(stack.edge, request).await;
    assert!(waits(&stack).await);
    drop(unread);
}
