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
    /// Parses YAML: `http.rules`, `stream.rules`, `auth.rules` (lists with a `selector`), `events` (message to name). `name`
    /// is what the file is called where a rule of it is wrong. The file may be a `google.api.Service` that others read too.
    ///
    /// ```yaml
    /// http: { rules: [{ selector: acme.Stock.Watch, get: "/v1/stock:watch" }] }
    /// stream: { rules: [{ selector: acme.Stock.Watch, cursor: cursor, resume: after }] }
    /// events: { acme.Sold: "stock:sold" }
    /// ```
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let root: Value = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
        let Value::Object(mut sections) = root else { return Err("must be a mapping".into()) };
        let is_service = leave_service_config(&mut sections)?;
        let mut file = Self::named(name);
        for (kind, section) in sections {
            match kind.as_str() {
                "http" => file.http = rules(&kind, section, "google.api.HttpRule")?,
                "stream" => file.stream = rules(&kind, section, "lastmile.edge.v1.StreamRule")?,
                "auth" => file.auth = rules(&kind, section, "lastmile.edge.v1.AuthRule")?,
                "events" => {
                    file.events =
                        serde_json::from_value(section).map_err(|error| format!("events: {error}"))?;
                }
                _ if is_service => {
                    return Err(format!(
                        "`{kind}` of a google.api.Service means nothing to the edge; take it out of this file"
                    ));
                }
                _ => {
                    return Err(format!("unknown section `{kind}`; there are http, stream, auth and events"));
                }
            }
        }
        Ok(file)
    }
}

/// Takes out what a `google.api.Service` says of itself, as files for grpc-gateway and Cloud Endpoints do; whether it is one.
fn leave_service_config(sections: &mut Map<String, Value>) -> Result<bool, String> {
    match sections.remove("type") {
        None => return Ok(false),
        Some(Value::String(name)) if name == "google.api.Service" => {}
        Some(other) => {
            return Err(format!("type: is {other}; a file may say `google.api.Service`, or nothing"));
        }
    }
    for name in ["config_version", "configVersion", "name", "title", "documentation"] {
        sections.remove(name);
    }
    Ok(true)
}

/// Reads the `rules` of a section as ProtoJSON of the rule's message.
fn rules<T: prost::Message + Default>(
    name: &str,
    section: Value,
    message: &str,
) -> Result<HashMap<String, T>, String> {
    let id = OWN.find(message).ok_or("the edge lacks its own annotations")?;
    let Value::Object(mut section) = section else { return Err(format!("{name}: holds `rules`, a list")) };
    let Some(Value::Array(rules)) = section.remove("rules") else {
        return Err(format!("{name}: holds `rules`, a list"));
    };
    if let Some(other) = section.keys().next() {
        return Err(format!("{name}: unknown field `{other}`; it holds `rules`, a list"));
    }
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
            "rules.yaml",
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
    fn reads_files_of_others() {
        let file = RuleFile::parse(
            "rules.yaml",
            "{ type: google.api.Service, config_version: 3, http: { rules: [{ selector: a.B.C, get: /v1/c }] } }",
        );
        assert_eq!(file.unwrap().http.len(), 1);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, expected) in [
            ("[]", "must be a mapping"),
            ("htp: {}", "unknown section `htp`"),
            ("config_version: 3", "unknown section `config_version`"),
            (
                "{ type: google.api.Service, authentication: {} }",
                "`authentication` of a google.api.Service means nothing",
            ),
            ("type: google.api.HttpRule", "google.api.Service"),
            ("http: []", "http: holds `rules`"),
            ("http: { rule: [] }", "http: holds `rules`"),
            (
                "http: { rules: [], fully_decode_reserved_expansion: true }",
                "`fully_decode_reserved_expansion`",
            ),
            ("http: { rules: [{ get: /x }] }", "needs a `selector`"),
            ("stream: { rules: [{ selector: a.B.C, curser: x }] }", "curser"),
        ] {
            let error = RuleFile::parse("rules.yaml", text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
