//! Reads the rules of methods and messages: from their options, and over them from a `--rules` file.

use std::collections::HashMap;

use lastmile_proto::edge::v1::{AuthRule, StreamRule};
use lastmile_proto::google::api::HttpRule;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value};

use super::descriptors;

/// The rules of a `--rules` file, by selector.
#[derive(Debug, Default)]
pub struct RuleFile {
    http: HashMap<String, HttpRule>,
    stream: HashMap<String, StreamRule>,
    auth: HashMap<String, AuthRule>,
    events: HashMap<String, String>,
    /// Some upstreams have not been heard of: what is unknown may be theirs.
    is_ahead: bool,
}

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

    /// The same rules, for the time until all upstreams have been heard of.
    pub fn ahead(self) -> Self {
        Self { is_ahead: true, ..self }
    }

    /// Every selector of the file that names nothing in the pool.
    pub fn unknown_selectors(&self, pool: &DescriptorPool) -> Vec<String> {
        if self.is_ahead {
            return Vec::new();
        }
        let methods: Vec<String> = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .map(|m| m.full_name().to_owned())
            .collect();
        let selectors = self.http.keys().chain(self.stream.keys()).chain(self.auth.keys());
        let unknown = selectors.filter(|selector| !methods.contains(selector)).cloned();
        let messages = self.events.keys().filter(|name| pool.get_message_by_name(name).is_none()).cloned();
        unknown.chain(messages).collect()
    }

    pub fn http(&self, method: &MethodDescriptor) -> Option<HttpRule> {
        self.http.get(method.full_name()).cloned().or_else(|| option(method, "google.api.http"))
    }

    pub fn stream(&self, method: &MethodDescriptor) -> Option<StreamRule> {
        self.stream.get(method.full_name()).cloned().or_else(|| option(method, "lastmile.edge.v1.stream"))
    }

    pub fn auth(&self, method: &MethodDescriptor) -> Option<AuthRule> {
        self.auth.get(method.full_name()).cloned().or_else(|| option(method, "lastmile.edge.v1.auth"))
    }

    /// The event name of a message.
    pub fn event(&self, message: &MessageDescriptor) -> Option<String> {
        if let Some(name) = self.events.get(message.full_name()) {
            return Some(name.clone());
        }
        let extension = message.parent_pool().get_extension_by_name("lastmile.edge.v1.event")?;
        let options = message.options();
        options
            .has_extension(&extension)
            .then(|| options.get_extension(&extension).as_str().map(str::to_owned))?
    }
}

/// Reads a method option, if it is set.
fn option<T: prost::Message + Default>(method: &MethodDescriptor, name: &str) -> Option<T> {
    let extension = method.parent_pool().get_extension_by_name(name)?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message()?.transcode_to().ok()
}

/// Reads the `rules` of a section as ProtoJSON of the rule's message.
fn rules<T: prost::Message + Default>(section: Value, message: &str) -> Result<HashMap<String, T>, String> {
    let descriptor =
        descriptors::own_pool().get_message_by_name(message).ok_or("the edge lacks its own annotations")?;
    let Value::Object(mut section) = section else { return Err("a section holds `rules`, a list".into()) };
    let Some(Value::Array(rules)) = section.remove("rules") else {
        return Err("a section holds `rules`, a list".into());
    };
    let mut by_selector = HashMap::new();
    for rule in rules {
        let (selector, rule) = selected(rule)?;
        let message = DynamicMessage::deserialize(descriptor.clone(), Value::Object(rule))
            .map_err(|error| format!("{selector}: {error}"))?;
        let rule = message.transcode_to().map_err(|error| format!("{selector}: {error}"))?;
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
