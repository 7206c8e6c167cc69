//! Resolves declared rules against the descriptors; every mistake is collected, none ends the check.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lastmile_proto::edge::v1::{AuthRule, StreamRule, share};
use lastmile_proto::google::api::{HttpRule, http_rule::Pattern};
use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};

use super::field::FieldPath;
use super::method::{Auth, Binding, Body, Durable, EventName, Method, Split, Stream};
use super::rules::RuleFile;
use super::template::Template;

/// One thing that is wrong with the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub file: String,
    /// Method or message.
    pub place: String,
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.file, self.place, self.problem)
    }
}

/// Collects the mistakes of one method.
#[derive(Debug)]
pub struct Check<'a> {
    method: &'a MethodDescriptor,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Check<'a> {
    pub fn new(method: &'a MethodDescriptor, mistakes: &'a mut Vec<Mistake>) -> Self {
        Self { method, mistakes }
    }

    pub fn mistake(&mut self, problem: impl Into<String>) {
        self.mistakes.push(Mistake {
            file: self.method.parent_file().name().to_owned(),
            place: self.method.full_name().to_owned(),
            problem: problem.into(),
        });
    }

    fn path(&mut self, rule: &str, message: &MessageDescriptor, text: &str) -> Option<FieldPath> {
        match FieldPath::resolve(message, text) {
            Ok(path) => Some(path),
            Err(problem) => {
                self.mistake(format!("{rule}: {problem}"));
                None
            }
        }
    }

    /// The bindings of an HttpRule, its additional ones included.
    pub fn bindings(&mut self, method: &Arc<Method>, rule: &HttpRule) -> Vec<(Template, Binding)> {
        let all = std::iter::once(rule).chain(&rule.additional_bindings);
        all.filter_map(|rule| self.binding(method, rule)).collect()
    }

    fn binding(&mut self, method: &Arc<Method>, rule: &HttpRule) -> Option<(Template, Binding)> {
        let (http_method, text) = match rule.pattern.as_ref() {
            Some(Pattern::Get(path)) => ("GET", path),
            Some(Pattern::Put(path)) => ("PUT", path),
            Some(Pattern::Post(path)) => ("POST", path),
            Some(Pattern::Delete(path)) => ("DELETE", path),
            Some(Pattern::Patch(path)) => ("PATCH", path),
            Some(Pattern::Custom(custom)) => (custom.kind.as_str(), &custom.path),
            None => {
                self.mistake("http: a binding needs one of get, put, post, delete, patch or custom");
                return None;
            }
        };
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                self.mistake(format!("http: {error}"));
                return None;
            }
        };
        let input = self.method.input();
        let mut variables = Vec::new();
        for variable in &template.variables {
            let path = self.path("http: path variable", &input, &variable.field)?;
            if path.field().is_list() || matches!(path.field().kind(), Kind::Message(_)) {
                self.mistake(format!("http: path variable `{path}` must be a single scalar field"));
            }
            variables.push(path);
        }
        let body = match rule.body.as_str() {
            "" => Body::None,
            "*" => Body::All,
            name => match input.get_field_by_name(name) {
                Some(field) => Body::Field(field),
                None => {
                    self.mistake(format!(
                        "http: body names `{name}`, but `{}` has no such field",
                        input.full_name()
                    ));
                    return None;
                }
            },
        };
        if http_method == "GET" && body != Body::None {
            self.mistake("http: a GET binding cannot have a body");
        }
        let response_body = match rule.response_body.as_str() {
            "" => None,
            name => match self.method.output().get_field_by_name(name) {
                Some(field) => Some(field),
                None => {
                    let output = self.method.output();
                    self.mistake(format!(
                        "http: response_body names `{name}`, but `{}` has no such field",
                        output.full_name()
                    ));
                    None
                }
            },
        };
        let http_method = http_method.to_ascii_uppercase();
        let binding = Binding {
            method: Arc::clone(method),
            http_method,
            template: text.clone(),
            variables,
            body,
            response_body,
        };
        Some((template, binding))
    }

    pub fn stream(&mut self, rule: &StreamRule, rules: &RuleFile) -> Option<Stream> {
        if !self.method.is_server_streaming() {
            self.mistake("stream: only a server-streaming method can have a StreamRule");
            return None;
        }
        let (input, output) = (self.method.input(), self.method.output());
        let mut path = |name: &str, message: &MessageDescriptor, text: &str| {
            (!text.is_empty()).then(|| self.path(&format!("stream: {name}"), message, text)).flatten()
        };
        let cursor = path("cursor", &output, &rule.cursor);
        let position = path("position", &output, &rule.position);
        let previous = path("previous", &output, &rule.previous);
        let data = path("data", &output, &rule.data);
        let resume = path("resume", &input, &rule.resume);

        if rule.cursor.is_empty() != rule.resume.is_empty() {
            self.mistake("stream: `cursor` and `resume` make a stream resumable only together");
        }
        if !rule.cursor.is_empty() && rule.position.is_empty() {
            self.mistake(
                "stream: a resumable stream needs `position`: a message without an event that is sent first",
            );
        }
        for (name, path) in [("cursor", &cursor), ("previous", &previous), ("resume", &resume)] {
            if path.as_ref().is_some_and(|path| !is_cursor(path)) {
                self.mistake(format!("stream: {name} must be a single string, bytes or integer field"));
            }
        }
        if let (Some(cursor), Some(resume)) = (&cursor, &resume)
            && cursor.field().kind() != resume.field().kind()
        {
            self.mistake("stream: `cursor` and `resume` must be of the same type");
        }
        if position.as_ref().is_some_and(|path| path.field().kind() != Kind::Bool) {
            self.mistake("stream: position must be a bool field");
        }
        if data
            .as_ref()
            .is_some_and(|path| path.field().is_list() || !matches!(path.field().kind(), Kind::Message(_)))
        {
            self.mistake("stream: data must be a single message field");
        }
        self.snapshot(rule);
        self.share(rule);
        let durable = match (cursor, resume) {
            (Some(cursor), Some(resume)) => Some(Durable { cursor, position, previous, resume }),
            _ => None,
        };
        Some(Stream {
            durable,
            event: self.event_name(&rule.event, rules),
            data,
            split: self.split(&rule.split),
            finite: rule.finite,
            heartbeat: self.duration("heartbeat", rule.heartbeat),
            max_age: self.duration("max_age", rule.max_age),
        })
    }

    fn event_name(&mut self, text: &str, rules: &RuleFile) -> EventName {
        if text.is_empty() {
            return EventName::None;
        }
        let output = self.method.output();
        if let Some(oneof) = output.oneofs().find(|oneof| oneof.name() == text) {
            let mut names = HashMap::new();
            for field in oneof.fields() {
                let declared = match field.kind() {
                    Kind::Message(message) => rules.event(&message),
                    _ => None,
                };
                let name = declared.unwrap_or_else(|| field.json_name().to_owned());
                if !is_event_name(&name) {
                    self.mistake(format!("stream: `{name}` cannot name an event: [A-Za-z0-9_.:-]{{1,64}}, not open, error, message or lm-*"));
                }
                names.insert(field.number(), name);
            }
            return EventName::Oneof(oneof, names);
        }
        let Some(path) = self.path("stream: event", &output, text) else { return EventName::None };
        if path.field().is_list() || !matches!(path.field().kind(), Kind::String | Kind::Enum(_)) {
            self.mistake("stream: event must be a string or enum field, or the name of a oneof");
        }
        EventName::Field(path)
    }

    fn split(&mut self, text: &str) -> Option<Split> {
        if text.is_empty() {
            return None;
        }
        let input = self.method.input();
        let pair = text.split_once(':');
        let fields =
            pair.and_then(|(many, one)| input.get_field_by_name(many).zip(input.get_field_by_name(one)));
        let Some((many, one)) = fields else {
            self.mistake(format!(
                "stream: split `{text}` must name two request fields, as in \"topics:topic\""
            ));
            return None;
        };
        if !many.is_list() || one.is_list() || many.kind() != one.kind() {
            self.mistake("stream: split needs a repeated field, then a single one of the same type");
        }
        Some(Split { many, one })
    }

    fn snapshot(&mut self, rule: &StreamRule) {
        if rule.snapshot.is_empty() {
            return;
        }
        match self.other_method(&rule.snapshot) {
            Some(method) if !method.is_server_streaming() && !method.is_client_streaming() => {
                self.path("stream: snapshot_cursor", &method.output(), &rule.snapshot_cursor);
            }
            _ => self.mistake(format!("stream: snapshot `{}` is not a unary method", rule.snapshot)),
        }
    }

    fn share(&mut self, rule: &StreamRule) {
        let Some(share) = &rule.share else { return };
        if share.scope() == share::Scope::Authorized && share.authorize.is_empty() {
            self.mistake("stream: share scope AUTHORIZED needs `authorize`");
        }
        if !share.authorize.is_empty()
            && !self
                .other_method(&share.authorize)
                .is_some_and(|method| method.input() == self.method.input())
        {
            self.mistake(format!(
                "stream: authorize `{}` is not a method with the same request type",
                share.authorize
            ));
        }
    }

    fn other_method(&self, name: &str) -> Option<MethodDescriptor> {
        let (service, method) = name.split_once('/')?;
        let service = self.method.parent_pool().get_service_by_name(service)?;
        service.methods().find(|other| other.name() == method)
    }

    fn duration(&mut self, name: &str, duration: Option<prost_types::Duration>) -> Option<Duration> {
        let duration = duration?;
        match Duration::try_from(duration) {
            Ok(duration) if duration >= Duration::from_secs(1) => Some(duration),
            _ => {
                self.mistake(format!("stream: {name} must be at least 1s"));
                None
            }
        }
    }

    pub fn auth(&mut self, rule: &AuthRule) -> Auth {
        let (input, output) = (self.method.input(), self.method.output());
        let set_cookie = self.cookies("auth: set_cookie", &output, &rule.set_cookie);
        let from_cookie = self.cookies("auth: from_cookie", &input, &rule.from_cookie);
        for name in &rule.clear_cookie {
            self.cookie_name("auth: clear_cookie", name);
        }
        Auth {
            public: rule.public,
            per_minute: (rule.per_minute > 0).then_some(rule.per_minute),
            set_cookie,
            from_cookie,
            clear_cookie: rule.clear_cookie.clone(),
        }
    }

    fn cookies(
        &mut self,
        rule: &str,
        message: &MessageDescriptor,
        cookies: &HashMap<String, String>,
    ) -> Vec<(String, FieldPath)> {
        let mut resolved = Vec::new();
        for (name, text) in cookies {
            self.cookie_name(rule, name);
            let Some(path) = self.path(rule, message, text) else { continue };
            if path.field().is_list() || path.field().kind() != Kind::String {
                self.mistake(format!("{rule}: `{path}` must be a string field"));
            }
            resolved.push((name.clone(), path));
        }
        resolved.sort_by(|a, b| a.0.cmp(&b.0));
        resolved
    }

    fn cookie_name(&mut self, rule: &str, name: &str) {
        // RFC 6265, section 4.1.1: a token; no prefix, the edge adds `__Host-` itself under TLS.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
            self.mistake(format!("{rule}: `{name}` cannot name a cookie"));
        }
    }
}

fn is_cursor(path: &FieldPath) -> bool {
    let integer = matches!(
        path.field().kind(),
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64
    );
    !path.field().is_list() && (integer || matches!(path.field().kind(), Kind::String | Kind::Bytes))
}

/// Whether a text may stand in an SSE `event:` line without colliding with what EventSource or the edge sends.
pub fn is_event_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
        && !matches!(name, "open" | "error" | "message")
        && !name.starts_with("lm-")
}
