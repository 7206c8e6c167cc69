//! What subscribers of all faces have in common: they ask, they read, they remember.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use reqwest::{Client, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Clock;
use crate::history::{Entry, History, Outcome, Seen, Told, topics};

use super::credential::Credential;

/// An answer that takes longer than this is none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Number of the last event of each topic that a subscriber has.
pub(crate) type Reached = Arc<Vec<AtomicU64>>;

/// One subscriber, whatever its face.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) history: History,
    pub(crate) clock: Clock,
    pub(crate) edges: Vec<SocketAddr>,
    pub(crate) random: StdRng,
    pub(crate) credential: Credential,
    pub(crate) client: Client,
    /// Its own, as a trusted proxy would tell it.
    pub(crate) address: String,
    /// Where it stands, as it would tell an edge.
    pub(crate) cursor: Option<String>,
    pub(crate) reached: Reached,
    /// How often streams say that they are alive, as the last one said.
    pub(crate) heartbeat: Duration,
}

/// An event, as far as it matters here.
#[derive(Deserialize)]
struct Delivered {
    cursor: String,
    topic: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    /// Absent where a stream that is under way tells of a gap.
    heartbeat_ms: Option<u64>,
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    key: String,
    outcome: String,
    reason: Option<String>,
}

impl Reader {
    /// Remembers.
    pub(crate) fn see(&mut self, seen: Seen) {
        self.history.entries.push(Entry { at: self.clock.now(), seen });
    }

    /// Path and query without a cursor.
    pub(crate) fn path(&self) -> String {
        let names: Vec<_> = self.history.topics.iter().map(|topic| topics::all()[*topic]).collect();
        match &names[..] {
            _ if self.history.merged => "/api/v1/events?".to_owned(),
            [one] => format!("/api/v1/topics/{one}/events?"),
            many => {
                let pairs: Vec<_> = many.iter().map(|name| format!("topics={name}")).collect();
                format!("/api/v1/events?{}", pairs.join("&"))
            }
        }
    }

    /// Any of the edges, by number and by URL.
    pub(crate) fn edge(&mut self) -> (usize, String) {
        let edge = self.random.random_range(0..self.edges.len());
        (edge, format!("http://{}", self.edges[edge]))
    }

    /// A signed request.
    pub(crate) fn get(&self, url: &str) -> RequestBuilder {
        let request = self.client.get(url).header("x-forwarded-for", &self.address);
        self.credential.sign(request)
    }

    /// Sends it; what goes wrong on the way is remembered as a cut.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Option<Response> {
        let sent = tokio::time::timeout(PATIENCE + Duration::from_secs(10), request.send()).await;
        if let Ok(Ok(response)) = sent {
            return Some(response);
        }
        self.see(Seen::Cut);
        None
    }

    /// Silence for longer than this means that the connection is dead.
    pub(crate) fn watchdog(&self) -> Duration {
        self.heartbeat.mul_f64(1.3) + Duration::from_secs(2)
    }

    /// Remembers that the answer is no stream.
    pub(crate) async fn refused(&mut self, response: Response) -> (u16, String) {
        let status = response.status().as_u16();
        let problem: Value = tokio::time::timeout(PATIENCE, response.json())
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_default();
        let reason = problem["reason"].as_str().unwrap_or_default().to_owned();
        // An answer cut before its reason says nothing of it.
        if reason.is_empty() && status != 204 {
            self.see(Seen::Cut);
        } else {
            self.see(Seen::Refused { status, reason: reason.clone() });
        }
        (status, reason)
    }

    /// Gets new tokens, from any edge.
    pub(crate) async fn renew(&mut self) -> bool {
        let (_, base) = self.edge();
        self.credential.renew(&self.client, &base, &self.address).await
    }

    /// Waits as a careful client does: not all come back at once.
    pub(crate) async fn pause(&mut self, mean: Duration) {
        let pause = mean.mul_f64(self.random.random_range(0.3..1.7));
        tokio::time::sleep(pause).await;
    }

    /// Now and then a laptop is closed for a while, long enough to fall behind what brief topics keep.
    pub(crate) async fn nap(&mut self) {
        if self.random.random_bool(0.06) {
            let nap = Duration::from_millis(self.random.random_range(4000..12_000));
            tokio::time::sleep(nap).await;
        }
    }

    /// Remembers an event, and the token that came with it.
    pub(crate) fn event(&mut self, json: &str, token: Option<&str>) -> Option<String> {
        let delivered: Delivered = match serde_json::from_str(json) {
            Ok(delivered) => delivered,
            Err(error) => {
                self.see(Seen::Malformed { what: format!("{error} in {json}") });
                return None;
            }
        };
        let Some(topic) = topics::index(&delivered.topic) else {
            // Who reads all topics also gets those that `--dev` adds.
            return Some(delivered.cursor);
        };
        let text = delivered.data.as_str().unwrap_or_default();
        let Some(number) = text.split(' ').next().and_then(|number| number.parse().ok()) else {
            self.see(Seen::Malformed { what: format!("no number in {json}") });
            return None;
        };
        let (cursor, token) = (delivered.cursor.as_str().into(), token.map(Into::into));
        self.see(Seen::Event { topic, number, cursor, token });
        if let Some(reached) = self.reached.get(topic) {
            reached.fetch_max(number, Ordering::Relaxed);
        }
        Some(delivered.cursor)
    }

    /// Remembers what became of the cursors.
    pub(crate) fn opened(&mut self, json: &str) {
        let seen = match serde_json::from_str::<Open>(json) {
            Ok(open) => {
                self.heartbeat = open.heartbeat_ms.map_or(self.heartbeat, Duration::from_millis);
                Seen::Opened(open.streams.into_iter().map(told).collect())
            }
            Err(error) => Seen::Malformed { what: format!("{error} in {json}") },
        };
        self.see(seen);
    }
}

/// Whether a stream ended for a reason that a new token cures.
pub(crate) fn is_of_token(reason: &str) -> bool {
    reason.to_ascii_uppercase().starts_with("TOKEN_")
}

fn told(stream: Stream) -> Told {
    let outcome = match stream.outcome.as_str() {
        "FRESH" => Outcome::Fresh,
        "RESUMED" => Outcome::Resumed,
        other => Outcome::Gap(stream.reason.unwrap_or_else(|| format!("{other} without a reason"))),
    };
    Told { key: stream.key, outcome }
}
