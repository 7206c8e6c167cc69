//! Compiles descriptors and rules into the schema that requests are served from.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderValue;
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use prost_types::method_options::IdempotencyLevel;
use sha2::{Digest, Sha256};

use crate::config::rest::JsonConfig;

use super::check::{Check, Mistake};
use super::descriptors;
use super::method::{Auth, Binding, Body, Effects, Method, Stream};
use super::order::in_order;
use super::plan::{self, Plan, Style};
use super::routes::Routes;
use super::rules::{RuleFile, Written};
use super::template::Template;

/// Everything the edge knows of its backend; immutable, swapped as a whole.
#[derive(Debug)]
pub struct Schema {
    pub pool: DescriptorPool,
    pub plan: Arc<Plan>,
    pub routes: Routes<Arc<Binding>>,
    pub bindings: Vec<Arc<Binding>>,
    pub methods: HashMap<String, Arc<Method>>,
    /// All upstreams have been heard of.
    pub is_whole: bool,
    /// The encoded `FileDescriptorSet` it was made from.
    pub descriptors: Bytes,
    /// The strong validator of `descriptors` (RFC 9110, section 8.8.3).
    pub etag: HeaderValue,
}

/// All that is wrong with a backend's descriptors and rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} mistake{} in the backend's rules:", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

impl Schema {
    /// `files` are encoded `FileDescriptorProto`s; `reserved` tells which paths are the edge's own.
    pub fn load(
        files: Vec<Bytes>,
        rules: &RuleFile,
        json: JsonConfig,
        reserved: impl Fn(&str) -> bool,
    ) -> Result<Self, Mistakes> {
        Self::load_served(files, rules, json, reserved, |_| true)
    }

    /// The same, of the services that are `served` only.
    pub fn load_served(
        files: Vec<Bytes>,
        rules: &RuleFile,
        json: JsonConfig,
        reserved: impl Fn(&str) -> bool,
        served: impl Fn(&str) -> bool,
    ) -> Result<Self, Mistakes> {
        // prost-reflect 0.16 panics on files that no compiler writes, now when it reads them and now when it is asked
        // about them; a reload must survive that. Nothing half-made is seen afterwards.
        let compiling = AssertUnwindSafe(|| Self::compile(files, rules, json, reserved, served));
        catch_unwind(compiling)
            .unwrap_or_else(|_| Err(whole("the descriptors cannot be read (malformed or too new)".into())))
    }

    fn compile(
        files: Vec<Bytes>,
        rules: &RuleFile,
        json: JsonConfig,
        reserved: impl Fn(&str) -> bool,
        served: impl Fn(&str) -> bool,
    ) -> Result<Self, Mistakes> {
        let files = in_order(descriptors::complete(files).map_err(whole)?);
        let pool = descriptors::pool(&files).map_err(whole)?;

        let style = Style { json, ..Style::default() };
        let mut mistakes = Vec::new();
        for selector in rules.unknown_selectors(&pool) {
            let problem = "the backend has no such method or message".to_owned();
            mistakes.push(Mistake { file: rules.name().to_owned(), place: selector, problem });
        }
        let descriptors = descriptors::join_set(files);
        let mut schema = Self {
            pool: pool.clone(),
            plan: Arc::new(plan::compile(&pool, style, &mut mistakes)),
            routes: Routes::default(),
            bindings: Vec::new(),
            methods: HashMap::new(),
            is_whole: true,
            etag: strong_etag(&descriptors),
            descriptors,
        };
        let services = pool.services().filter(|service| served(service.full_name()));
        for descriptor in services.flat_map(|service| service.methods().collect::<Vec<_>>()) {
            schema.add(descriptor, rules, &reserved, &mut mistakes);
        }
        // After the declared ones, which win.
        let mut methods: Vec<_> = schema.methods.values().cloned().collect();
        methods.sort_by(|a, b| a.name().cmp(b.name()));
        methods.iter().for_each(|method| schema.add_implicit(method, &mut mistakes));
        if mistakes.is_empty() { Ok(schema) } else { Err(Mistakes(mistakes)) }
    }

    /// The bindings that rules name.
    pub fn declared(&self) -> impl Iterator<Item = &Arc<Binding>> {
        self.bindings.iter().filter(|binding| !binding.implicit)
    }

    fn add(
        &mut self,
        descriptor: MethodDescriptor,
        rules: &RuleFile,
        reserved: &impl Fn(&str) -> bool,
        mistakes: &mut Vec<Mistake>,
    ) {
        let own = descriptor.clone();
        let mut check = Check::new(&own, mistakes);
        let name = format!("{}/{}", descriptor.parent_service().full_name(), descriptor.name());
        let Ok(path) = PathAndQuery::try_from(format!("/{name}")) else {
            return check.mistake("the method's name is not a path");
        };
        let plan = Arc::clone(&self.plan);
        let types = (plan.find(descriptor.input().full_name()), plan.find(descriptor.output().full_name()));
        let (Some(input), Some(output)) = types else {
            return check.mistake("the descriptors do not hold the types of its requests and answers");
        };
        let stream = match rules.stream(&descriptor) {
            Some(Written { rule, file }) => Check::of_rule(&own, file, mistakes).stream(&rule, rules, &plan),
            None => descriptor.is_server_streaming().then(Stream::unruled),
        };
        let auth = match rules.auth(&descriptor) {
            Some(Written { rule, file }) => Check::of_rule(&own, file, mistakes).auth(&rule),
            None => Auth::default(),
        };
        let http = rules.http(&descriptor);
        let effects = effects(&descriptor);
        let method = Arc::new(Method { descriptor, path, plan, input, output, effects, stream, auth });

        self.methods.insert(name, Arc::clone(&method));
        let Some(Written { rule, file }) = http else { return };
        let mut check = Check::of_rule(&own, file, mistakes);
        for (template, binding) in check.bindings(&method, &rule) {
            if reserved(&binding.template) {
                check.mistake(format!("http: `{}` is a path of the edge itself", binding.template));
            }
            let binding = Arc::new(binding);
            match self.routes.insert(&binding.http_method, template, Arc::clone(&binding)) {
                Ok(()) => self.bindings.push(binding),
                Err(other) => check.mistake(format!(
                    "http: {} {} is already bound to {}",
                    binding.http_method,
                    binding.template,
                    other.method.name()
                )),
            }
        }
    }

    /// `POST /package.Service/Method` for every method. GET too where a link that is followed can change nothing: for
    /// methods that say so, and for streams with a cursor, because EventSource knows no other method.
    fn add_implicit(&mut self, method: &Arc<Method>, mistakes: &mut Vec<Mistake>) {
        let mut check = Check::new(&method.descriptor, mistakes);
        let reads = method.effects == Effects::None || method.is_durable();
        let get = (reads && !method.descriptor.is_client_streaming()).then_some(("GET", Body::None));
        for (http_method, body) in [("POST", Body::All)].into_iter().chain(get) {
            let template = match Template::parse(method.path.as_str()) {
                Ok(template) => template,
                Err(error) => return check.mistake(error.to_string()),
            };
            let binding = Arc::new(Binding::implicit(method, http_method, body));
            match self.routes.insert(http_method, template, Arc::clone(&binding)) {
                Ok(()) => self.bindings.push(binding),
                Err(other) if other.method.name() == method.name() => {}
                Err(other) => check.mistake(format!(
                    "http: {} binds `{}`, which is the path of this method itself",
                    other.method.name(),
                    method.path
                )),
            }
        }
    }
}

/// A mistake that no method or message is at fault for.
fn whole(problem: String) -> Mistakes {
    Mistakes(vec![Mistake { file: "descriptors".into(), place: "all files".into(), problem }])
}

fn strong_etag(bytes: &[u8]) -> HeaderValue {
    let tag = URL_SAFE_NO_PAD.encode(Sha256::digest(bytes));
    // Base64 holds nothing that a header cannot.
    HeaderValue::try_from(format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn effects(method: &MethodDescriptor) -> Effects {
    let options = method.method_descriptor_proto().options.as_ref();
    match options.map(prost_types::MethodOptions::idempotency_level) {
        Some(IdempotencyLevel::NoSideEffects) => Effects::None,
        Some(IdempotencyLevel::Idempotent) => Effects::Idempotent,
        _ => Effects::Unknown,
    }
}
