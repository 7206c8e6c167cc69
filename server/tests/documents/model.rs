//! What must happen, in the plainest words: every version is kept, every rule looks at all of them.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::json::{change, find};

/// An operation; `to` is `None` to delete.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Op {
    pub(crate) id: String,
    pub(crate) path: Vec<String>,
    pub(crate) to: Option<Value>,
}

/// What became of a commit or a deletion.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Made(u32),
    Repeated(u32),
    /// The paths in conflict, the version that last changed each, and what stands there.
    Conflict(Vec<(Vec<String>, u32, Option<Value>)>),
    NotFound,
    OtherVersion,
    Invalid,
    OpIdReused,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// From version 1: the paths that each version has changed.
    changed: Vec<Vec<Vec<String>>>,
    /// From version 1: the document, and the operations that were new.
    pub(crate) versions: Vec<(Option<Value>, Vec<Op>)>,
    known: HashMap<String, Known>,
    /// The last version in which there was no document.
    absent: u32,
    /// The last version whose changes are no longer known.
    forgotten: u32,
    /// There is no trace of the document.
    pub(crate) gone: bool,
    /// The versions that were made before the document was gone for the last time.
    pub(crate) before: usize,
}

#[derive(Debug)]
struct Known {
    op: Op,
    base: u32,
    version: u32,
}

impl Model {
    pub(crate) fn version(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap()
    }

    pub(crate) fn document(&self) -> Option<&Value> {
        self.versions.last().and_then(|(document, _)| document.as_ref())
    }

    pub(crate) fn delete(&mut self, version: Option<u32>) -> Outcome {
        if self.document().is_none() {
            return Outcome::NotFound;
        }
        if version.is_some_and(|version| version != self.version()) {
            return Outcome::OtherVersion;
        }
        self.changed.push(vec![Vec::new()]);
        self.versions.push((None, Vec::new()));
        self.absent = self.version();
        Outcome::Made(self.version())
    }

    /// So long that nothing which is known for a time only is known any more.
    pub(crate) fn wait(&mut self) {
        let known = self.known.drain().map(|(_, known)| known.version);
        self.forgotten = known.max().unwrap_or_default().max(self.forgotten);
        if self.version() > 0 && self.document().is_none() {
            self.forgotten = self.version();
            self.gone = true;
            self.before = self.versions.len();
        }
    }

    pub(crate) fn commit(&mut self, base: u32, ops: &[Op]) -> Outcome {
        let known: Vec<&Known> = ops.iter().filter_map(|op| self.known.get(&op.id)).collect();
        if ops.iter().any(|op| self.known.get(&op.id).is_some_and(|known| known.op != *op)) {
            return Outcome::OpIdReused;
        }
        if known.len() == ops.len() {
            return Outcome::Repeated(known.iter().map(|known| known.version).max().unwrap());
        }
        if base > 0 && self.document().is_none() {
            return Outcome::NotFound;
        }
        if base > self.version() {
            return Outcome::Invalid;
        }
        let base = if base == 0 { self.absent } else { base };
        if base < self.forgotten {
            return Outcome::Conflict(vec![(Vec::new(), self.forgotten, self.document().cloned())]);
        }
        let own = known.iter().filter(|known| known.base <= base).map(|known| known.version).collect();
        let new: Vec<Op> = ops.iter().filter(|op| !self.known.contains_key(&op.id)).cloned().collect();
        let conflicts = self.conflicts(base, &own, &new);
        if !conflicts.is_empty() {
            return Outcome::Conflict(conflicts);
        }
        let mut document = self.document().cloned().unwrap_or(json!({}));
        if !new.iter().all(|op| change(&mut document, &op.path, op.to.as_ref())) {
            return Outcome::Invalid;
        }
        self.gone = false;
        self.changed.push(new.iter().map(|op| op.path.clone()).collect());
        self.versions.push((Some(document), new.clone()));
        let version = self.version();
        self.known.extend(new.into_iter().map(|op| (op.id.clone(), Known { op, base, version })));
        Outcome::Made(version)
    }

    fn conflicts(
        &self,
        base: u32,
        own: &BTreeSet<u32>,
        ops: &[Op],
    ) -> Vec<(Vec<String>, u32, Option<Value>)> {
        let mut conflicts: Vec<(Vec<String>, u32, Option<Value>)> = Vec::new();
        for op in ops {
            let unseen =
                (1..).zip(&self.changed).filter(|(version, _)| *version > base && !own.contains(version));
            let touching = unseen.filter(|(_, paths)| paths.iter().any(|path| touch(path, &op.path)));
            let Some((version, _)) = touching.last() else { continue };
            if conflicts.iter().all(|(path, ..)| *path != op.path) {
                let current = self.document().and_then(|document| find(document, &op.path)).cloned();
                conflicts.push((op.path.clone(), version, current));
            }
        }
        conflicts
    }
}

fn touch(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
