//! Settings of sessions: what one may hold, and how long it waits for its client.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What sessions may cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// Interval of heartbeats on a connection that is quiet.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How long a session waits for a new connection.
    #[serde(with = "humantime_serde")]
    pub park: Duration,
    /// Open sessions of one caller.
    pub per_caller: usize,
    /// Open sessions of one address.
    pub per_address: usize,
    /// Open calls of one session.
    pub calls: usize,
    /// Messages of a call that a client may send ahead.
    pub credit: u32,
    /// Bytes of a client's messages that the backend has not taken, of one session.
    pub upload_bytes: usize,
    /// Bytes that were sent and not acknowledged, of one session.
    pub unacked_bytes: usize,
    /// Bytes that all parked sessions may hold together.
    pub parked_bytes: usize,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            park: Duration::from_secs(30),
            per_caller: 100,
            per_address: 2000,
            calls: 256,
            credit: 8,
            upload_bytes: 8 << 20,
            unacked_bytes: 1 << 20,
            parked_bytes: 64 << 20,
        }
    }
}

/// Moving sessions from one page load to the next, for development servers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HmrConfig {
    /// Serves `POST /hmr/migrate`; with `--dev` it always does.
    pub enabled: bool,
}
