//! An edge on a real socket before the scripted backend, and a plain HTTP client.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use lastmile_edge::app::Edge;
use lastmile_edge::schema::{Source, descriptors};
use lastmile_edge::serve;
use lastmile_edge::upstream::Upstream;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::backend::Backend;
use crate::shop::compile;

/// No answer takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) static DESCRIPTORS: LazyLock<Vec<u8>> =
    LazyLock::new(|| descriptors::join_set(compile(include_str!("shop.proto"))).to_vec());

/// A running edge; it ends with the test's runtime.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// Cancelled, it shuts down.
    pub(crate) drain: CancellationToken,
}

/// A whole answer, its body as it was sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Site {
    /// `settings` are those of the edge's configuration file, as JSON.
    pub(crate) async fn start(settings: Value, backend: &Backend) -> Self {
        Self::before(settings, backend.upstream()).await
    }

    /// The same before a backend that is reached in another way.
    pub(crate) async fn before(settings: Value, upstream: Upstream) -> Self {
        Self::of(settings, upstream, &DESCRIPTORS).await
    }

    /// The same with other descriptors.
    pub(crate) async fn of(settings: Value, upstream: Upstream, descriptors: &'static [u8]) -> Self {
        let config = serde_json::from_value(settings).expect("settings");
        let edge = Edge::new(config, upstream, Source::Encoded(descriptors), None).expect("an edge");
        edge.begin().await.expect("a good schema");
        let http = serve::bind("127.0.0.1:0").await.expect("a free port");
        let admin = serve::bind("127.0.0.1:0").await.expect("a free port");
        let address = http.address().expect("bound");
        let drain = edge.drain().clone();
        tokio::spawn(async move { serve::run(&edge, http, admin, std::future::pending()).await });
        Self { address, drain }
    }

    /// Opens a stream and reads up to and with these bytes; it stays open until it is dropped.
    pub(crate) async fn open(&self, target: &str, headers: &[(&str, &str)], end: &str) -> TcpStream {
        self.told(target, headers, end).await.0
    }

    /// The same, with what was read.
    pub(crate) async fn told(
        &self,
        target: &str,
        headers: &[(&str, &str)],
        end: &str,
    ) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("GET {target} HTTP/1.1\r\nhost: edge.test\r\n{lines}\r\n");
        stream.write_all(head.as_bytes()).await.expect("a request sent");
        let text = read_until(&mut stream, end).await;
        (stream, text)
    }

    /// `line` is a method and a target, such as `GET /v1/items/7`.
    pub(crate) async fn ask(&self, line: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        ask_of(self.address, line, headers, body).await
    }

    pub(crate) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(&format!("GET {target}"), headers, "").await
    }
}

/// Asks any edge.
pub(crate) async fn ask_of(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let body = body.as_ref();
    let mut request = format!("{line} HTTP/1.1\r\nhost: edge.test\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n", body.len());
    let talk = async {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(&[request.as_bytes(), body].concat()).await.expect("a request sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        answer
    };
    Answer::parse(&timeout(PATIENCE, talk).await.unwrap_or_else(|_| panic!("no answer to {line}")))
}

/// Reads up to and with these bytes, and a little more; all of it as text.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    let found = async {
        while !read.windows(end.len()).any(|window| window == end.as_bytes()) {
            if stream.read_buf(&mut read).await.expect("an answer") == 0 {
                return false;
            }
        }
        true
    };
    let found = timeout(PATIENCE, found).await;
    let text = String::from_utf8_lossy(&read).into_owned();
    assert_eq!(found, Ok(true), "no {end:?} in {text:?}");
    text
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).expect("a head in ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').expect("a header");
            let name: http::HeaderName = name.parse().expect("a header's name");
            headers.append(name, value.trim().parse().expect("a header's value"));
        }
        let body = &bytes[end + 4..];
        let is_chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let body = if is_chunked { unchunked(body) } else { body.to_vec() };
        Self { status, headers, body }
    }

    /// A header as text, its lines joined; empty when absent.
    pub(crate) fn header(&self, name: &str) -> String {
        let lines = self.headers.get_all(name).iter().map(|value| value.to_str().expect("text"));
        lines.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Status and body in one line.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.status, self.text()).trim_end().to_owned()
    }
}

/// The data of a chunked body, up to where it ends or is cut.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size =
            std::str::from_utf8(&rest[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("the size of a chunk");
        let data = &rest[end + 2..];
        if size == 0 || data.len() < size + 2 {
            break;
        }
        body.extend_from_slice(&data[..size]);
        rest = &data[size + 2..];
    }
    body
}
