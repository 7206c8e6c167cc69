//! Resolves a StreamRule.

use std::collections::HashMap;
use std::time::Duration;

use lastmile_proto::edge::v1::{StreamRule, share};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::check::Check;
use super::field::FieldPath;
use super::method::{Durable, EventName, Scope, Share, Snapshot, Split, Stream};
use super::plan::Plan;
use super::rules::RuleFile;

impl Check<'_> {
    pub fn stream(&mut self, rule: &StreamRule, rules: &RuleFile, plan: &Plan) -> Option<Stream> {
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
        let data = data.and_then(|path| {
            let id = match path.field().kind() {
                Kind::Message(message) if !path.field().is_list() => plan.find(message.full_name()),
                _ => None,
            };
            if id.is_none() {
                self.mistake("stream: data must be a single message field");
            }
            Some((path, id?))
        });
        let snapshot = self.snapshot(rule);
        let share = self.share(rule);
        let beginning = self.beginning(&rule.beginning);
        let durable = match (cursor, resume) {
            (Some(cursor), Some(resume)) => Some(Durable { cursor, position, previous, resume }),
            _ => None,
        };
        Some(Stream {
            durable,
            event: self.event_name(&rule.event, rules),
            data,
            split: self.split(&rule.split),
            snapshot,
            finite: rule.finite,
            heartbeat: self.duration("heartbeat", rule.heartbeat),
            max_age: self.duration("max_age", rule.max_age),
            beginning,
            replay_bytes: usize::try_from(rule.replay_bytes).ok().filter(|bytes| *bytes > 0),
            share,
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
                let file = declared.as_ref().map_or(&self.file, |name| &name.file).clone();
                let name = declared.map_or_else(|| field.json_name().to_owned(), |name| name.rule);
                if !is_event_name(&name) {
                    self.mistake_in(file, format!("stream: `{name}` cannot name an event: [A-Za-z0-9_.:-]{{1,64}}, not open, error, message or lm-*"));
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

    fn snapshot(&mut self, rule: &StreamRule) -> Option<Snapshot> {
        if rule.snapshot.is_empty() {
            return None;
        }
        match self.other_method(&rule.snapshot) {
            Some(method) if !method.is_server_streaming() && !method.is_client_streaming() => {
                let cursor = self.path("stream: snapshot_cursor", &method.output(), &rule.snapshot_cursor)?;
                Some(Snapshot { method, cursor })
            }
            _ => {
                self.mistake(format!("stream: snapshot `{}` is not a unary method", rule.snapshot));
                None
            }
        }
    }

    fn beginning(&mut self, names: &[String]) -> Vec<FieldDescriptor> {
        let input = self.method.input();
        let mut fields = Vec::new();
        for name in names {
            match input.get_field_by_name(name) {
                Some(field) => fields.push(field),
                None => self.mistake(format!("stream: beginning `{name}` is not a field of the request")),
            }
        }
        fields
    }

    fn share(&mut self, rule: &StreamRule) -> Share {
        let Some(share) = &rule.share else { return Share::default() };
        let scope = match share.scope() {
            share::Scope::Authorized => Scope::Authorized,
            share::Scope::Public => Scope::Public,
            share::Scope::PerCaller | share::Scope::Unspecified => Scope::PerCaller,
        };
        if scope == Scope::Authorized && share.authorize.is_empty() {
            self.mistake("stream: share scope AUTHORIZED needs `authorize`");
        }
        let is_unary = |method: &MethodDescriptor| {
            method.input() == self.method.input()
                && !method.is_client_streaming()
                && !method.is_server_streaming()
        };
        if !share.authorize.is_empty() && !self.other_method(&share.authorize).is_some_and(|it| is_unary(&it))
        {
            self.mistake(format!(
                "stream: authorize `{}` is not a unary method with the same request type",
                share.authorize
            ));
        }
        let default = Share::default();
        Share {
            is_declared: true,
            scope,
            authorize: format!("/{}", share.authorize).parse().ok().filter(|_| !share.authorize.is_empty()),
            ttl: self.duration("share.ttl", share.ttl).unwrap_or(default.ttl),
            linger: self.duration("share.linger", share.linger),
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
