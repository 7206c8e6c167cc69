//! Settings of the guards: who may call, and what that may cost.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

/// Who issues the tokens that are accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// `auto`: the backend's EdgeIdentityService if it has one. `none`: credentials pass through unverified. Else a
    /// file with a JWKS (RFC 7517).
    pub keys: String,
    /// The `iss` that tokens must carry; the EdgeIdentityService names its own.
    pub issuer: Option<String>,
    /// The `aud` that tokens must carry.
    pub audience: Option<String>,
    /// The cookie that holds the access token.
    pub cookie: String,
    /// Cookies get `Secure` and `__Host-`: set it when browsers reach the edge by https.
    pub secure_cookies: bool,
    /// Advice added to every 401: where and how to log in.
    pub hint: Option<String>,
    /// What tickets are sealed with: 64 hexadecimal digits, or a file that holds them. Edges with the same one take each
    /// other's tickets; without it each makes its own.
    pub ticket_key: Option<Secret>,
}

/// A setting that is never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

const HIDDEN: &str = "(hidden)";

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            keys: "auto".into(),
            issuer: None,
            audience: None,
            cookie: "lm_access".into(),
            secure_cookies: false,
            hint: None,
            ticket_key: None,
        }
    }
}

/// Which other origins may call.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Exact origins such as `https://app.example.com`.
    pub origins: Vec<String>,
}

/// What one client may cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Request line and headers, in bytes.
    pub head_bytes: usize,
    /// Request body, in bytes; where requests are streamed, one message of it.
    pub body_bytes: usize,
    /// Whole body of a request that REST streams, in bytes.
    pub upload_bytes: usize,
    /// All that one streamed request by gRPC, gRPC-Web or Connect may send, in bytes.
    pub stream_bytes: Option<usize>,
    /// Time to send the whole body of a streamed request, on any face.
    #[serde(with = "humantime_serde")]
    pub upload_timeout: Option<Duration>,
    /// A message of the backend, in bytes.
    pub message_bytes: usize,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one address; proxies that are trusted may have any number.
    pub connections_per_address: usize,
    /// Open streams of one caller.
    pub streams_per_caller: usize,
    /// Open streams of one address.
    pub streams_per_address: usize,
    /// Requests a second from one address, on average.
    pub requests_per_second: u32,
    /// Requests from one address at once.
    pub request_burst: u32,
    /// Time to send the request head.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// Time to send the request body.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// Proxies whose `X-Forwarded-For` is believed, by address.
    pub trusted_proxies: Vec<std::net::IpAddr>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            body_bytes: 1024 * 1024,
            upload_bytes: 64 * 1024 * 1024,
            stream_bytes: None,
            upload_timeout: None,
            message_bytes: 4 * 1024 * 1024,
            connections: 20_000,
            connections_per_address: 2000,
            streams_per_caller: 100,
            streams_per_address: 2000,
            requests_per_second: 500,
            request_burst: 2000,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            trusted_proxies: Vec::new(),
        }
    }
}
