//! Two edges behind a balancer are restarted one after the other, under subscribers that count what they get.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::app::edge_token;
use crate::balancer::Balancer;
use crate::core::CoreProcess;
use crate::edge::EdgeProcess;
use crate::http::Browser;
use crate::publisher::Publisher;
use crate::sse::SseStream;

const TOPIC: &str = "news";
/// Published last.
const END: u32 = 0;

/// All subscribers have one address here.
const ONE_ADDRESS: [(&str, &str); 5] = [
    ("LASTMILE_LIMITS__REQUESTS_PER_SECOND", "1000000"),
    ("LASTMILE_LIMITS__REQUEST_BURST", "1000000"),
    ("LASTMILE_LIMITS__TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
    ("LASTMILE_LIMITS__STREAMS_PER_ADDRESS", "1000000"),
    // No line for each stream: this process would have to read them all.
    ("RUST_LOG", "warn,lastmile_edge=info,lastmile_edge::layer=warn"),
];

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct RollingRestart {
    pub subscribers: usize,
    /// Between two events.
    pub interval: Duration,
    /// `drain.window` of the edges.
    pub window: Duration,
    /// The reconnects are counted in so many parts of the window.
    pub parts: usize,
}

/// `drain.retry` of the edges.
const RETRY: Duration = Duration::from_millis(250);

/// What the subscribers saw.
#[derive(Debug, Default)]
pub struct Figures {
    pub events: u32,
    /// Whatever a subscriber should not have seen, or missed.
    pub faults: Vec<String>,
    /// Of each restart: subscribers that came back in each part of the window, as a share of what is even.
    pub rates: Vec<Vec<f64>>,
    /// Times that each of them was without its stream, in milliseconds, sorted.
    pub away: Vec<u64>,
    /// Times without an event around a restart, less the time between two events; in milliseconds, sorted.
    pub pauses: Vec<u64>,
    /// Connections that were refused or broken, and tried again.
    pub retries: usize,
}

/// What one subscriber saw.
#[derive(Debug, Default)]
struct Seen {
    events: u32,
    faults: Vec<String>,
    left: Vec<Instant>,
    returned: Vec<Instant>,
    pauses: Vec<Duration>,
    retries: usize,
}

impl RollingRestart {
    /// Does it.
    ///
    /// # Panics
    /// When a process does not do what it should.
    pub async fn run(self) -> Figures {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let core = CoreProcess::start(folder.path(), &[]).await;
        let credential = edge_token(core.grpc()).await;
        let window = format!("{}ms", self.window.as_millis());
        let grace = format!("{}ms", 2 * self.window.as_millis() + 2000);
        let drain = [("LASTMILE_DRAIN__WINDOW", window.as_str()), ("LASTMILE_DRAIN__GRACE", grace.as_str())];
        let variables = [&ONE_ADDRESS[..], &drain].concat();
        let mut edges = Vec::new();
        for _ in 0..2 {
            edges.push(EdgeProcess::start(core.grpc(), &credential, &variables).await);
        }
        let balancer = Balancer::start(edges.iter().map(EdgeProcess::http).collect()).await;
        let subscribers = self.subscribe(&balancer).await;

        let stop = CancellationToken::new();
        let publisher = Publisher::login(core.grpc(), "alice").await;
        let publishing = tokio::spawn(publish(publisher, self.interval, stop.clone()));
        let mut begun = Vec::new();
        for (number, edge) in edges.iter_mut().enumerate() {
            sleep(2 * self.interval).await;
            begun.push(Instant::now());
            edge.process().terminate();
            assert!(edge.process().ended().await.success(), "edge {number} ends well");
            balancer.set_living(number, false);
            edge.restart().await;
            balancer.set_living(number, true);
        }
        // Those who left last are back by then.
        sleep(2 * self.interval).await;
        stop.cancel();
        let events = publishing.await.expect("acknowledged events");
        self.figures(events, &begun, subscribers.join_all().await)
    }

    /// Opens all streams; each goes on until the last event.
    async fn subscribe(self, balancer: &Balancer) -> tokio::task::JoinSet<Seen> {
        let browser = Browser::new(balancer.address());
        let open = Arc::new(Barrier::new(self.subscribers + 1));
        let mut subscribers = tokio::task::JoinSet::new();
        for _ in 0..self.subscribers {
            subscribers.spawn(read(browser.clone(), Arc::clone(&open), self.interval));
        }
        open.wait().await;
        subscribers
    }

    fn figures(self, events: u32, begun: &[Instant], all: Vec<Seen>) -> Figures {
        let mut figures = Figures { events, ..Figures::default() };
        for (number, end) in begun.iter().zip(begun.iter().skip(1).map(Some).chain([None])) {
            let is_of_this = |at: &&Instant| *at >= number && end.is_none_or(|end| *at < end);
            let first = all.iter().flat_map(|seen| &seen.left).filter(is_of_this).min();
            let back = all.iter().flat_map(|seen| &seen.returned).filter(is_of_this);
            figures.rates.push(first.map(|first| self.rates(*first, back)).unwrap_or_default());
        }
        for seen in all {
            let missed = (seen.events != events).then(|| format!("{} of {events} events", seen.events));
            figures.faults.extend(seen.faults.into_iter().chain(missed));
            let away = seen.left.iter().zip(&seen.returned).map(|(left, back)| *back - *left);
            figures.away.extend(away.map(|away| away.as_millis() as u64));
            figures.pauses.extend(seen.pauses.iter().map(|pause| pause.as_millis() as u64));
            figures.retries += seen.retries;
        }
        figures.away.sort_unstable();
        figures.pauses.sort_unstable();
        figures
    }

    /// How many came back in each part of the window, as a share of what is even.
    fn rates<'a>(self, first: Instant, back: impl Iterator<Item = &'a Instant>) -> Vec<f64> {
        let mut parts = vec![0.0; self.parts];
        let mut all = 0.0;
        for at in back {
            // So long each of them waits on average.
            let after = at.saturating_duration_since(first + RETRY);
            let part = after.as_secs_f64() / self.window.as_secs_f64() * self.parts as f64;
            parts[(part as usize).min(self.parts - 1)] += 1.0;
            all += 1.0;
        }
        parts.iter().map(|part| part * self.parts as f64 / all).collect()
    }
}

impl Figures {
    /// The value that this share of them does not exceed.
    pub fn share(sorted: &[u64], percent: usize) -> u64 {
        let last = sorted.len().saturating_sub(1);
        sorted.get(last * percent / 100).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |sorted: &[u64]| [50, 99, 100].map(|percent| Self::share(sorted, percent));
        let ([away, away99, away_most], [pause, pause99, pause_most]) = (at(&self.away), at(&self.pauses));
        writeln!(f, "{} events, {} faults, {} tried again", self.events, self.faults.len(), self.retries)?;
        writeln!(f, "{} reconnects, ms away: p50 {away}, p99 {away99}, most {away_most}", self.away.len())?;
        writeln!(f, "visible pause, ms: p50 {pause}, p99 {pause99}, most {pause_most}")?;
        for rates in &self.rates {
            let rates: Vec<_> = rates.iter().map(|rate| format!("{rate:.2}")).collect();
            writeln!(f, "reconnect rate, parts of the window, of what is even: {}", rates.join(" "))?;
        }
        Ok(())
    }
}

/// Publishes 1, 2, 3 and so on; returns how many.
async fn publish(publisher: Publisher, pause: Duration, stop: CancellationToken) -> u32 {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while !stop.is_cancelled() {
        ticks.tick().await;
        number += 1;
        publisher.publish(TOPIC, number).await.expect("an acknowledged event");
    }
    publisher.publish(TOPIC, END).await.expect("an acknowledged event");
    number
}

/// Reads as EventSource does, until the last event.
async fn read(browser: Browser, open: Arc<Barrier>, interval: Duration) -> Seen {
    let mut seen = Seen::default();
    let (mut retry, mut last_id) = (Duration::from_secs(1), None::<String>);
    let mut last_event = None::<Instant>;
    let mut open = Some(open);
    loop {
        let mut request = browser.request("GET", "/api/v1/topics/news/events");
        // A connection that another subscriber has left may just be closing.
        request = request.header("accept", "text/event-stream").header("connection", "close");
        if let Some(id) = &last_id {
            request = request.header("last-event-id", id);
        }
        let Some(answer) = request.send().await.ok().filter(|answer| answer.status() == 200) else {
            seen.retries += 1;
            sleep(retry).await;
            continue;
        };
        let mut stream = SseStream::new(answer);
        let mut was_away = last_id.is_some();
        while let Some(block) = stream.next().await {
            let told = block.retry.as_ref().and_then(|retry| retry.parse().ok());
            retry = told.map_or(retry, Duration::from_millis);
            match block.name() {
                "" if block.id.is_some() => {
                    if let Some(open) = open.take() {
                        open.wait().await;
                    }
                }
                "" => {}
                "lm-open" => {
                    let outcome = block.json()["streams"][0]["outcome"].clone();
                    match was_away {
                        true if outcome == "RESUMED" => seen.returned.push(Instant::now()),
                        true => seen.faults.push(format!("came back to {outcome}")),
                        false => {}
                    }
                }
                "lm-close" => {
                    seen.left.push(Instant::now());
                    if block.json()["reason"] != "drain" {
                        seen.faults.push(format!("closed for {}", block.json()));
                    }
                }
                "number" => {
                    let now = Instant::now();
                    if let Some(before) = last_event.replace(now).filter(|_| was_away) {
                        seen.pauses.push((now - before).saturating_sub(interval));
                        was_away = false;
                    }
                    let number = block.json()["data"].as_f64().unwrap_or(-1.0) as u32;
                    if number == END {
                        return seen;
                    }
                    seen.events += 1;
                    if number != seen.events {
                        seen.faults.push(format!("{number} in the place of {}", seen.events));
                        seen.events = number;
                    }
                }
                other => seen.faults.push(other.to_owned()),
            }
        }
        last_id = stream.last_id().map(str::to_owned).or(last_id);
        sleep(retry).await;
    }
}
