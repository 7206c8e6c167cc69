//! Resolves an HttpRule into bindings.

use std::sync::Arc;

use lastmile_proto::google::api::{HttpRule, http_rule::Pattern};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::check::Check;
use super::field::FieldPath;
use super::header_fields::HeaderFields;
use super::method::{Binding, Body, Method, is_http_body};
use super::template::Template;

impl Check<'_> {
    /// The bindings of an HttpRule, its additional ones included.
    pub fn bindings(&mut self, method: &Arc<Method>, rule: &HttpRule) -> Vec<(Template, Binding)> {
        if rule.additional_bindings.iter().any(|inner| !inner.additional_bindings.is_empty()) {
            self.mistake("http: additional_bindings cannot have additional_bindings of their own");
        }
        let all = std::iter::once(rule).chain(&rule.additional_bindings);
        all.filter_map(|rule| self.binding(method, rule)).collect()
    }

    fn binding(&mut self, method: &Arc<Method>, rule: &HttpRule) -> Option<(Template, Binding)> {
        let (http_method, text) = self.pattern(rule)?;
        let template = Template::parse(text).map_err(|error| self.mistake(format!("http: {error}"))).ok()?;
        let variables = self.variables(&template)?;
        let body = self.body(rule, &http_method)?;
        if let Body::Field(field) = &body
            && variables.iter().any(|path| path.steps().len() == 1 && path.field() == field)
        {
            self.mistake(format!("http: `{}` cannot be both in the path and the body", field.name()));
        }
        let (input, output) = (self.method.input(), self.method.output());
        let response_body = self.response_body(rule);
        let raw_body = match &body {
            Body::None => false,
            Body::All => is_http_body(&input),
            Body::Field(field) => holds_http_body(field),
        };
        let is_raw = response_body.as_ref().map_or_else(|| is_http_body(&output), holds_http_body);
        let raw_answer = is_raw && !method.is_durable();
        let filled = if let Body::Field(field) = &body { Some(field) } else { None };
        let headers = HeaderFields::find(self.method, filled, response_body.as_ref());
        let method = match &response_body {
            Some(field) if !raw_answer => self.delivering(method, field),
            _ => Arc::clone(method),
        };
        let route = format!("{http_method} {text}");
        let binding = Binding {
            method,
            http_method,
            template: text.to_owned(),
            variables,
            body,
            response_body,
            raw_body,
            raw_answer,
            implicit: false,
            route: route.into(),
            headers,
        };
        Some((template, binding))
    }

    /// The method as this binding streams it: only what is in the field.
    fn delivering(&mut self, method: &Arc<Method>, field: &FieldDescriptor) -> Arc<Method> {
        let mut delivering = Method::clone(method);
        let Some(stream) = &mut delivering.stream else { return Arc::clone(method) };
        let path = FieldPath::from(field.clone());
        let message = match field.kind() {
            Kind::Message(message) if !field.is_list() && !field.is_map() => {
                method.plan.find(message.full_name())
            }
            _ => None,
        };
        match (message, &stream.data) {
            (None, _) => {
                self.mistake(format!("http: response_body of a stream, `{path}`, must be a message"));
            }
            (Some(_), Some((data, _))) if *data != path => {
                self.mistake(format!(
                    "http: response_body names `{path}`, but the stream's `data` is `{data}`"
                ));
            }
            (Some(message), _) => stream.data = Some((path, message)),
        }
        Arc::new(delivering)
    }

    /// The upper-case HTTP method, or `*`, and the template.
    fn pattern<'r>(&mut self, rule: &'r HttpRule) -> Option<(String, &'r str)> {
        let (kind, path) = match rule.pattern.as_ref() {
            Some(Pattern::Get(path)) => ("GET", path),
            Some(Pattern::Put(path)) => ("PUT", path),
            Some(Pattern::Post(path)) => ("POST", path),
            Some(Pattern::Delete(path)) => ("DELETE", path),
            Some(Pattern::Patch(path)) => ("PATCH", path),
            Some(Pattern::Custom(custom)) if http::Method::from_bytes(custom.kind.as_bytes()).is_ok() => {
                (custom.kind.as_str(), &custom.path)
            }
            Some(Pattern::Custom(_)) => {
                self.mistake("http: custom needs a `kind`: an HTTP method, or `*` for all");
                return None;
            }
            None => {
                self.mistake("http: a binding needs one of get, put, post, delete, patch or custom");
                return None;
            }
        };
        Some((kind.to_ascii_uppercase(), path))
    }

    fn variables(&mut self, template: &Template) -> Option<Vec<FieldPath>> {
        let input = self.method.input();
        let mut variables = Vec::new();
        for variable in &template.variables {
            let path = self.path("http: path variable", &input, &variable.field)?;
            let is_single = match path.field().kind() {
                Kind::Message(message) => is_text(&message) && !path.field().is_list(),
                _ => !path.field().is_list(),
            };
            if !is_single {
                self.mistake(format!("http: path variable `{path}` must be a single scalar field"));
            }
            variables.push(path);
        }
        Some(variables)
    }

    fn body(&mut self, rule: &HttpRule, http_method: &str) -> Option<Body> {
        let input = self.method.input();
        let body = match rule.body.as_str() {
            "" => return Some(Body::None),
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
        if matches!(http_method, "GET" | "HEAD") {
            self.mistake(format!("http: a {http_method} binding cannot have a body"));
        }
        Some(body)
    }

    fn response_body(&mut self, rule: &HttpRule) -> Option<FieldDescriptor> {
        let output = self.method.output();
        let name = Some(rule.response_body.as_str()).filter(|name| !name.is_empty())?;
        let field = output.get_field_by_name(name);
        if field.is_none() {
            self.mistake(format!(
                "http: response_body names `{name}`, but `{}` has no such field",
                output.full_name()
            ));
        }
        field
    }
}

fn holds_http_body(field: &FieldDescriptor) -> bool {
    !field.is_list() && matches!(field.kind(), Kind::Message(message) if is_http_body(&message))
}

/// Whether ProtoJSON writes a message as one string, number or bool, which can stand in a path.
fn is_text(message: &MessageDescriptor) -> bool {
    let Some(name) = message.full_name().strip_prefix("google.protobuf.") else { return false };
    match name {
        "Timestamp" | "Duration" | "FieldMask" => true,
        "Value" | "ListValue" => false,
        wrapper => wrapper.ends_with("Value"),
    }
}
