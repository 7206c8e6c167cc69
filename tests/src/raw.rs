//! Sends bytes that no HTTP client would, and reads what comes back.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::patience::soon;

/// Everything the other side answers until it closes; the write side stays open, as a slow client's would.
///
/// # Panics
/// When the other side neither answers nor closes.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    // A refusal may close the connection while bytes are still being sent.
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = soon("an answer or a close", socket.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status codes of the answers in what [`exchange`] read.
pub fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|line| line.get(..3)?.parse().ok()).collect()
}
