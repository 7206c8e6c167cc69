//! Learns the schema: asks every upstream what it declares, and compiles that with the rules.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;

use crate::config::rest::JsonConfig;
use crate::config::{EdgeConfig, PathsConfig, UpstreamConfig};
use crate::error::Error;
use crate::front::own;
use crate::schema::field_order::in_field_order;
use crate::schema::merge::{Conflicts, Part, merge};
use crate::schema::method::Effects;
use crate::schema::{Mistakes, RuleFile, Schema, Source};
use crate::upstream::{Served, Upstream, reflection};

/// Asks the upstreams.
#[derive(Debug)]
pub struct Learner {
    upstream: Upstream,
    teachers: Vec<Teacher>,
    rules: Option<PathBuf>,
    paths: PathsConfig,
    json: JsonConfig,
}

/// One upstream as a source of descriptors.
#[derive(Debug)]
struct Teacher {
    settings: UpstreamConfig,
    source: Source,
    /// What it said last: it stays true while the upstream is away.
    heard: Mutex<Option<Arc<Part>>>,
}

/// What a schema is made of; equal ones give equal schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// None for an upstream that has not been heard of yet.
    parts: Vec<Option<Arc<Part>>>,
    rules: String,
    /// The upstreams that have not been heard of yet.
    pub missing: Vec<String>,
}

/// A schema, and what the upstreams have to do for it.
#[derive(Debug)]
pub struct Lesson {
    pub schema: Schema,
    pub served: Served,
}

/// Why the schema could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Try again later.
    #[error("{0}")]
    Unreachable(Error),
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

impl Learner {
    /// `source` is where the descriptors of the first upstream come from, when its settings do not say; those of others
    /// come by reflection.
    ///
    /// # Errors
    /// A sentence naming the setting that cannot be used.
    pub fn new(config: &EdgeConfig, upstream: Upstream, source: Source) -> Result<Self, String> {
        let only = [UpstreamConfig::default()];
        let upstreams = if config.upstream.0.is_empty() { &only[..] } else { &config.upstream.0 };
        if upstreams.len() > 1 && config.descriptors.is_some() {
            return Err(
                "descriptors: name the file in `[[upstream]]` of the backend that it describes".into()
            );
        }
        let sources = std::iter::once(source).chain(std::iter::repeat(Source::Reflection));
        let teacher = |(settings, source): (&UpstreamConfig, Source)| Teacher {
            source: match &settings.descriptors {
                Some(file) => Source::File(file.clone()),
                None => source,
            },
            settings: settings.clone(),
            heard: Mutex::default(),
        };
        let teachers = upstreams.iter().zip(sources).map(teacher).collect();
        let learner = Self {
            upstream,
            teachers,
            rules: config.rules.clone(),
            paths: config.paths.clone(),
            json: config.rest.json,
        };
        learner.rules().and_then(|text| learner.parse(&text)).map(|_| learner)
    }

    /// The files that the schema depends on.
    pub fn files(&self) -> Vec<&Path> {
        self.teachers
            .iter()
            .filter_map(|teacher| teacher.source.path())
            .chain(self.rules.as_deref())
            .collect()
    }

    /// Asks all upstreams. What one said before stands in for one that is away.
    ///
    /// # Errors
    /// When none was ever heard of, or one says what cannot be read.
    pub async fn listen(&self) -> Result<Heard, LoadError> {
        let is_only = self.teachers.len() == 1;
        let answers =
            self.teachers.iter().enumerate().map(|(place, teacher)| teacher.ask(&self.upstream, place));
        let (mut parts, mut missing, mut away) = (Vec::new(), Vec::new(), None);
        for (teacher, answer) in self.teachers.iter().zip(join_all(answers).await) {
            match answer {
                Err(LoadError::Unreachable(error)) if !is_only && !is_mistake(&error) => {
                    let known = teacher.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    if known.is_none() {
                        missing.push(teacher.settings.name().to_owned());
                        away = Some(error);
                    }
                    parts.push(known);
                }
                answer => parts.push(Some(answer?)),
            }
        }
        match away.filter(|_| parts.iter().all(Option::is_none)) {
            Some(error) => Err(LoadError::Unreachable(error)),
            None => Ok(Heard { parts, rules: self.rules().map_err(LoadError::Unreadable)?, missing }),
        }
    }

    /// Makes a schema of what was heard. No panic of a library that reads descriptors gets out.
    ///
    /// # Errors
    /// What is wrong with descriptors or rules.
    pub async fn compile(&self, heard: &Heard) -> Result<Lesson, LoadError> {
        let rules = self.parse(&heard.rules).map_err(LoadError::Unreadable)?;
        let rules = if heard.missing.is_empty() { rules } else { rules.ahead() };
        let (parts, paths, json) = (heard.parts.clone(), self.paths.clone(), self.json);
        let away = self.teachers.iter().zip(&parts).filter(|(_, part)| part.is_none());
        let claims = away.flat_map(|(teacher, _)| [&teacher.settings.services, &teacher.settings.prefer]);
        let claims = claims.flatten().cloned().collect();
        let task = Task { parts, claims, rules, paths, json };
        let compiling = tokio::task::spawn_blocking(move || compile(task));
        let panicked =
            |_| LoadError::Unreadable("the descriptors cannot be read (malformed or too new)".into());
        compiling.await.map_err(panicked)?
    }

    fn rules(&self) -> Result<String, String> {
        let Some(file) = &self.rules else { return Ok(String::new()) };
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(&self, text: &str) -> Result<RuleFile, String> {
        let Some(file) = &self.rules else { return Ok(RuleFile::default()) };
        let name = file.display().to_string();
        RuleFile::parse(&name, text).map_err(|error| format!("{name}: {error}"))
    }
}

impl Teacher {
    async fn ask(&self, upstream: &Upstream, place: usize) -> Result<Arc<Part>, LoadError> {
        let (files, listed) = match self.source.read().map_err(LoadError::Unreadable)? {
            Some(files) => (files, None),
            None => {
                let reflected = self.reflect(upstream, place).await.map_err(LoadError::Unreachable)?;
                let files = reflected.files.clone();
                let ordered = tokio::task::spawn_blocking(|| in_field_order(files)).await;
                // What a library cannot read without a panic is told when it is compiled.
                (ordered.unwrap_or(reflected.files), Some(reflected.services))
            }
        };
        let UpstreamConfig { services, prefer, .. } = self.settings.clone();
        let upstream = self.settings.name().to_owned();
        let part = Arc::new(Part { upstream, files, listed, services, prefer });
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&part));
        Ok(part)
    }

    async fn reflect(&self, upstream: &Upstream, place: usize) -> Result<reflection::Reflected, Error> {
        // All files from one process: in the middle of a deployment another may have another version.
        let reflected = match upstream.pinned(place).await {
            Ok(pinned) => reflection::fetch(&pinned).await,
            Err(error) => Err(error),
        };
        reflected.map_err(|error| match &self.settings.name {
            Some(name) => error.hint(&format!("upstream `{name}`")),
            None => error,
        })
    }
}

/// Waiting will not help.
pub(crate) fn is_mistake(error: &Error) -> bool {
    error.reason_text() == "REFLECTION_MISSING"
}

/// What a schema is made of.
struct Task {
    parts: Vec<Option<Arc<Part>>>,
    /// Services of upstreams that have not been heard of.
    claims: Vec<String>,
    rules: RuleFile,
    paths: PathsConfig,
    json: JsonConfig,
}

fn compile(task: Task) -> Result<Lesson, LoadError> {
    let Task { parts, claims, rules, paths, json } = task;
    let parts: Vec<Option<&Part>> = parts.iter().map(Option::as_deref).collect();
    let merged = merge(&parts, &claims)?;
    let reserved = |template: &str| own::is_reserved(&paths, template);
    let is_served = |service: &str| merged.services.contains_key(service);
    let mut schema = Schema::load_served(merged.files, &rules, json, reserved, is_served)?;
    schema.is_whole = parts.iter().all(Option::is_some);
    let served = served(&schema, merged.services);
    Ok(Lesson { schema, served })
}

fn served(schema: &Schema, services: HashMap<String, usize>) -> Served {
    let methods = schema.methods.values().filter(|method| method.effects != Effects::Unknown);
    // Whoever binds a method to GET says that it is safe (RFC 9110, section 9.2.1).
    let safe = schema.bindings.iter().filter(|binding| binding.http_method == "GET");
    let repeatable: HashSet<String> = methods
        .chain(safe.map(|binding| &binding.method))
        .map(|method| method.path.as_str().to_owned())
        .collect();
    Served { services, repeatable }
}
