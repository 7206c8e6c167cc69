//! One binding as an operation.

use crate::schema::Binding;

use super::comments::split;
use super::errors::response;
use super::json::{Json, Object, object};
use super::path::Outline;
use super::schemas::Schemas;
use super::terms::Terms;
use super::{body, parameters, streams};

/// A binding with its place in the document.
#[derive(Debug)]
pub struct Placed<'a> {
    pub binding: &'a Binding,
    pub outline: Outline,
    /// What the holes of its path are called.
    pub names: Vec<String>,
    pub id: String,
}

/// Describes one binding.
pub fn operation(schemas: &mut Schemas<'_>, placed: &Placed<'_>) -> Object {
    let binding = placed.binding;
    let method = &binding.method;
    let comment = schemas.comment(&method.descriptor.parent_file(), method.descriptor.path());
    let (brief, details) = comment.as_deref().map(split).unzip();
    let proto = method.descriptor.method_descriptor_proto();
    let is_deprecated = proto.options.as_ref().is_some_and(prost_types::MethodOptions::deprecated);
    let stream = method.stream.as_ref();
    object! {
        "operationId": placed.id.as_str(),
        "tags": [method.descriptor.parent_service().full_name()],
        "summary": brief,
        "description": details.flatten(),
        "deprecated": is_deprecated.then_some(true),
        "parameters": filled(all_parameters(schemas, placed)),
        "requestBody": body::request(schemas, binding),
        "responses": responses(schemas, binding),
        "security": security(schemas.terms, binding),
        "x-lastmile-method": method.name(),
        "x-lastmile-stream": stream.map(|rule| streams::extension(schemas, method, rule)),
    }
}

fn all_parameters(schemas: &mut Schemas<'_>, placed: &Placed<'_>) -> Vec<Object> {
    let (binding, method) = (placed.binding, &placed.binding.method);
    let stream = method.stream.as_ref();
    let resumed = stream.map(|rule| streams::resumed(method, rule)).unwrap_or_default();
    let mut all = parameters::in_path(schemas, binding, &placed.outline, &placed.names);
    all.extend(parameters::in_query(schemas, binding, &resumed));
    match stream {
        Some(rule) => {
            all.extend(streams::parameters(method, rule));
            all.extend(
                streams::ticket(method).filter(|_| schemas.terms.verifies && binding.http_method == "GET"),
            );
        }
        None if binding.http_method == "GET" => all.push(object! {
            "name": "If-None-Match",
            "in": "header",
            "description": "The `ETag` of an answer that the caller still has.",
            "schema": object! { "type": "string" },
        }),
        None => {}
    }
    all
}

fn responses(schemas: &mut Schemas<'_>, binding: &Binding) -> Object {
    let method = &binding.method;
    let mut responses = match &method.stream {
        Some(rule) => streams::responses(schemas, method, rule),
        None => object! { "200": body::response(schemas, binding) },
    };
    if method.stream.is_none() && binding.http_method == "GET" {
        responses.set("304", response("NotModified"));
    }
    if schemas.terms.verifies {
        responses.set("401", response("Unauthenticated"));
    }
    responses.with("429", response("TooManyRequests")).with("default", response("Error"))
}

/// Public methods take a credential too, and may show more with it; logging in takes none.
fn security(terms: Terms<'_>, binding: &Binding) -> Option<Json> {
    let auth = &binding.method.auth;
    if !terms.verifies || !auth.public {
        return None;
    }
    if !auth.set_cookie.is_empty() {
        return Some(Json::List(Vec::new()));
    }
    let mut any = vec![object! {}];
    any.extend(credentials(terms));
    Some(any.into())
}

/// The ways to say who calls.
pub fn credentials(terms: Terms<'_>) -> Vec<Object> {
    let bearer = object! { "bearer": Json::List(Vec::new()) };
    let cookie = object! { "cookie": Json::List(Vec::new()) };
    if terms.verifies { vec![bearer, cookie] } else { vec![object! {}, bearer] }
}

fn filled(parameters: Vec<Object>) -> Option<Vec<Object>> {
    (!parameters.is_empty()).then_some(parameters)
}
