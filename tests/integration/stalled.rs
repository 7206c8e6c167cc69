//! Subscribers that do not read: what each costs is bounded, however much is published, and the others notice nothing.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use lastmile_tests::{App, Browser, Publisher, SseParser, SseStream, Topology, metric, until};
use tokio::net::TcpSocket;
use tokio::time::sleep;

const NEWS: &str = "/api/v1/topics/news/events";
/// On the loopback the kernel takes about 2.5 MB for each before it is stalled.
const STALLED: usize = if cfg!(debug_assertions) { 100 } else { 1000 };
const RING: u64 = 256 * 1024;
const BYTES: usize = 16 * 1024;
/// Events that are published alone, until the kernel takes no more, and beside those that are stalled.
const ALONE: u32 = 100;
const FILLING: u32 = 256;
const BESIDE: u32 = 100;
/// So many of the stalled ones read everything in the end.
const WAKING: usize = 20;
/// What one that takes nothing may hold in the edge once its call has been given up: a message that the socket did not take
/// whole. Until then a call of its own may hold as much as the window of HTTP/2, and a buffer for each of its frames. A
/// queue would hold 5 MB.
const EACH: u64 = 32 * 1024;
const EACH_CALLING: u64 = 384 * 1024;
/// So many of those that stall read for a moment when they have fallen out of the ring, which takes a call for each.
const MOVING: usize = 20;
const MOVED: usize = 1_500_000;
const READERS: usize = 5;
const FIRST: usize = 100;

/// Opens a stream of which the kernel takes next to nothing.
async fn open(address: SocketAddr) -> std::net::TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket");
    let socket = socket.connect(address).await.expect("it listens").into_std().expect("a socket");
    socket.set_nonblocking(false).expect("a socket");
    socket.set_read_timeout(Some(lastmile_tests::LIMIT)).expect("a socket");
    let head = format!("GET {NEWS} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    (&socket).write_all(head.as_bytes()).expect("it is open");
    socket
}

/// Opens `count` of them, and waits until the edge has `all` readers.
async fn all_in(http: SocketAddr, admin: SocketAddr, count: usize, all: usize) -> Vec<std::net::TcpStream> {
    let mut opened = Vec::new();
    for _ in 0..count {
        opened.push(open(http).await);
    }
    until("all to be let in", || async {
        (metric(admin, "lastmile_edge_readers").await == all as u64).then_some(())
    })
    .await;
    sleep(Duration::from_millis(200)).await;
    opened
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as u64
}

/// Publishes events that hold their number and their time, and gives how late each came to those who read, sorted.
async fn publish(
    publisher: &Publisher,
    numbers: std::ops::Range<u32>,
    readers: &mut [SseStream],
) -> Vec<u64> {
    let last = numbers.end - 1;
    let publishing = async {
        for number in numbers {
            let text = format!("{number} {} {}", now(), "x".repeat(BYTES));
            publisher.publish_text("news", text).await.expect("an acknowledged event");
        }
    };
    let reading = join_all(readers.iter_mut().map(async |reader| {
        let mut late = Vec::new();
        loop {
            let event = reader.event().await.json();
            let mut words = event["data"].as_str().expect("text").split(' ');
            let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
            let (number, published) = (number(), number());
            late.push(now().saturating_sub(published));
            if number == u64::from(last) {
                return late;
            }
        }
    }));
    let mut late = tokio::join!(publishing, reading).1.concat();
    late.sort_unstable();
    late
}

/// The numbers of all events of a raw SSE response, up to `count`.
fn read_all(mut socket: &std::net::TcpStream, count: usize) -> Vec<u32> {
    let (mut raw, mut body, mut buffer) = (Vec::new(), None::<Chunks>, [0; 16 * 1024]);
    let (mut parser, mut numbers) = (SseParser::default(), Vec::new());
    while numbers.len() < count {
        let read = socket.read(&mut buffer).expect("more");
        assert!(read > 0, "cut off after {numbers:?}");
        raw.extend_from_slice(&buffer[..read]);
        if body.is_none() {
            let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            assert!(raw.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&raw));
            raw.drain(..end + 4);
            body = Some(Chunks::default());
        }
        let bytes = body.as_mut().expect("the head is read").take(&mut raw);
        for block in parser.push(&bytes) {
            assert_ne!(block.name(), "lm-close");
            if block.name() == "text" {
                let event = block.json();
                let word = event["data"].as_str().and_then(|text| text.split(' ').next()).expect("text");
                numbers.push(word.parse().expect("a number"));
            }
        }
    }
    numbers
}

/// Takes a body in chunks apart (RFC 9112, section 7.1).
#[derive(Default)]
struct Chunks {
    left: usize,
}

impl Chunks {
    /// The data that `raw` begins with; what is not whole stays there.
    fn take(&mut self, raw: &mut Vec<u8>) -> Vec<u8> {
        let mut data = Vec::new();
        loop {
            if self.left > 2 {
                let more = (self.left - 2).min(raw.len());
                data.extend(raw.drain(..more));
                self.left -= more;
            }
            if self.left > 0 {
                if self.left > 2 || raw.len() < self.left {
                    return data;
                }
                raw.drain(..self.left);
                self.left = 0;
            }
            let Some(end) = raw.windows(2).position(|two| two == b"\r\n") else { return data };
            let line: Vec<u8> = raw.drain(..end + 2).collect();
            let size = std::str::from_utf8(&line[..end]).expect("hexadecimal digits");
            self.left = usize::from_str_radix(size, 16).expect("hexadecimal digits") + 2;
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are for whoever runs it by hand")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_those_hold_who_do_not_read_is_bounded() {
    let ring = RING.to_string();
    let variables = [
        ("LASTMILE_STREAMS__REPLAY_BYTES", ring.as_str()),
        ("LASTMILE_LIMITS__TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
        ("LASTMILE_LIMITS__REQUESTS_PER_SECOND", "1000000"),
        ("LASTMILE_LIMITS__REQUEST_BURST", "1000000"),
        ("LASTMILE_LIMITS__STREAMS_PER_ADDRESS", "1000000"),
    ];
    let mut app = App::start_with(Topology::Two, &variables).await;
    let (http, admin) = (app.http(), app.admin());
    let publisher = Publisher::login(app.grpc(), "alice").await;
    let browser = Browser::new(http);
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(browser.subscribe(NEWS, None).await);
        assert_eq!(readers.last_mut().expect("one").outcomes().await, ["FRESH"]);
    }
    let alone = publish(&publisher, 0..ALONE, &mut readers).await;
    // What is made once is made by those who come first; they stay.
    let _first = all_in(http, admin, FIRST, READERS + FIRST).await;
    let before = app.front().memory();
    let stalled = all_in(http, admin, STALLED, READERS + FIRST + STALLED).await;
    let each = app.front().memory().saturating_sub(before) / STALLED as u64;
    let before = app.front().memory();

    let full = ALONE + FILLING;
    publish(&publisher, ALONE..full, &mut readers).await;
    let filled = app.front().memory().saturating_sub(before);
    let beside = publish(&publisher, full..full + BESIDE, &mut readers).await;
    let all_given_up = || {
        until("calls that nobody reads to be given up", || async {
            (metric(admin, "lastmile_edge_upstream_streams").await == 1).then_some(())
        })
    };
    let called = async || metric(admin, "lastmile_edge_catch_up_calls_total").await;
    // Of those that the kernel took more of meanwhile.
    all_given_up().await;
    let before_moving = called().await;
    for socket in stalled.iter().skip(1).step_by(STALLED / MOVING) {
        (&mut &*socket).read_exact(&mut vec![0; MOVED]).expect("more");
    }
    until("them to be called for", || async {
        (called().await >= before_moving + MOVING as u64).then_some(())
    })
    .await;
    // Calls that nobody reads are given up after some seconds, and what is not used any more is given back every second.
    let unread = (FIRST + STALLED) as u64;
    all_given_up().await;
    let edge = &*app.front();
    let growth = until("what is held to be little", || async {
        let growth = edge.memory().saturating_sub(before);
        (growth <= RING + EACH * unread).then_some(growth)
    })
    .await;
    let catch_ups = called().await;
    let held = metric(admin, "lastmile_edge_ring_bytes").await;
    let p99 = |late: &[u64]| late[late.len() * 99 / 100];
    println!(
        "{STALLED} idle: {each} bytes each; stalled: {} KiB more, later {} KiB; {catch_ups} catch up; ring {held}; p99 {} us \
         alone, {} us beside",
        filled / 1024,
        growth / 1024,
        p99(&alone),
        p99(&beside)
    );
    assert!(held <= RING + BYTES as u64 * 2, "{held}");
    assert!(filled <= RING + EACH_CALLING * unread, "{filled}");
    // Held up, they would wait until those who do not read have left.
    assert!(p99(&beside) <= 3 * p99(&alone) + 2_000_000, "{} {}", p99(&beside), p99(&alone));

    let waking = stalled.into_iter().step_by(STALLED / WAKING);
    let reading = waking
        .map(|socket| tokio::task::spawn_blocking(move || read_all(&socket, (FILLING + BESIDE) as usize)));
    for numbers in join_all(reading).await {
        assert_eq!(numbers.expect("no panic"), (ALONE..full + BESIDE).collect::<Vec<_>>());
    }
}
