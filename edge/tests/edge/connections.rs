//! A connection from its first bytes, by which it is found out what it speaks, to its end.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::backend::Backend;
use crate::host::soon;
use crate::served::{Saw, Say, Served};
use crate::site::{Site, read_until};

/// Time enough for each piece to be looked at by itself.
const BETWEEN: Duration = Duration::from_millis(30);

async fn site() -> Site {
    Site::start(json!({ "auth": { "keys": "none" } }), &Backend::new(|_, _| Vec::new())).await
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

fn label(text: &str) -> Say {
    Say::Message("files.v1.FileResponse", json!({ "label": { "name": text } }))
}

/// It says so, and what a client sent behind the request is for another connection.
#[tokio::test]
async fn nothing_follows_a_lasting_stream_on_its_connection() {
    let mut served = Served::start().await;
    served.say([label("a")]);
    let mut client = served.connect().await;
    let follow = "GET /v1/follow HTTP/1.1\r\nhost: edge\r\naccept: text/event-stream\r\n\r\n";
    client.send([follow, follow].concat()).await;
    let (status, head) = client.head().await;
    assert!(status == 200 && head.contains("connection: close\r\n"), "{head}");
    client.until(b"data: {\"name\":\"a\",").await;
    served.say([label("b"), Say::End]);
    client.until(b"data: {\"name\":\"b\",").await;
    let rest = client.rest().await;
    assert!(rest.contains("event: lm-end\n") && rest.ends_with("\r\n0\r\n\r\n"), "{rest}");
    assert!(matches!(served.saw().await, Saw::Call(_)));
    served.closed().await;
}

#[tokio::test]
async fn a_connection_goes_on_after_lines_that_soon_end() {
    let served = Served::start().await;
    let mut client = served.connect().await;
    for text in ["a", "b"] {
        served.say([label(text), Say::End]);
        client.send("GET /v1/follow HTTP/1.1\r\nhost: edge\r\naccept: application/x-ndjson\r\n\r\n").await;
        let (status, head) = client.head().await;
        assert!(status == 200 && !head.contains("connection: close\r\n"), "{head}");
        client.until(b"\r\n0\r\n\r\n").await;
    }
}

/// Chunks are not known there: the body ends with the connection.
#[tokio::test]
async fn a_stream_by_http_1_0_has_no_chunks() {
    let served = Served::start().await;
    served.say([label("a"), Say::End]);
    let mut client = served.connect().await;
    client.send("GET /v1/follow HTTP/1.0\r\nhost: edge\r\naccept: text/event-stream\r\n\r\n").await;
    let (status, head) = client.head().await;
    assert!(status == 200 && !head.contains("transfer-encoding"), "{head}");
    let body = client.rest().await;
    assert!(
        body.contains("\n\ndata: {\"name\":\"a\",")
            && body.contains("event: lm-end\n")
            && !body.contains('\r'),
        "{body}"
    );
}

#[tokio::test]
async fn whoever_leaves_a_stream_that_says_nothing_is_missed() {
    // A heartbeat that cannot be written would tell as well.
    let quiet = Duration::from_secs(600);
    let mut served = Served::start_with(|config| config.streams.heartbeat = quiet).await;
    served.say([label("a")]);
    let mut client = served.connect().await;
    client.send("GET /v1/follow HTTP/1.1\r\nhost: edge\r\naccept: text/event-stream\r\n\r\n").await;
    client.until(b"data: {\"name\":\"a\",").await;
    drop(client);
    served.closed().await;
}
