//! All settings of an edge.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::guards::{AuthConfig, CorsConfig, LimitsConfig};
use super::rest::RestConfig;
use super::sessions::{HmrConfig, SessionsConfig};
use super::traffic::{CallsConfig, DrainConfig, StreamsConfig};
use super::upstream::{HeaderText, Upstreams};

/// Everything that can be set for an edge; the field names are the TOML keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeConfig {
    /// Where browsers connect. `localhost` listens on IPv4 and IPv6.
    pub http: String,
    /// Where operators look: `/livez`, `/readyz`, `/reload`.
    pub admin: String,
    /// The backends: tables, or the URLs of one.
    pub upstream: Upstreams,
    /// The edge's own token for its only backend; with several, each has its own `credential`.
    pub credential: Option<HeaderText>,
    /// An encoded FileDescriptorSet, instead of reflection.
    pub descriptors: Option<PathBuf>,
    /// Rules in YAML for a backend without annotations.
    pub rules: Option<PathBuf>,
    /// Not for production: loopback origins may call, descriptors, reflection and health are there for anyone, backends'
    /// own faults are told.
    pub dev: bool,
    pub auth: AuthConfig,
    pub cors: CorsConfig,
    pub limits: LimitsConfig,
    pub calls: CallsConfig,
    pub streams: StreamsConfig,
    pub sessions: SessionsConfig,
    pub hmr: HmrConfig,
    pub paths: PathsConfig,
    pub rest: RestConfig,
    pub drain: DrainConfig,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            http: "localhost:8080".into(),
            admin: "localhost:9090".into(),
            upstream: Upstreams::default(),
            credential: None,
            descriptors: None,
            rules: None,
            dev: false,
            auth: AuthConfig::default(),
            cors: CorsConfig::default(),
            limits: LimitsConfig::default(),
            calls: CallsConfig::default(),
            streams: StreamsConfig::default(),
            sessions: SessionsConfig::default(),
            hmr: HmrConfig::default(),
            paths: PathsConfig::default(),
            rest: RestConfig::default(),
            drain: DrainConfig::default(),
        }
    }
}

impl EdgeConfig {
    /// Gives the edge's own token to its only backend.
    ///
    /// # Errors
    /// A sentence when there are several: a token is for one of them.
    pub fn hand_on_credential(&mut self) -> Result<(), String> {
        let Some(credential) = self.credential.take() else { return Ok(()) };
        let [only] = self.upstream.0.as_mut_slice() else {
            return Err("credential: is for a single upstream; give each `[[upstream]]` its own".into());
        };
        only.credential.get_or_insert(credential);
        Ok(())
    }
}

/// Where the edge's own paths are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PathsConfig {
    /// Goes before the edge's own paths and those of methods (gRPC works without it too), such as `/lastmile`.
    pub prefix: String,
    /// Serves `/openapi.json`: what the backend's bindings are, to anyone who asks.
    pub openapi: bool,
    /// `/.well-known/lastmile/descriptors` tells everyone the backend's descriptors; with `--dev` it always does.
    pub descriptors: bool,
    /// `/.well-known/lastmile/metrics` tells everyone what `/metrics` tells operators, so that the console can draw it;
    /// with `--dev` it always does.
    pub metrics: bool,
}

impl Default for PathsConfig {
    fn default() -> Self {
        Self { prefix: String::new(), openapi: true, descriptors: false, metrics: false }
    }
}
