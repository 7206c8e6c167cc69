//! Settings in layers: defaults, TOML file, environment, flags.
//!
//! The binaries read them once, with [`load`]; the rest of the crate gets them as structs.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Provider};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

/// A longer life of access tokens would outlast the refresh tokens they are known by.
const LONGEST_ACCESS_TOKEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Every key stays known for more than a year.
const SHORTEST_SIGNING_KEY: Duration = Duration::from_secs(24 * 60 * 60);

/// Tokens count in seconds.
const SHORTEST_ACCESS_TOKEN: Duration = Duration::from_secs(1);

/// Room for the envelope of any event, and below what gRPC clients take by default.
const EVENT_BYTES: RangeInclusive<usize> = 4 * 1024..=1024 * 1024;

/// Settings of the core, whichever process it lives in.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// Folder of the database.
    pub data: PathBuf,
    /// Adds demo users, topics and a demo publisher. Not for strangers.
    pub dev: bool,
    /// Password of the first administrator.
    pub admin_password: Option<SecretString>,
    /// How long an access token is valid; at most 30 days.
    pub access_token_lifetime: Duration,
    /// After this time the next key signs; at least a day. What was signed before stays valid.
    pub signing_key_lifetime: Duration,
    /// How often old events are deleted.
    pub retention_interval: Duration,
    /// Bytes of an event, of a document's commit or of a log record, encoded: 4 KiB to 1 MiB.
    pub event_bytes: usize,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./data"),
            dev: false,
            admin_password: None,
            access_token_lifetime: Duration::from_secs(15 * 60),
            signing_key_lifetime: Duration::from_secs(90 * 24 * 60 * 60),
            retention_interval: Duration::from_secs(10),
            event_bytes: 64 * 1024,
        }
    }
}

impl CoreConfig {
    /// Whether the core can work with these settings.
    ///
    /// # Errors
    /// One line for each that it cannot.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut errors = Vec::new();
        if !(SHORTEST_ACCESS_TOKEN..=LONGEST_ACCESS_TOKEN).contains(&self.access_token_lifetime) {
            errors.push("access_token_lifetime must be 1s to 30d".to_owned());
        }
        if self.signing_key_lifetime < SHORTEST_SIGNING_KEY {
            errors.push("signing_key_lifetime must be at least 1d".to_owned());
        }
        if !EVENT_BYTES.contains(&self.event_bytes) {
            errors.push("event_bytes must be 4096 to 1048576".to_owned());
        }
        if errors.is_empty() { Ok(()) } else { Err(ConfigError(errors)) }
    }
}

/// Settings of the process `lastmile-server`, as a TOML file holds them. Each is listed, because an error about a nested
/// structure that is flattened does not tell its key.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServerConfig {
    /// Address of the gRPC listener.
    pub grpc: String,
    /// Address of the listener for probes.
    pub admin: String,
    /// See [`CoreConfig::data`].
    pub data: PathBuf,
    /// See [`CoreConfig::dev`].
    pub dev: bool,
    /// See [`CoreConfig::admin_password`].
    #[serde(serialize_with = "hide")]
    pub admin_password: Option<SecretString>,
    /// See [`CoreConfig::access_token_lifetime`].
    #[serde(with = "humantime_serde")]
    pub access_token_lifetime: Duration,
    /// See [`CoreConfig::signing_key_lifetime`].
    #[serde(with = "humantime_serde")]
    pub signing_key_lifetime: Duration,
    /// See [`CoreConfig::retention_interval`].
    #[serde(with = "humantime_serde")]
    pub retention_interval: Duration,
    /// See [`CoreConfig::event_bytes`].
    pub event_bytes: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let core = CoreConfig::default();
        Self {
            grpc: "localhost:50051".to_owned(),
            admin: "localhost:9090".to_owned(),
            data: core.data,
            dev: core.dev,
            admin_password: core.admin_password,
            access_token_lifetime: core.access_token_lifetime,
            signing_key_lifetime: core.signing_key_lifetime,
            retention_interval: core.retention_interval,
            event_bytes: core.event_bytes,
        }
    }
}

impl ServerConfig {
    /// The settings of the core among them.
    pub fn core(self) -> CoreConfig {
        CoreConfig {
            data: self.data,
            dev: self.dev,
            admin_password: self.admin_password,
            access_token_lifetime: self.access_token_lifetime,
            signing_key_lifetime: self.signing_key_lifetime,
            retention_interval: self.retention_interval,
            event_bytes: self.event_bytes,
        }
    }
}

/// Why settings cannot be used: one line each.
#[derive(Debug)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// Merges defaults, a TOML file and the values given by flags or environment, in this order.
///
/// # Errors
/// When the file is missing, is not TOML, has a key that no setting has, or a value has the wrong type.
pub fn load<T: Serialize + DeserializeOwned>(
    defaults: T,
    file: Option<&Path>,
    given: impl Serialize,
) -> Result<T, ConfigError> {
    let defaults = Serialized::defaults(defaults);
    let mut settings = Figment::from(&defaults);
    if let Some(path) = file {
        let unreadable = |error| ConfigError(vec![format!("{}: {error}", path.display())]);
        std::fs::metadata(path).map_err(unreadable)?;
        let toml = Toml::file_exact(path);
        check_keys(path, &data(&toml)?, &data(&defaults)?)?;
        settings = settings.merge(toml);
    }
    settings.merge(Serialized::defaults(given)).extract().map_err(lines)
}

fn data(provider: &impl Provider) -> Result<Dict, ConfigError> {
    let profiles = provider.data().map_err(lines)?;
    Ok(profiles.into_iter().next().map(|(_, dict)| dict).unwrap_or_default())
}

fn lines(error: figment::Error) -> ConfigError {
    ConfigError(error.into_iter().map(|each| each.to_string()).collect())
}

fn check_keys(path: &Path, given: &Dict, known: &Dict) -> Result<(), ConfigError> {
    let mut errors = Vec::new();
    collect_unknown("", given, known, &mut errors);
    if errors.is_empty() {
        return Ok(());
    }
    Err(ConfigError(errors.into_iter().map(|error| format!("{}: {error}", path.display())).collect()))
}

fn collect_unknown(prefix: &str, given: &Dict, known: &Dict, errors: &mut Vec<String>) {
    for (key, value) in given {
        match (known.get(key), value) {
            (Some(Value::Dict(_, known)), Value::Dict(_, inner)) => {
                collect_unknown(&format!("{prefix}{key}."), inner, known, errors);
            }
            (Some(_), _) => {}
            (None, _) => errors.push(match nearest(key, known) {
                Some(nearest) => {
                    format!("unknown key `{prefix}{key}`: did you mean `{prefix}{nearest}`?")
                }
                None => format!("unknown key `{prefix}{key}`"),
            }),
        }
    }
}

fn nearest<'a>(key: &str, known: &'a Dict) -> Option<&'a String> {
    known.keys().min_by_key(|candidate| strsim::damerau_levenshtein(key, candidate))
}

fn hide<S: Serializer>(_: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn load_toml(toml: &str, given: serde_json::Value) -> Result<ServerConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lastmile.toml");
        std::fs::write(&path, toml).unwrap();
        load(ServerConfig::default(), Some(&path), given).map_err(|error| error.to_string())
    }

    #[test]
    fn later_sources_win() {
        let config =
            load_toml("grpc = 'a:1'\nadmin = 'b:2'\naccess_token_lifetime = '5m'", json!({"grpc": "c:3"}));
        let config = config.unwrap();
        assert_eq!((config.grpc.as_str(), config.admin.as_str()), ("c:3", "b:2"));
        assert_eq!(config.access_token_lifetime, Duration::from_secs(300));
        assert_eq!(config.data, PathBuf::from("./data"));
    }

    #[test]
    fn unknown_key_stops_with_the_nearest_name() {
        let error = load_toml("gprc = 'a:1'\nadmn = 'b:2'", json!({})).unwrap_err();
        assert!(error.contains("lastmile.toml: unknown key `gprc`: did you mean `grpc`?"), "{error}");
        assert!(error.contains("did you mean `admin`?"), "{error}");
    }

    #[test]
    fn wrong_type_names_the_key() {
        let error = load_toml("dev = 'yes'", json!({})).unwrap_err();
        assert!(error.contains("dev"), "{error}");
    }

    #[test]
    fn lifetimes_that_cannot_work_are_named_together() {
        CoreConfig::default().check().unwrap();
        let config = CoreConfig {
            access_token_lifetime: LONGEST_ACCESS_TOKEN + Duration::from_secs(1),
            signing_key_lifetime: Duration::ZERO,
            ..CoreConfig::default()
        };
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("access_token_lifetime") && error.contains("signing_key_lifetime"), "{error}");
    }

    #[test]
    fn missing_file_is_an_error() {
        assert!(load(ServerConfig::default(), Some(Path::new("/nowhere.toml")), json!({})).is_err());
    }
}
