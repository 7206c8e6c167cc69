//! The whole document: every binding under its path, and what they share.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::schema::Binding;
use crate::schema::template::Template;

use super::errors;
use super::json::{Json, Object, object};
use super::operation::{Placed, credentials, operation};
use super::parameters::variables;
use super::path::Outline;
use super::schemas::Schemas;
use super::terms::Terms;

/// What OpenAPI 3.1 has a place for, in its order.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// What a binding of any method (`*`) is told of.
const USUAL_METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
/// Operations that OpenAPI 3.1 has no place for: other methods, and routes that another one stands before.
const OTHERS: &str = "x-additionalOperations";

/// Describes everything that the schema serves by HTTP. Equal schemas give equal documents.
pub fn document(terms: Terms<'_>) -> Object {
    let mut schemas = Schemas::new(terms);
    let bindings = bindings(terms);
    let paths = paths(&mut schemas, &bindings);
    let responses = errors::responses(&mut schemas);
    let tags = tags(&schemas, &bindings);
    object! {
        "openapi": "3.1.0",
        "info": info(&bindings),
        "servers": [object! { "url": "/" }],
        "tags": tags,
        "security": credentials(terms),
        "paths": paths,
        "components": object! {
            "schemas": schemas.into_components(),
            "responses": responses,
            "securitySchemes": security_schemes(terms),
        },
    }
}

/// The declared bindings, in an order that does not depend on that of the files; a method without any has its gRPC path.
fn bindings<'a>(terms: Terms<'a>) -> Vec<&'a Arc<Binding>> {
    let all = &terms.schema.bindings;
    let is_declared = |binding: &Binding| {
        let mut mates = all.iter().filter(|other| other.method.name() == binding.method.name());
        !binding.implicit || !binding.method.is_for_programs() && mates.all(|other| other.implicit)
    };
    // REST cannot carry a call that streams both ways.
    let is_callable = |binding: &Binding| {
        let method = &binding.method.descriptor;
        !(method.is_client_streaming() && method.is_server_streaming())
    };
    let is_told = |binding: &&Arc<Binding>| is_callable(binding) && is_declared(binding);
    let mut bindings: Vec<_> = all.iter().filter(is_told).collect();
    bindings.sort_by_cached_key(|binding| {
        let method = &binding.method.descriptor;
        (method.parent_service().full_name().to_owned(), method.path().last().copied())
    });
    bindings
}

fn paths(schemas: &mut Schemas<'_>, bindings: &[&Arc<Binding>]) -> Object {
    let mut ids = Ids::of(bindings);
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for binding in bindings {
        // It was parsed when the schema was loaded.
        let Ok(template) = Template::parse(&binding.template) else { continue };
        let outline = Outline::of(template);
        let variables = variables(binding);
        let variables: Vec<_> = variables.iter().map(|path| schemas.terms.path_name(path)).collect();
        placed.push(Placed { binding, names: outline.names(&variables), outline, id: ids.next(binding) });
    }
    // As requests are matched: where two stand on one path, `**` comes last.
    placed.sort_by_key(|placed| placed.outline.holes.iter().any(|hole| hole.is_multi));
    share_names(&mut placed);
    let mut paths = Object::default();
    for (path, members) in by_path(&placed) {
        paths.set(path, item(schemas, &members));
    }
    paths
}

/// Paths that differ only in the names of their holes are one path: the shortest names stand for all.
fn share_names(placed: &mut [Placed<'_>]) {
    let shape = |placed: &Placed<'_>| placed.outline.path(&vec![String::new(); placed.names.len()]);
    let length = |names: &[String]| names.iter().map(String::len).sum::<usize>();
    let mut shortest: HashMap<String, Vec<String>> = HashMap::new();
    for member in placed.iter() {
        let names = shortest.entry(shape(member)).or_insert_with(|| member.names.clone());
        if length(&member.names) < length(names) {
            names.clone_from(&member.names);
        }
    }
    for member in placed {
        member.names.clone_from(&shortest[&shape(member)]);
    }
}

/// In the order in which the paths come first.
fn by_path<'a, 'b>(placed: &'a [Placed<'b>]) -> Vec<(String, Vec<&'a Placed<'b>>)> {
    let mut paths: Vec<(String, Vec<&Placed<'_>>)> = Vec::new();
    for member in placed {
        let path = member.outline.path(&member.names);
        match paths.iter_mut().find(|(other, _)| *other == path) {
            Some((_, members)) => members.push(member),
            None => paths.push((path, vec![member])),
        }
    }
    paths
}

/// All operations of one path.
fn item(schemas: &mut Schemas<'_>, members: &[&Placed<'_>]) -> Object {
    let mut operations: BTreeMap<usize, Object> = BTreeMap::new();
    let mut others = Object::default();
    // An exact method comes before any method.
    let exact = members.iter().filter(|placed| placed.binding.http_method != "*");
    for placed in exact.chain(members.iter().filter(|placed| placed.binding.http_method == "*")) {
        let method = placed.binding.http_method.as_str();
        if method == "*" {
            for method in USUAL_METHODS {
                let mut any = operation(schemas, placed);
                any.set("operationId", format!("{}_{method}", placed.id));
                if method == "get" {
                    any.remove("requestBody");
                }
                operations.entry(place(method)).or_insert(any);
            }
            continue;
        }
        let place = place(&method.to_ascii_lowercase());
        let operation = operation(schemas, placed);
        if place < METHODS.len() && !operations.contains_key(&place) {
            operations.insert(place, operation);
        } else {
            others.set(format!("{method} {}", placed.binding.template), operation);
        }
    }
    let operations = operations.into_iter().map(|(place, operation)| (METHODS[place].to_owned(), operation));
    let item: Object = operations.collect();
    item.with(OTHERS, others.filled())
}

fn place(method: &str) -> usize {
    METHODS.iter().position(|other| *other == method).unwrap_or(METHODS.len())
}

/// Names of operations, each once: `Service_Method`, then `Service_Method_2`.
struct Ids {
    /// The full names of services that share their last part with another.
    ambiguous: Vec<String>,
    used: HashMap<String, usize>,
}

impl Ids {
    fn of(bindings: &[&Arc<Binding>]) -> Self {
        let services: BTreeMap<String, String> = bindings
            .iter()
            .map(|binding| binding.method.descriptor.parent_service())
            .map(|service| (service.full_name().to_owned(), service.name().to_owned()))
            .collect();
        let shares = |name: &String| services.values().filter(|other| *other == name).count() > 1;
        let ambiguous = services.iter().filter(|(_, name)| shares(name)).map(|(full, _)| full.clone());
        Self { ambiguous: ambiguous.collect(), used: HashMap::new() }
    }

    fn next(&mut self, binding: &Binding) -> String {
        let method = &binding.method.descriptor;
        let service = method.parent_service();
        let is_ambiguous = self.ambiguous.iter().any(|name| name == service.full_name());
        let service =
            if is_ambiguous { service.full_name().replace('.', "_") } else { service.name().to_owned() };
        let id = format!("{service}_{}", method.name());
        let count = self.used.entry(id.clone()).or_default();
        *count += 1;
        if *count == 1 { id } else { format!("{id}_{count}") }
    }
}

/// A tag for each service.
fn tags(schemas: &Schemas<'_>, bindings: &[&Arc<Binding>]) -> Vec<Object> {
    let mut services: Vec<_> =
        bindings.iter().map(|binding| binding.method.descriptor.parent_service()).collect();
    services.dedup();
    let tag = |service: &prost_reflect::ServiceDescriptor| {
        let comment = schemas.comment(&service.parent_file(), service.path());
        object! { "name": service.full_name(), "description": comment }
    };
    services.into_iter().map(tag).collect()
}

/// Named for the packages of the services.
fn info(bindings: &[&Arc<Binding>]) -> Object {
    let mut packages: Vec<_> = bindings
        .iter()
        .map(|binding| binding.method.descriptor.parent_service().package_name().to_owned())
        .collect();
    packages.dedup();
    let is_version =
        |part: &&str| part.starts_with('v') && part[1..].starts_with(|c: char| c.is_ascii_digit());
    let versions: Vec<_> = packages.iter().filter_map(|package| package.rsplit('.').next()).collect();
    let version = versions.iter().find(|part| is_version(part)).copied().unwrap_or("0");
    let title = packages.iter().filter(|package| !package.is_empty()).cloned().collect::<Vec<_>>().join(", ");
    object! { "title": if title.is_empty() { "gRPC backend".to_owned() } else { title }, "version": version }
}

fn security_schemes(terms: Terms<'_>) -> Object {
    let bearer =
        object! { "type": "http", "scheme": "bearer", "description": "`Authorization: Bearer TOKEN`" };
    let cookie = object! {
        "type": "apiKey",
        "in": "cookie",
        "name": terms.cookie,
        "description": "The same token as a cookie, which logging in sets.",
    };
    object! { "bearer": bearer, "cookie": terms.verifies.then_some(Json::Object(cookie)) }
}
