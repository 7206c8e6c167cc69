//! Settings of calls and streams, from their first byte to the shutdown.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How calls are made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallsConfig {
    /// Longest a unary call may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Request headers that reach the backend as metadata.
    pub request_headers: Vec<String>,
    /// Metadata of the backend that reaches the browser as response headers.
    pub response_headers: Vec<String>,
    /// How often descriptors are asked for again.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
}

impl Default for CallsConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            request_headers: ["accept-language", "idempotency-key", "x-request-id"].map(String::from).into(),
            response_headers: Vec::new(),
            refresh: Duration::from_secs(30),
        }
    }
}

/// How streams behave.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamsConfig {
    /// Interval of heartbeats where the method's rule names none.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How long the answer waits for a first message or failure, so that a failure can have its real status.
    #[serde(with = "humantime_serde")]
    pub peek: Duration,
    /// How long EventSource waits before it connects again; every connection gets its own, jittered by half.
    #[serde(with = "humantime_serde")]
    pub retry: Duration,
    /// How long a long poll collects events after the first.
    #[serde(with = "humantime_serde")]
    pub coalesce: Duration,
    /// Bytes of recent events kept of each stream, where the method's rule says nothing else.
    pub replay_bytes: usize,
    /// Bytes of recent events that all streams may keep together.
    pub memory: usize,
    /// How long a stream of the backend is kept after its last reader has left, where the method's rule says nothing else.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// Request headers that reach the backend on streams that several callers share; each of their values has a stream of
    /// its own.
    pub shared_headers: Vec<String>,
    /// Streams that are opened a second on average, on all connections together.
    pub opens_per_second: u32,
    /// Streams that are opened at once after a quiet time.
    pub opens_burst: u32,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            peek: Duration::from_millis(250),
            retry: Duration::from_secs(2),
            coalesce: Duration::from_millis(100),
            replay_bytes: 1 << 20,
            memory: 256 << 20,
            linger: Duration::from_secs(5),
            shared_headers: Vec::new(),
            opens_per_second: 2000,
            opens_burst: 10_000,
        }
    }
}

/// How the edge shuts down.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrainConfig {
    /// Every stream of events goes on until a moment of its own within this time, at most half of the grace.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// How long EventSource waits before it connects again, jittered by half.
    #[serde(with = "humantime_serde")]
    pub retry: Duration,
    /// What is still open after this is cut.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(5),
            retry: Duration::from_millis(250),
            grace: Duration::from_secs(10),
        }
    }
}
