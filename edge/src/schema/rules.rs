//! The rules of methods and messages: from their options, and over them from a `--rules` file.

use std::collections::HashMap;

use lastmile_proto::edge::v1::{AuthRule, StreamRule};
use lastmile_proto::google::api::HttpRule;
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};

/// The rules of a `--rules` file, by selector.
#[derive(Debug, Default)]
pub struct RuleFile {
    /// What it is called where its mistakes are told.
    name: String,
    pub(crate) http: HashMap<String, HttpRule>,
    pub(crate) stream: HashMap<String, StreamRule>,
    pub(crate) auth: HashMap<String, AuthRule>,
    pub(crate) events: HashMap<String, String>,
    /// Some upstreams have not been heard of: what is unknown may be theirs.
    is_ahead: bool,
}

/// A rule, and the file that it stands in.
#[derive(Debug)]
pub struct Written<T> {
    pub rule: T,
    pub file: String,
}

impl RuleFile {
    /// No rules yet, of the file with this name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// What the file is called.
    pub fn name(&self) -> &str {
        &self.name
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

    pub fn http(&self, method: &MethodDescriptor) -> Option<Written<HttpRule>> {
        self.rule(&self.http, method, "google.api.http")
    }

    pub fn stream(&self, method: &MethodDescriptor) -> Option<Written<StreamRule>> {
        self.rule(&self.stream, method, "lastmile.edge.v1.stream")
    }

    pub fn auth(&self, method: &MethodDescriptor) -> Option<Written<AuthRule>> {
        self.rule(&self.auth, method, "lastmile.edge.v1.auth")
    }

    /// The file's own rule, else that of the method's options.
    fn rule<T: prost::Message + Default + Clone>(
        &self,
        own: &HashMap<String, T>,
        method: &MethodDescriptor,
        name: &str,
    ) -> Option<Written<T>> {
        if let Some(rule) = own.get(method.full_name()) {
            return Some(Written { rule: rule.clone(), file: self.name.clone() });
        }
        let file = method.parent_file().name().to_owned();
        option(method, name).map(|rule| Written { rule, file })
    }

    /// The event name of a message.
    pub fn event(&self, message: &MessageDescriptor) -> Option<Written<String>> {
        if let Some(name) = self.events.get(message.full_name()) {
            return Some(Written { rule: name.clone(), file: self.name.clone() });
        }
        let extension = message.parent_pool().get_extension_by_name("lastmile.edge.v1.event")?;
        let options = message.options();
        if !options.has_extension(&extension) {
            return None;
        }
        let rule = options.get_extension(&extension).as_str()?.to_owned();
        Some(Written { rule, file: message.parent_file().name().to_owned() })
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
