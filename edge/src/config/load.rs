//! Puts settings together from defaults, file, environment and flags.

use std::path::Path;

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::Serialize;
use serde::de::DeserializeOwned;

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
        std::fs::metadata(file).map_err(|error| format!("{}: {error}", file.display()))?;
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
    use crate::config::edge::EdgeConfig;

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
