//! Settings: a struct per concern, visible defaults, read once at the start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Everything that can be set for an edge; the field names are the TOML keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeConfig {
    /// Where browsers connect. `localhost` listens on IPv4 and IPv6.
    pub http: String,
    /// Where operators look: `/livez`, `/readyz`.
    pub admin: String,
    /// One or several equal backends.
    pub upstream: Vec<String>,
    /// An encoded FileDescriptorSet, instead of reflection.
    pub descriptors: Option<PathBuf>,
    /// Rules in YAML for a backend without annotations.
    pub rules: Option<PathBuf>,
    /// Helps developers and is not for production.
    pub dev: bool,
    pub auth: AuthConfig,
    pub cors: CorsConfig,
    pub limits: LimitsConfig,
    pub calls: CallsConfig,
    pub streams: StreamsConfig,
    pub paths: PathsConfig,
    pub drain: DrainConfig,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            http: "localhost:8080".into(),
            admin: "localhost:9090".into(),
            upstream: Vec::new(),
            descriptors: None,
            rules: None,
            dev: false,
            auth: AuthConfig::default(),
            cors: CorsConfig::default(),
            limits: LimitsConfig::default(),
            calls: CallsConfig::default(),
            streams: StreamsConfig::default(),
            paths: PathsConfig::default(),
            drain: DrainConfig::default(),
        }
    }
}

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
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            keys: "auto".into(),
            issuer: None,
            audience: None,
            cookie: "lm_access".into(),
            secure_cookies: false,
            hint: None,
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
    /// Request body, in bytes.
    pub body_bytes: usize,
    /// A message of the backend, in bytes.
    pub message_bytes: usize,
    /// Open connections in all.
    pub connections: usize,
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
            message_bytes: 4 * 1024 * 1024,
            connections: 20_000,
            requests_per_second: 500,
            request_burst: 2000,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            trusted_proxies: Vec::new(),
        }
    }
}

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
}

impl Default for StreamsConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            peek: Duration::from_millis(250),
            retry: Duration::from_secs(2),
            coalesce: Duration::from_millis(100),
        }
    }
}

/// Where the edge's own paths are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PathsConfig {
    /// Goes before the edge's own paths, such as `/lastmile`.
    pub prefix: String,
}

/// How the edge shuts down.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrainConfig {
    /// Browsers are told to come back at a moment of their own within this time.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// What is still open after this is cut.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { window: Duration::from_secs(5), grace: Duration::from_secs(10) }
    }
}

/// Layers settings: defaults, then the TOML file, then `LASTMILE_SECTION__KEY`, then flags (which clap has already
/// merged with their own `LASTMILE_…` variables).
///
/// # Errors
/// A sentence that names the key, where it stands, and the nearest key that exists.
pub fn load<T>(file: Option<&Path>, flags: impl Serialize) -> Result<T, String>
where
    T: Default + Serialize + DeserializeOwned,
{
    let defaults = serde_json::to_value(T::default()).map_err(|error| error.to_string())?;
    let sections: Vec<String> = defaults
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.is_object())
        .map(|(key, _)| format!("{key}__"))
        .collect();
    let nested = Env::prefixed("LASTMILE_")
        .filter(move |key| {
            sections.iter().any(|section| key.as_str().to_ascii_lowercase().starts_with(section))
        })
        .split("__");
    let mut figment = Figment::from(Serialized::defaults(T::default()));
    if let Some(file) = file {
        figment = figment.merge(Toml::file_exact(file));
    }
    figment.merge(nested).merge(Serialized::defaults(flags)).extract().map_err(|error| explain(&error))
}

fn explain(error: &figment::Error) -> String {
    let place =
        error.metadata.as_ref().and_then(|metadata| metadata.source.as_ref()).map(ToString::to_string);
    let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
    let Kind::UnknownField(name, known) = &error.kind else { return format!("{place}{error}") };
    let nearest =
        known.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let hint = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
    format!("{place}unknown key `{}`{hint}", error.path.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = std::env::temp_dir().join(format!("lastmile-config-{}.toml", std::process::id()));
        std::fs::write(&file, "http = \"localhost:1\"\nadmin = \"localhost:2\"\n[limits]\nbody_bytes = 7\n")
            .unwrap();
        let config: EdgeConfig = load(Some(&file), serde_json::json!({ "http": "localhost:3" })).unwrap();
        assert_eq!((config.http.as_str(), config.admin.as_str()), ("localhost:3", "localhost:2"));
        assert_eq!(config.limits.body_bytes, 7);
        assert_eq!(config.limits.head_bytes, 16 * 1024);

        std::fs::write(&file, "[limits]\nbdy_bytes = 7\n").unwrap();
        let error = load::<EdgeConfig>(Some(&file), serde_json::json!({})).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert!(error.contains("bdy_bytes") && error.contains("did you mean `body_bytes`?"), "{error}");
    }
}
