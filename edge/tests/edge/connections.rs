//! What a connection speaks is found out by its first bytes, however they come.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::backend::Backend;
use crate::host::soon;
use crate::site::{Site, read_until};

/// Time enough for each piece to be looked at by itself.
const BETWEEN: Duration = Duration::from_millis(30);

async fn site() -> Site {
    Site::start(serde_json::json!({ "auth": { "keys": "none" } }), &Backend::new(|_, _| Vec::new())).await
}

async fn send_in_pieces(site: &Site, pieces: &[&[u8]]) -> TcpStream {
    let mut stream = TcpStream::connect(site.address).await.expect("a connection");
    for piece in pieces {
        stream.write_all(piece).await.expect("it is open");
        sleep(BETWEEN).await;
    }
    stream
}

#[tokio::test]
async fn a_head_of_http_1_may_come_byte_by_byte() {
    let site = site().await;
    for pieces in [
        &[&b"P"[..], b"R", b"OPFIND /nowhere HTTP/1.1\r\nhost: a\r\n\r\n"][..],
        &[b"G", b"ET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n"],
    ] {
        let mut stream = send_in_pieces(&site, pieces).await;
        read_until(&mut stream, "HTTP/1.1 40").await;
    }
}

#[tokio::test]
async fn a_preface_of_http_2_may_come_byte_by_byte() {
    let site = site().await;
    let pieces: [&[u8]; 3] = [b"P", b"R", b"I * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"];
    let mut stream = send_in_pieces(&site, &pieces).await;
    let mut frame = [0; 9];
    soon("a frame", stream.read_exact(&mut frame)).await.expect("it is open");
    assert_eq!(frame[3], 4, "SETTINGS (RFC 9113, section 6.5)");
}
