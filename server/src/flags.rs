//! Command-line flags of the core, the same in every binary that holds one.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Serialize;

/// Each flag has a `LASTMILE_…` variable and, but for `config`, a TOML key of its name.
#[derive(Debug, Args, Serialize)]
pub struct CoreFlags {
    /// Where gRPC clients connect [default: localhost:50051]
    #[arg(long, env = "LASTMILE_GRPC", value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<String>,
    /// Where /livez and /readyz are [default: localhost:9090]
    #[arg(long, env = "LASTMILE_ADMIN", value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// Folder of the database [default: ./data]
    #[arg(long, env = "LASTMILE_DATA", value_name = "DIR", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Add demo users with a known password, demo topics and a demo publisher
    #[arg(long, env = "LASTMILE_DEV", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<bool>,
    /// Password of the first administrator; better given by the environment than on the command line
    #[arg(long, env = "LASTMILE_ADMIN_PASSWORD", hide = true, hide_env_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_password: Option<String>,
    /// How long an access token is valid [default: 15m]
    #[arg(long, env = "LASTMILE_ACCESS_TOKEN_LIFETIME", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<String>,
    /// How often events that topics no longer keep are deleted [default: 10s]
    #[arg(long, env = "LASTMILE_RETENTION_INTERVAL", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_interval: Option<String>,
    /// After this time the next key signs tokens [default: 90d]
    #[arg(long, env = "LASTMILE_SIGNING_KEY_LIFETIME", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key_lifetime: Option<String>,
    /// Bytes of an event, a commit or a log record at most [default: 65536]
    #[arg(long, env = "LASTMILE_EVENT_BYTES", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_bytes: Option<usize>,
    /// TOML file with the same settings
    #[arg(long, env = "LASTMILE_CONFIG", value_name = "FILE", global = true)]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}
