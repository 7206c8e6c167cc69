//! The floor: one thread that calls `send()` for one socket after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::control;

/// What the events are sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Events,
    Socket,
}

const SOCKET: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Sends each line of the bench to everyone; what has come at once goes in one `send()`.
pub(crate) fn run(form: Form) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    control::announce("http", listener.local_addr().expect("it is bound"));
    let subscribers: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let accepted = Arc::clone(&subscribers);
    std::thread::spawn(move || {
        for subscriber in listener.incoming() {
            let subscriber = admit(subscriber.expect("a connection"), form);
            accepted.lock().expect("no panic").push(subscriber);
        }
    });
    let mut control = control::accept();
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        let count = control.read(&mut buffer[filled..]).expect("the bench lives");
        if count == 0 {
            return;
        }
        filled += count;
        let Some(end) = buffer[..filled].iter().rposition(|byte| *byte == b'\n') else { continue };
        let chunks: Vec<u8> =
            buffer[..end].split(|byte| *byte == b'\n').flat_map(|text| form.event(text)).collect();
        buffer.copy_within(end + 1..filled, 0);
        filled -= end + 1;
        for subscriber in &mut *subscribers.lock().expect("no panic") {
            // The cheapest of all: a reader that is gone is nobody's business here.
            let _ = subscriber.write(&chunks);
        }
    }
}

fn admit(mut subscriber: TcpStream, form: Form) -> TcpStream {
    subscriber.set_nodelay(true).expect("a socket");
    let head = BufReader::new(&subscriber).lines().map_while(Result::ok);
    head.take_while(|line| !line.is_empty()).for_each(drop);
    subscriber.write_all(if form == Form::Events { HEAD } else { SOCKET }).expect("it is open");
    subscriber
}

impl Form {
    fn event(self, text: &[u8]) -> Vec<u8> {
        if self == Self::Socket {
            let length = u16::try_from(text.len()).expect("a short event").to_be_bytes();
            return [&[0x81, 126][..], &length, text].concat();
        }
        let block = [b"data: ", text, b"\n\n"].concat();
        [format!("{:x}\r\n", block.len()).as_bytes(), &block, b"\r\n"].concat()
    }
}
