//! Reads a `--rules` file: YAML whose rules are ProtoJSON.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::schema::plan::{self, Plan};
use crate::schema::{RuleFile, descriptors};

use super::read::{ReadOptions, read_json};

/// The messages that rules are written as.
static OWN: LazyLock<Plan> =
    LazyLock::new(|| plan::compile(descriptors::own_pool(), plan::Style::default(), &mut Vec::new()));

impl RuleFile {
    /// Parses YAML: `http.rules`, `stream.rules`, `auth.rules` (lists with a `selector`), `events` (message to name).
    ///
    /// ```yaml
    /// http: { rules: [{ selector: acme.Stock.Watch, get: "/v1/stock:watch" }] }
    /// stream: { rules: [{ selector: acme.Stock.Watch, cursor: cursor, resume: after }] }
    /// events: { acme.Sold: "stock:sold" }
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let root: Value = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
        let Value::Object(sections) = root else { return Err("must be a mapping".into()) };
        let mut file = Self::default();
        for (name, section) in sections {
            match name.as_str() {
                "http" => file.http = rules(section, "google.api.HttpRule")?,
                "stream" => file.stream = rules(section, "lastmile.edge.v1.StreamRule")?,
                "auth" => file.auth = rules(section, "lastmile.edge.v1.AuthRule")?,
                "events" => {
                    file.events =
                        serde_json::from_value(section).map_err(|error| format!("events: {error}"))?;
                }
                _ => {
                    return Err(format!("unknown section `{name}`; there are http, stream, auth and events"));
                }
            }
        }
        Ok(file)
    }
}

/// Reads the `rules` of a section as ProtoJSON of the rule's message.
fn rules<T: prost::Message + Default>(section: Value, message: &str) -> Result<HashMap<String, T>, String> {
    let id = OWN.find(message).ok_or("the edge lacks its own annotations")?;
    let Value::Object(mut section) = section else { return Err("a section holds `rules`, a list".into()) };
    let Some(Value::Array(rules)) = section.remove("rules") else {
        return Err("a section holds `rules`, a list".into());
    };
    let mut by_selector = HashMap::new();
    for rule in rules {
        let (selector, rule) = selected(rule)?;
        let (json, mut bytes) = (Value::Object(rule).to_string(), Vec::new());
        read_json(&OWN, id, ReadOptions::default(), json.as_bytes(), &mut bytes)
            .map_err(|error| format!("{selector}: {}", error.message()))?;
        let rule = T::decode(bytes.as_slice()).map_err(|error| format!("{selector}: {error}"))?;
        if by_selector.insert(selector.clone(), rule).is_some() {
            return Err(format!("{selector}: two rules in one section"));
        }
    }
    Ok(by_selector)
}

fn selected(rule: Value) -> Result<(String, Map<String, Value>), String> {
    let Value::Object(mut rule) = rule else { return Err("a rule is a mapping with a `selector`".into()) };
    match rule.remove("selector") {
        Some(Value::String(selector)) => Ok((selector, rule)),
        _ => Err("a rule needs a `selector`: the full name of a method such as pkg.Service.Method".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rules_by_selector() {
        let file = RuleFile::parse(
            "http: { rules: [{ selector: a.B.C, get: /v1/c, additionalBindings: [{ post: /v1/c, body: '*' }] }] }\n\
             stream: { rules: [{ selector: a.B.C, cursor: cursor, resume: after, heartbeat: 5s }] }\n\
             events: { a.Sold: 'stock:sold' }",
        )
        .unwrap();
        assert_eq!(file.http["a.B.C"].additional_bindings.len(), 1);
        assert_eq!(file.stream["a.B.C"].heartbeat.unwrap().seconds, 5);
        assert_eq!(file.events["a.Sold"], "stock:sold");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, expected) in [
            ("[]", "must be a mapping"),
            ("htp: {}", "unknown section `htp`"),
            ("http: { rules: [{ get: /x }] }", "needs a `selector`"),
            ("stream: { rules: [{ selector: a.B.C, curser: x }] }", "curser"),
        ] {
            let error = RuleFile::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
