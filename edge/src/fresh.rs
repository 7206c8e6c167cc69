//! Keeps the schema fresh: by time, when an upstream comes back, when a file changes, when someone asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use prost::Message;
use prost_types::FileDescriptorProto;
use serde::Serialize;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, interval, sleep, sleep_until};

use crate::front::Shared;
use crate::learn::{Heard, Learner, Lesson, LoadError, is_mistake};
use crate::schema::{Schema, descriptors};

/// How often an upstream that has never answered is tried.
const RETRY: Duration = Duration::from_millis(300);
/// The same, while others already serve.
const RETRY_BESIDE: Duration = Duration::from_secs(2);
/// News of upstreams are heeded at once, but not more often than this.
const NEWS_PAUSE: Duration = Duration::from_secs(5);
const FILE_INTERVAL: Duration = Duration::from_secs(1);

/// The schema's keeper.
#[derive(Debug)]
pub struct Freshness {
    learner: Learner,
    front: Shared,
    /// Also keeps two reloads apart.
    last: Mutex<Last>,
    asked: Notify,
}

/// What the last reload met.
#[derive(Debug, Default)]
struct Last {
    heard: Option<Heard>,
    /// Told once, not every time that it is met again.
    failure: Option<String>,
}

/// What a reload changed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    pub changed: bool,
    pub methods: usize,
    pub bindings: usize,
    pub methods_added: Vec<String>,
    pub methods_removed: Vec<String>,
    /// Names of files that are new, gone or not as they were.
    pub files: Vec<String>,
    /// Upstreams that have not been heard of yet.
    pub missing: Vec<String>,
}

impl Freshness {
    pub fn new(learner: Learner, front: Shared) -> Self {
        Self { learner, front, last: Mutex::default(), asked: Notify::new() }
    }

    /// Reads and compiles, and changes nothing.
    ///
    /// # Errors
    /// Why there is no schema.
    pub async fn load(&self) -> Result<Schema, LoadError> {
        let heard = self.learner.listen().await?;
        Ok(self.learner.compile(&heard).await?.schema)
    }

    /// Loads the schema once, before anyone is told that the edge listens; upstreams that are not there yet are met
    /// later.
    ///
    /// # Errors
    /// What is wrong with descriptors or rules: then the edge must not start.
    pub async fn begin(&self) -> Result<(), LoadError> {
        match self.reload().await {
            Err(LoadError::Unreachable(error)) if !is_mistake(&error) => {
                tracing::warn!(%error, "waiting for the backend");
                Ok(())
            }
            outcome => outcome.map(|_| ()),
        }
    }

    /// Has the schema read again soon.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Reads everything again; the last good schema stays when the new one is wrong.
    ///
    /// # Errors
    /// Why it stays.
    pub async fn reload(&self) -> Result<Change, LoadError> {
        let mut last = self.last.lock().await;
        let outcome = self.read(&mut last).await;
        let failure = outcome.as_ref().err().map(ToString::to_string);
        let has_schema = self.front.schema.load().is_some();
        if let Some(error) =
            failure.as_ref().filter(|error| has_schema && last.failure.as_ref() != Some(error))
        {
            tracing::error!(error, "descriptors are not refreshed; the last good ones stay");
        }
        last.failure = failure;
        outcome
    }

    async fn read(&self, last: &mut Last) -> Result<Change, LoadError> {
        let heard = self.learner.listen().await?;
        let current = self.front.schema.load_full();
        if let Some(schema) = current.as_ref().filter(|_| last.heard.as_ref() == Some(&heard)) {
            return Ok(Change { missing: heard.missing, ..Change::none(schema) });
        }
        let Lesson { schema, served } = self.learner.compile(&heard).await?;
        let change =
            Change { missing: heard.missing.clone(), ..Change::between(current.as_deref(), &schema) };
        self.front.upstream.serve(served);
        self.front.keys.learn(&schema);
        self.front.schema.store(Some(Arc::new(schema)));
        change.tell();
        last.heard = Some(heard);
        Ok(change)
    }

    /// Reads again whenever there is a reason to, until the edge shuts down.
    ///
    /// # Errors
    /// What is wrong with the first schema.
    pub async fn keep(&self, mut tidy: impl FnMut()) -> Result<(), LoadError> {
        let mut reasons = Reasons::new(self).await;
        loop {
            tokio::select! {
                () = reasons.next(self) => {}
                () = self.front.drain.begun().cancelled() => return Ok(()),
            }
            tidy();
            let is_first = self.front.schema.load().is_none();
            match self.reload().await {
                Ok(change) => reasons.is_missing = !change.missing.is_empty(),
                Err(LoadError::Unreachable(_)) => {}
                Err(error) if is_first => return Err(error),
                Err(_) => {}
            }
        }
    }
}

/// What makes the schema be read again.
struct Reasons {
    news: Option<tokio::sync::watch::Receiver<u64>>,
    /// News before that wait.
    news_from: Instant,
    files: Vec<Option<(SystemTime, u64)>>,
    is_missing: bool,
}

impl Reasons {
    async fn new(freshness: &Freshness) -> Self {
        let last = freshness.last.lock().await;
        Self {
            news: freshness.front.upstream.news(),
            news_from: Instant::now(),
            // Unknown, so that a change since the first reading is not missed.
            files: vec![None; freshness.learner.files().len()],
            is_missing: last.heard.as_ref().is_some_and(|heard| !heard.missing.is_empty()),
        }
    }

    async fn next(&mut self, freshness: &Freshness) {
        let refresh = freshness.front.config.calls.refresh.max(Duration::from_secs(1));
        let wait = match (freshness.front.schema.load().is_none(), self.is_missing) {
            (true, _) => RETRY,
            (false, true) => RETRY_BESIDE.min(refresh),
            (false, false) => refresh,
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = freshness.asked.notified() => {}
            () = news(&mut self.news, self.news_from) => self.news_from = Instant::now() + NEWS_PAUSE,
            () = file_change(&freshness.learner, &mut self.files) => {}
        }
    }
}

async fn news(news: &mut Option<tokio::sync::watch::Receiver<u64>>, from: Instant) {
    sleep_until(from).await;
    let heard = match news {
        Some(news) => news.changed().await,
        None => std::future::pending().await,
    };
    if heard.is_err() {
        // The upstream is gone, and so will be whoever waits here.
        std::future::pending::<()>().await;
    }
}

async fn file_change(learner: &Learner, known: &mut Vec<Option<(SystemTime, u64)>>) {
    if known.is_empty() {
        std::future::pending::<()>().await;
    }
    let mut ticks = interval(FILE_INTERVAL);
    loop {
        ticks.tick().await;
        let now = stamps(learner);
        if now != *known {
            *known = now;
            return;
        }
    }
}

/// When the files were written, and how long they are.
fn stamps(learner: &Learner) -> Vec<Option<(SystemTime, u64)>> {
    let stamp = |path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    learner.files().into_iter().map(stamp).collect()
}

impl Change {
    fn none(schema: &Schema) -> Self {
        Self { methods: schema.methods.len(), bindings: schema.declared().count(), ..Self::default() }
    }

    fn between(before: Option<&Schema>, after: &Schema) -> Self {
        let names = |schema: Option<&Schema>| -> BTreeSet<String> {
            schema.into_iter().flat_map(|schema| schema.methods.keys().cloned()).collect()
        };
        let (methods_before, methods_after) = (names(before), names(Some(after)));
        let (files_before, files_after) = (before.map(files).unwrap_or_default(), files(after));
        let all: BTreeSet<&String> = files_before.keys().chain(files_after.keys()).collect();
        let differs = |name: &&&String| files_before.get(**name) != files_after.get(**name);
        Self {
            changed: true,
            methods_added: methods_after.difference(&methods_before).cloned().collect(),
            methods_removed: methods_before.difference(&methods_after).cloned().collect(),
            files: all.iter().filter(differs).map(|name| (*name).clone()).collect(),
            ..Self::none(after)
        }
    }

    fn tell(&self) {
        let Self { methods, bindings, .. } = self;
        let (added, removed) = (self.methods_added.len(), self.methods_removed.len());
        tracing::info!(methods, bindings, added, removed, "schema loaded");
        if !self.missing.is_empty() {
            let missing = self.missing.join(", ");
            tracing::warn!(missing, "upstreams have not been reached yet; their paths answer 404 until then");
        }
    }
}

fn files(schema: &Schema) -> BTreeMap<String, Bytes> {
    let files = descriptors::split_set(&schema.descriptors).unwrap_or_default();
    let name = |file: &Bytes| FileDescriptorProto::decode(file.clone()).unwrap_or_default().name().to_owned();
    files.into_iter().map(|file| (name(&file), file)).collect()
}
