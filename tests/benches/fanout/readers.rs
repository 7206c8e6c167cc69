//! A process of many subscribers that read as cheaply as can be.
//!
//! A sender on the loopback pays for waking its readers. When its CPU time is measured, they look for themselves every
//! 500 µs; when latency is, they sleep until something comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use serde::{Deserialize, Serialize};

use crate::control;

/// Stands once in every event and nowhere else, before the time of its publication.
pub(crate) const MARK: char = '^';

/// Digits of a time in nanoseconds.
const DIGITS: usize = 19;

const INTERVAL: Duration = Duration::from_micros(500);

/// How many connect at once: fewer than a listener's backlog.
const BATCH: usize = 256;

const CONTROL: u64 = u64::MAX;

/// What a subscriber asks for, and what shows that it was given.
struct Asking {
    request: Vec<u8>,
    opened: &'static str,
}

/// A path of an event stream, `ws:PATH` of a bare WebSocket, or `session:TOPIC` of a call in a session over one; without a
/// topic the session has no call.
fn asking(address: SocketAddr, path: &str) -> Asking {
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAccept-Language: en\r\n";
    if let Some(path) = path.strip_prefix("ws:") {
        return Asking { request: get(path, upgrade).into(), opened: "HTTP/1.1 101" };
    }
    let Some(topic) = path.strip_prefix("session:") else {
        let request = get(path, "Accept: text/event-stream\r\n").into();
        return Asking { request, opened: "HTTP/1.1 200" };
    };
    let protocol = format!("{upgrade}Sec-WebSocket-Protocol: lastmile.v1.json\r\n");
    let mut request = get("/ws", &protocol).into_bytes();
    request.extend(masked(r#"{"hello":{}}"#));
    if topic.is_empty() {
        return Asking { request, opened: "\"ready\"" };
    }
    let open = format!(
        r#"{{"open":{{"call":1,"method":"lastmile.v1.TopicService/Subscribe","json":{{"topic":"{topic}"}},"credit":{}}}}}"#,
        u32::MAX
    );
    request.extend(masked(&open));
    Asking { request, opened: "\"opened\"" }
}

/// A text frame of a client, with a mask of zeros.
fn masked(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short frame").to_be_bytes();
    [&[0x81, 0xfe][..], &length, &[0; 4], text.as_bytes()].concat()
}

/// What all subscribers together have read since the last tally.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    /// Events of the subscriber that has the fewest.
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) bytes: u64,
    pub(crate) reads: u64,
    /// Microseconds from publication to receipt; 0 where readers did not sleep.
    pub(crate) median: u32,
    pub(crate) p99: u32,
}

struct Connection {
    socket: TcpStream,
    open: bool,
    events: u64,
}

struct Readers {
    control: TcpStream,
    said: Vec<u8>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// What shows that a subscriber has what it asked for.
    opened: &'static str,
    open: usize,
    asleep: bool,
    buffer: Box<[u8]>,
    tally: Tally,
    latencies: Vec<u32>,
    told: u64,
}

/// Does what the bench says until it is killed.
pub(crate) fn run() {
    let control = control::accept();
    control.set_nonblocking(true).expect("a socket");
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
    let data = epoll::EventData::new_u64(CONTROL);
    epoll::add(&epoll, &control, data, epoll::EventFlags::IN).expect("one more");
    let mut readers = Readers {
        control,
        said: Vec::new(),
        epoll,
        connections: Vec::new(),
        opened: "",
        open: 0,
        asleep: true,
        buffer: vec![0; 64 * 1024].into(),
        tally: Tally::default(),
        latencies: Vec::new(),
        told: 0,
    };
    let mut events = Vec::with_capacity(1024);
    loop {
        readers.turn(&mut events);
        while let Some(end) = readers.said.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = readers.said.drain(..=end).collect();
            readers.obey(String::from_utf8_lossy(&line).trim_end());
        }
    }
}

impl Readers {
    fn obey(&mut self, line: &str) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["open", count, address, path] => {
                self.open(count.parse().expect("a number"), address.parse().expect("an address"), path);
                self.tell("opened");
            }
            ["poll"] => self.asleep = false,
            ["sleep"] => self.asleep = true,
            ["tally"] => {
                let tally = self.take_tally();
                self.tell(&serde_json::to_string(&tally).expect("numbers"));
            }
            ["close"] => {
                self.connections.clear();
                self.open = 0;
                self.tell("closed");
            }
            _ => panic!("unknown command: {line}"),
        }
    }

    fn tell(&mut self, line: &str) {
        self.control.write_all(format!("{line}\n").as_bytes()).expect("the bench reads");
    }

    /// Opens `count` more; `{}` in the path is the number of the subscriber.
    fn open(&mut self, count: usize, address: SocketAddr, path: &str) {
        let wanted = self.connections.len() + count;
        let mut events = Vec::with_capacity(1024);
        while self.connections.len() < wanted {
            for number in self.connections.len()..wanted.min(self.connections.len() + BATCH) {
                let mut socket = TcpStream::connect(address).expect("it listens");
                let path = path.replace("{}", &number.to_string());
                let Asking { request, opened } = asking(address, &path);
                self.opened = opened;
                socket.write_all(&request).expect("it is open");
                socket.set_nonblocking(true).expect("a socket");
                let data = epoll::EventData::new_u64(number as u64);
                let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
                epoll::add(&self.epoll, &socket, data, flags).expect("one more");
                self.connections.push(Connection { socket, open: false, events: 0 });
            }
            while self.open < self.connections.len() {
                self.turn(&mut events);
            }
        }
    }

    /// Reads what is there.
    fn turn(&mut self, events: &mut Vec<epoll::Event>) {
        events.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.epoll, spare_capacity(events), if self.asleep { None } else { Some(&now) }) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("{error}"),
        }
        for event in events.iter() {
            match event.data.u64() {
                CONTROL => self.listen(),
                number => self.read(number as usize),
            }
        }
        self.report();
        if !self.asleep && events.len() < events.capacity() {
            sleep(INTERVAL);
        }
    }

    fn listen(&mut self) {
        match self.control.read(&mut self.buffer) {
            Ok(0) => std::process::exit(0),
            Ok(count) => self.said.extend(&self.buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => std::process::exit(0),
        }
    }

    fn read(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        loop {
            let count = match connection.socket.read(&mut self.buffer) {
                Ok(0) => panic!("subscriber {number} was cut off"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("subscriber {number}: {error}"),
            };
            let bytes = &self.buffer[..count];
            if !connection.open {
                let text = String::from_utf8_lossy(bytes);
                assert!(!text.starts_with("HTTP/1.1 4") && !text.contains("goaway"), "{text}");
                if text.contains(self.opened) {
                    connection.open = true;
                    self.open += 1;
                }
            }
            let events = bytes.iter().filter(|byte| **byte == MARK as u8).count() as u64;
            connection.events += events;
            self.tally.events += events;
            self.tally.bytes += count as u64;
            self.tally.reads += 1;
            if self.asleep {
                self.latencies.extend(latencies(bytes));
            }
            // A short read has emptied the socket.
            if count < self.buffer.len() {
                return;
            }
        }
    }

    /// Tells how many events have reached everyone, as far as their sum shows.
    fn report(&mut self) {
        let delivered = self.tally.events / self.connections.len().max(1) as u64;
        if delivered > self.told {
            self.told = delivered;
            self.tell(&format!("delivered {delivered}"));
        }
    }

    fn take_tally(&mut self) -> Tally {
        let mut tally = std::mem::take(&mut self.tally);
        tally.least = self.connections.iter().map(|connection| connection.events).min().unwrap_or(0);
        tally.most = self.connections.iter().map(|connection| connection.events).max().unwrap_or(0);
        self.latencies.sort_unstable();
        let at = |share: usize| self.latencies.get(self.latencies.len() * share / 100).copied().unwrap_or(0);
        (tally.median, tally.p99) = (at(50), at(99));
        self.latencies.clear();
        self.connections.iter_mut().for_each(|connection| connection.events = 0);
        self.told = 0;
        tally
    }
}

/// Microseconds since the publication of each event that is whole in `bytes`.
fn latencies(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let now = nanoseconds();
    let times = bytes.split(|byte| *byte == MARK as u8).skip(1);
    times.filter_map(move |rest| {
        let published: u64 = std::str::from_utf8(rest.get(..DIGITS)?).ok()?.parse().ok()?;
        u32::try_from(now.saturating_sub(published) / 1000).ok()
    })
}

/// The time, as events carry it.
pub(crate) fn nanoseconds() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(time.as_nanos()).expect("it is before 2554")
}
