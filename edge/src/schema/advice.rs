//! What is not wrong with a schema, but hardly meant: told by `lastmile-edge check`.

use std::fmt;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::load::Schema;
use super::method::{Binding, Body, Method};

/// How much a remark matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Callers will be surprised.
    Warning,
    /// Good to know.
    Note,
}

/// Something worth a look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    pub weight: Weight,
    pub file: String,
    pub method: String,
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Warning => "warning",
            Weight::Note => "note",
        };
        write!(f, "{weight}: {}: {}: {}", self.file, self.method, self.text)
    }
}

/// Warnings first, each kind by file and method; `query_maps` as the setting `rest.query_maps`.
pub fn advice(schema: &Schema, query_maps: bool) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for method in schema.methods.values() {
        let descriptor = &method.descriptor;
        let said = of_method(schema, method).into_iter();
        let bindings = declared(schema, method);
        let said = said.chain(bindings.flat_map(|binding| of_binding(binding, query_maps)));
        remarks.extend(said.map(|(weight, text)| Remark {
            weight,
            file: descriptor.parent_file().name().to_owned(),
            method: descriptor.full_name().to_owned(),
            text,
        }));
    }
    remarks.sort();
    remarks.dedup();
    remarks
}

/// The bindings that the method's rules name.
fn declared<'a>(schema: &'a Schema, method: &'a Method) -> impl Iterator<Item = &'a Binding> {
    let bindings = schema.declared().map(AsRef::as_ref);
    bindings.filter(|binding: &&Binding| binding.method.name() == method.name())
}

fn of_method(schema: &Schema, method: &Method) -> Option<(Weight, String)> {
    if declared(schema, method).next().is_none() {
        let text = "has no HTTP binding of its own: browsers reach it only by `POST /package.Service/Method`";
        return (!method.is_for_programs()).then(|| (Weight::Note, text.to_owned()));
    }
    let stream = method.stream.as_ref().filter(|stream| stream.durable.is_none())?;
    let text = if stream.finite {
        "a stream without `cursor` and `resume`: a browser that loses it begins anew, and nobody shares it"
    } else {
        "an endless stream without `cursor` and `resume`: what a browser misses while it reconnects is lost"
    };
    Some((if stream.finite { Weight::Note } else { Weight::Warning }, text.to_owned()))
}

fn of_binding(binding: &Binding, query_maps: bool) -> Vec<(Weight, String)> {
    let route = format!("{} {}", binding.http_method, binding.template);
    let descriptor = &binding.method.descriptor;
    let mut said = Vec::new();
    if binding.http_method == "DELETE" && binding.body != Body::None {
        said.push((Weight::Warning, format!("`{route}` has a body, which some clients and proxies drop")));
    }
    if descriptor.is_client_streaming() && descriptor.is_server_streaming() {
        said.push((Weight::Warning, format!("`{route}` streams both ways, which REST cannot carry")));
    }
    let silent = unqueryable(binding, query_maps);
    if !silent.is_empty() && !descriptor.is_client_streaming() {
        let text = format!("`{route}` cannot set {}: no query can hold them", silent.join(", "));
        said.push((Weight::Warning, text));
    }
    if binding.http_method == "PATCH" && !has_mask(descriptor) {
        let text = format!("`{route}` has no google.protobuf.FieldMask: absent fields look like empty ones");
        said.push((Weight::Note, text));
    }
    said
}

/// Fields of the request that neither path nor body sets, and that no query can.
fn unqueryable(binding: &Binding, query_maps: bool) -> Vec<String> {
    let body = match &binding.body {
        Body::All => return Vec::new(),
        Body::Field(field) => Some(field),
        Body::None => None,
    };
    let input = binding.method.descriptor.input();
    let silent = input.fields().filter(|field| Some(field) != body && !is_queryable(field, query_maps));
    silent.map(|field| format!("`{}`", field.name())).collect()
}

fn is_queryable(field: &FieldDescriptor, query_maps: bool) -> bool {
    match field.kind() {
        _ if field.is_map() => query_maps,
        Kind::Message(message) if field.is_list() => is_text(&message),
        Kind::Message(message) => !is_value(&message),
        _ => true,
    }
}

/// Whether ProtoJSON writes a message as one text or number.
fn is_text(message: &MessageDescriptor) -> bool {
    let name = message.full_name();
    let is_time = ["Timestamp", "Duration", "FieldMask"]
        .iter()
        .any(|known| name.strip_prefix("google.protobuf.") == Some(*known));
    is_time || (name.starts_with("google.protobuf.") && name.ends_with("Value") && !is_value(message))
}

/// Whether it can hold any JSON.
fn is_value(message: &MessageDescriptor) -> bool {
    let known = ["Any", "Struct", "Value", "ListValue"];
    message.full_name().strip_prefix("google.protobuf.").is_some_and(|name| known.contains(&name))
}

fn has_mask(method: &MethodDescriptor) -> bool {
    let is_mask = |field: FieldDescriptor| match field.kind() {
        Kind::Message(message) => message.full_name() == "google.protobuf.FieldMask",
        _ => false,
    };
    method.input().fields().any(is_mask)
}
