//! A simulated network between a hub and a backend: it holds back, loses, and heals, in a time that costs nothing.
//!
//! HTTP/2 and all above it is real; `upstream/endpoint` is not part of it, a plain client of tonic is in its place. TCP is
//! simulated. It has no keep-alive: [`Watched`] is as patient as the edge's own. It repeats nothing: after a loss a connection
//! is as dead as one that a firewall forgot. Who asks for a connection is answered even when the way back is broken.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use lastmile_edge::error::Result;
use lastmile_edge::hub::outcome::GapReason;
use lastmile_edge::hub::{Hub, Item, Manner, Reader, Reading};
use lastmile_edge::upstream::Upstream;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Endpoint;
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, sim_elapsed};

use crate::backend::{Act, Backend, failure, response};
use crate::host::{scripted, serve};
use crate::subscriber::{Ask, join};

pub(crate) const EDGE: &str = "edge";
pub(crate) const BACKEND: &str = "backend";
const PORT: u16 = 50051;

/// As `upstream/target` has it: a peer that says nothing is asked after 10 s, and given up after 15 more.
const KEEP_ALIVE: Duration = Duration::from_secs(25);
/// As `upstream/target` has it.
const CONNECT: Duration = Duration::from_secs(3);

/// A backend with one event in each second. What it holds outlives its restarts.
#[derive(Clone, Default)]
pub(crate) struct Topic(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    epoch: u32,
    /// The second in which the epoch began.
    since: u32,
    /// The process shall be killed and started again.
    restarts: bool,
}

/// What one subscriber was told, and when.
pub(crate) type Told = Arc<Mutex<Vec<(Duration, Line)>>>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    Event { epoch: u32, number: u32 },
    Gap(GapReason),
}

impl Topic {
    /// The process is killed, and another one goes on with the same log.
    pub(crate) fn restart(&self) {
        self.0.lock().expect("no panic").restarts = true;
    }

    /// The same, but the log begins anew.
    pub(crate) fn restore(&self) {
        let mut log = self.0.lock().expect("no panic");
        *log = Log { epoch: log.epoch + 1, since: second(), restarts: true };
    }

    fn backend(&self) -> Backend {
        let topic = self.clone();
        Backend::new(move |_, request| topic.answer(request))
    }

    /// From the cursor on: all that has happened, and then an event in each second.
    fn answer(&self, request: &Value) -> Vec<Act> {
        let log = self.0.lock().expect("no panic");
        let now = second() - log.since;
        let after = request["after"].as_str().map(|cursor| cursor.split_once('-').expect("a cursor"));
        let from = match after {
            Some((epoch, _)) if epoch != log.epoch.to_string() => {
                return vec![failure(Code::OutOfRange, "CURSOR_EPOCH_CHANGED")];
            }
            Some((_, number)) => number.parse().expect("a number"),
            None => now,
        };
        let cursor = |number: u32| format!("{}-{number}", log.epoch);
        let mut acts = vec![response(json!({ "cursor": cursor(from), "position": true }))];
        for number in from + 1..now + 1000 {
            if number > now {
                acts.push(Act::Pause(Duration::from_secs(1)));
            }
            acts.push(response(json!({
                "cursor": cursor(number), "previous": cursor(number - 1), "type": "tick", "number": number,
            })));
        }
        acts
    }
}

fn second() -> u32 {
    sim_elapsed().expect("in a simulation").as_secs() as u32
}

/// Runs an edge beside this backend, until it is done.
pub(crate) fn simulate<E>(topic: &Topic, seed: u64, edge: E) -> turmoil::Result
where
    E: Future<Output = turmoil::Result> + 'static,
{
    let mut sim = Builder::new()
        .rng_seed(seed)
        .tick_duration(Duration::from_millis(20))
        .max_message_latency(Duration::from_millis(40))
        .simulation_duration(Duration::from_secs(600))
        .build();
    let backend = topic.backend();
    sim.host(BACKEND, move || {
        let answer = scripted(&backend);
        async move {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::spawn(serve(stream, Arc::clone(&answer), CancellationToken::new()));
            }
        }
    });
    sim.client(EDGE, edge);
    while !sim.step()? {
        if std::mem::take(&mut topic.0.lock().expect("no panic").restarts) {
            sim.bounce(BACKEND);
        }
    }
    Ok(())
}

/// The streams of an edge on this network, which keeps so many bytes of each.
pub(crate) fn hub(replay_bytes: usize) -> Hub {
    let dial = |_: Uri| async {
        let stream = TcpStream::connect((BACKEND, PORT)).await?;
        Ok::<_, io::Error>(TokioIo::new(Watched { stream, silence: Box::pin(sleep(KEEP_ALIVE)) }))
    };
    let channel = Endpoint::from_static("http://backend")
        .connect_timeout(CONNECT)
        .connect_with_connector_lazy(tower::service_fn(dial));
    let manner = Manner {
        peek: Duration::from_millis(250),
        replay_bytes,
        memory: 1 << 30,
        linger: Duration::from_secs(5),
        shared_headers: Vec::new(),
        timeout: Duration::from_secs(30),
    };
    Hub::new(Upstream::from_service(channel), manner)
}

/// A connection that breaks when nothing comes for as long as keep-alive would wait. The backend is never silent so long.
struct Watched {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.silence.as_mut().reset(Instant::now() + KEEP_ALIVE);
        } else if self.silence.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Follows the shared stream from now on, and writes down what it is told; looks only in each `pace`.
pub(crate) async fn follow(hub: &Hub, pace: Duration) -> Result<Told> {
    let ask = Ask::new("Streams/Listen", json!({ "topic": "a" }));
    let mut reader = join(hub, Reading::Anonymous, &ask).await?;
    let told = Told::default();
    let lines = Arc::clone(&told);
    tokio::spawn(async move {
        loop {
            if let Some(line) = next(&mut reader).await {
                let now = sim_elapsed().expect("in a simulation");
                lines.lock().expect("no panic").push((now, line));
            }
            sleep(pace).await;
        }
    });
    Ok(told)
}

async fn next(reader: &mut Reader) -> Option<Line> {
    let entry = reader.next().await.expect("no failure").expect("no end");
    match &entry.item {
        Item::Event(event) => {
            let json: Value = serde_json::from_slice(&event.json()).expect("JSON");
            let epoch =
                json["cursor"].as_str().and_then(|cursor| cursor.split_once('-')).expect("a cursor").0;
            let number = json["number"].as_u64().expect("a number") as u32;
            Some(Line::Event { epoch: epoch.parse().expect("a number"), number })
        }
        Item::Gap(reason) => Some(Line::Gap(*reason)),
        Item::Position => None,
        Item::Skipped(reason) => panic!("skipped: {reason}"),
    }
}
