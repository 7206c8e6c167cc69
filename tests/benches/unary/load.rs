//! A closed loop of keep-alive connections that ask for one path.
//!
//! A sender on the loopback pays for waking its reader: here the reader looks for itself, every 500 µs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) const CONNECTIONS: usize = 64;
const ROUND: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_micros(500);

/// What came of a round.
pub(crate) struct Load {
    pub(crate) requests: usize,
    pub(crate) elapsed: Duration,
}

/// One connection and what it has read of an answer.
struct Connection {
    socket: TcpStream,
    answer: Vec<u8>,
}

/// Keeps the thread for the whole round.
pub(crate) fn run(address: SocketAddr, path: &str) -> Load {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n\r\n");
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(address)).collect();
    let begun = Instant::now();
    for connection in &mut connections {
        connection.ask(request.as_bytes());
    }
    let mut requests = 0;
    while begun.elapsed() < ROUND {
        sleep(INTERVAL);
        for connection in &mut connections {
            if connection.has_answer() {
                requests += 1;
                connection.ask(request.as_bytes());
            }
        }
    }
    Load { requests, elapsed: begun.elapsed() }
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("it listens");
        socket.set_nodelay(true).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        Self { socket, answer: Vec::new() }
    }

    fn ask(&mut self, request: &[u8]) {
        self.answer.clear();
        self.socket.write_all(request).expect("a request fits into the buffer of its socket");
    }

    /// Whether it has come whole; it must be a 200 of known length.
    fn has_answer(&mut self) -> bool {
        let mut piece = [0; 32 * 1024];
        loop {
            match self.socket.read(&mut piece) {
                Ok(0) => panic!("the connection was closed"),
                Ok(count) => self.answer.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => panic!("{error}"),
            }
            if whole(&self.answer).is_some_and(|length| self.answer.len() >= length) {
                return true;
            }
        }
    }
}

/// How long an answer is in all, once its head is there.
fn whole(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200"), "{text}");
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some(head + 4 + length.expect("answers have a content-length"))
}
