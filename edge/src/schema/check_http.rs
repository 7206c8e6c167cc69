//! Resolves an HttpRule into bindings.

use std::sync::Arc;

use lastmile_proto::google::api::{HttpRule, http_rule::Pattern};
use prost_reflect::Kind;

use super::check::Check;
use super::header_fields::HeaderFields;
use super::method::{Binding, Body, Method};
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
        let (http_method, text) = match rule.pattern.as_ref() {
            Some(Pattern::Get(path)) => ("GET", path),
            Some(Pattern::Put(path)) => ("PUT", path),
            Some(Pattern::Post(path)) => ("POST", path),
            Some(Pattern::Delete(path)) => ("DELETE", path),
            Some(Pattern::Patch(path)) => ("PATCH", path),
            Some(Pattern::Custom(custom)) if !custom.kind.is_empty() => (custom.kind.as_str(), &custom.path),
            Some(Pattern::Custom(_)) => {
                self.mistake("http: custom needs a `kind`: an HTTP method, or `*` for all");
                return None;
            }
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
        let filled = if let Body::Field(field) = &body { Some(field) } else { None };
        let headers = HeaderFields::find(self.method, filled, response_body.as_ref());
        let binding = Binding {
            method: Arc::clone(method),
            http_method,
            template: text.clone(),
            variables,
            body,
            response_body,
            headers,
        };
        Some((template, binding))
    }
}
