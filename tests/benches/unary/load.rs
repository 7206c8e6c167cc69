//! A closed loop of keep-alive connections that ask for one path.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const CONNECTIONS: usize = 64;
const ROUND: Duration = Duration::from_secs(2);

/// What came of a round.
pub(crate) struct Load {
    pub(crate) requests: usize,
    pub(crate) elapsed: Duration,
}

pub(crate) async fn run(address: SocketAddr, path: &str) -> Load {
    let begun = Instant::now();
    let workers: Vec<_> =
        (0..CONNECTIONS).map(|_| tokio::spawn(ask(address, path.to_owned(), begun + ROUND))).collect();
    let mut requests = 0;
    for worker in workers {
        requests += worker.await.expect("no panic");
    }
    Load { requests, elapsed: begun.elapsed() }
}

async fn ask(address: SocketAddr, path: String, until: Instant) -> usize {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    socket.set_nodelay(true).expect("a socket");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n\r\n");
    let mut buffer = Vec::with_capacity(64 * 1024);
    let mut requests = 0;
    while Instant::now() < until {
        socket.write_all(request.as_bytes()).await.expect("it is open");
        answer(&mut socket, &mut buffer).await;
        requests += 1;
    }
    requests
}

/// Reads one answer, which must be a 200 of known length.
async fn answer(socket: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    let mut whole = usize::MAX;
    while buffer.len() < whole {
        assert!(socket.read_buf(buffer).await.expect("it is open") > 0, "the connection was closed");
        if whole == usize::MAX
            && let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            assert!(head.starts_with("http/1.1 200"), "{head}");
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            whole = end + 4 + length.expect("answers have a content-length");
        }
    }
}
