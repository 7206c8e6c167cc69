//! Whatever writers do, the store decides as the model does, and every observer ends with the same document.

use std::sync::Arc;
use std::time::Duration;

use lastmile_proto::v1;
use lastmile_server::auth::{Caller, Identity};
use lastmile_server::domain::{Documents, document_change_message};
use lastmile_server::error::{Error, Result};
use lastmile_server::log::{Delivery, Log, Start};
use lastmile_server::model::{Action, DocumentCommit, DocumentOp, Pointer, Role, Seq, Time};
use lastmile_server::store::{Change, SqliteStore, Store, Write};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use v1::watch_document_response::Change as Watched;

use crate::json::{change, from_message, from_struct, to_message};
use crate::model::{Model, Op, Outcome};
use crate::script::{Draft, Step, WRITERS, script};

/// The store, the model, and what the writers know.
struct World {
    store: Arc<SqliteStore>,
    documents: Documents,
    model: Model,
    writers: Vec<Writer>,
    next_op: u32,
    /// The position of each version.
    positions: Vec<Seq>,
    _folder: TempDir,
}

#[derive(Default, Clone)]
struct Writer {
    base: u32,
    unsettled: Vec<Op>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), false).unwrap());
        let documents = Documents::new(Arc::clone(&store) as _, Log::new(Arc::clone(&store) as _));
        let writers = vec![Writer::default(); WRITERS];
        let model = Model::default();
        Self { store, documents, model, writers, next_op: 0, positions: Vec::new(), _folder: folder }
    }

    async fn step(&mut self, writer: usize, step: Step) {
        let Writer { base, unsettled } = self.writers[writer].clone();
        match step {
            Step::CatchUp => {
                let base = if self.model.document().is_some() { self.model.version() } else { 0 };
                self.writers[writer] = Writer { base, unsettled: Vec::new() };
            }
            Step::Send(drafts) => self.send(writer, base, Vec::new(), drafts).await,
            Step::SendOnTop(drafts) => self.send(writer, base, unsettled, drafts).await,
            Step::Repeat if unsettled.is_empty() => {}
            Step::Repeat => self.send(writer, base, unsettled, Vec::new()).await,
            // With nothing settled: what was sent on a newer version counts as unseen.
            Step::SendOnOlder(drafts) => {
                self.send(writer, base.saturating_sub(2).max(1), unsettled, drafts).await;
            }
            Step::SendAhead(draft) => {
                self.send(writer, self.model.version() + 1, Vec::new(), vec![draft]).await;
            }
            Step::ReuseId((path, to)) => {
                if let Some(known) = unsettled.first() {
                    let op = Op { id: known.id.clone(), path, to };
                    self.check_commit(base, vec![op]).await;
                }
            }
            Step::DeleteKnown => self.check_delete(Some(base.max(1))).await,
            Step::Delete => self.check_delete(None).await,
            Step::Wait => self.wait().await,
        }
    }

    async fn send(&mut self, writer: usize, base: u32, mut ops: Vec<Op>, drafts: Vec<Draft>) {
        let known = ops.len();
        for (path, to) in drafts {
            self.next_op += 1;
            ops.push(Op { id: self.next_op.to_string(), path, to });
        }
        let made = matches!(self.check_commit(base, ops.clone()).await, Outcome::Made(_));
        let writer = &mut self.writers[writer];
        // What was made on another version than the writer's is as if another writer had made it.
        if made && base == writer.base {
            writer.unsettled.extend(ops.split_off(known));
        }
    }

    async fn check_commit(&mut self, base: u32, ops: Vec<Op>) -> Outcome {
        let commit =
            DocumentCommit { id: "board".to_owned(), base, ops: ops.iter().map(message_op).collect() };
        let answer = self.documents.commit(&caller(), commit).await;
        let expected = self.model.commit(base, &ops);
        let actual = match answer {
            Ok(made) if matches!(expected, Outcome::Repeated(_)) => {
                assert_eq!(made.seq, self.positions[made.version as usize - 1]);
                Outcome::Repeated(made.version)
            }
            Ok(made) => {
                self.positions.push(made.seq);
                Outcome::Made(made.version)
            }
            Err(error) => refusal(error),
        };
        assert_eq!(actual, expected, "on {base}: {ops:?}");
        self.check_document().await;
        expected
    }

    async fn check_delete(&mut self, version: Option<u32>) {
        let answer = self.documents.delete(&caller(), "board".to_owned(), version).await;
        let expected = self.model.delete(version);
        let actual = match answer {
            Ok(()) => Outcome::Made(self.model.version()),
            Err(error) => refusal(error),
        };
        assert_eq!(actual, expected);
        if let Outcome::Made(_) = expected {
            self.positions.push(self.positions.last().unwrap() + 1);
        }
        self.check_document().await;
    }

    async fn wait(&mut self) {
        let now = Time::now().plus(Duration::from_secs(8 * 24 * 60 * 60));
        self.store.commit(Write::change(Change::Forget { now })).await.unwrap();
        self.model.wait();
        self.check_document().await;
    }

    async fn check_document(&self) {
        let found = self.documents.get(&caller(), "board").await;
        let Some(expected) = self.model.document() else {
            assert!(matches!(found, Err(Error::NotFound { .. })), "{found:?}");
            return;
        };
        let (document, position) = found.unwrap();
        assert_eq!((&from_struct(&document.content), document.version), (expected, self.model.version()));
        assert_eq!(Some(&position), self.positions.last());
    }

    /// Watches from the version `from` on, and comes to the same end.
    async fn observe(&self, from: usize) -> Result<()> {
        let start = from.checked_sub(1).map_or(0, |index| self.positions[index]);
        let tail = self.documents.watch(&caller(), "board", Start::Position(start)).await;
        if self.model.gone {
            assert!(matches!(tail, Err(Error::NotFound { kind: "document", .. })), "{tail:?}");
            return Ok(());
        }
        if from < self.model.before {
            assert!(matches!(tail, Err(Error::CursorExpired)), "{tail:?}");
            return Ok(());
        }
        let mut tail = tail?;
        assert_eq!(tail.next().await?, Delivery::Position(start));
        let mut document = from.checked_sub(1).and_then(|index| self.model.versions[index].0.clone());
        for (index, (expected, ops)) in self.model.versions.iter().enumerate().skip(from) {
            let Delivery::Event(event) = tail.next().await? else { panic!("a position between events") };
            assert_eq!(event.seq, self.positions[index]);
            let version = u32::try_from(index + 1).unwrap();
            let seen = match document_change_message(&event)?.change.unwrap() {
                Watched::DocumentChanged(changed) => {
                    assert_eq!((changed.version, changed.publisher.as_str()), (version, "alice"));
                    let seen: Vec<Op> = changed.ops.iter().map(plain_op).collect();
                    let document = document.get_or_insert(json!({}));
                    assert!(seen.iter().all(|op| change(document, &op.path, op.to.as_ref())));
                    seen
                }
                Watched::DocumentDeleted(deleted) => {
                    assert_eq!(deleted.version, version);
                    document = None;
                    Vec::new()
                }
            };
            assert_eq!((&seen, &document), (ops, expected), "every operation once, in order");
        }
        Ok(())
    }
}

fn refusal(error: Error) -> Outcome {
    match error {
        Error::DocumentConflict(conflict) => {
            let told = conflict.paths.into_iter().map(|each| {
                let path = Pointer::parse(&each.path).unwrap().members().collect();
                (path, each.version, each.current.as_ref().map(from_message))
            });
            Outcome::Conflict(told.collect())
        }
        Error::NotFound { kind: "document", .. } => Outcome::NotFound,
        Error::EtagMismatch { kind: "document", .. } => Outcome::OtherVersion,
        Error::Invalid(_) => Outcome::Invalid,
        Error::OpIdReused { .. } => Outcome::OpIdReused,
        other => panic!("{other:?}"),
    }
}

fn message_op(op: &Op) -> DocumentOp {
    let escaped = op.path.iter().map(|member| format!("/{}", member.replace('~', "~0").replace('/', "~1")));
    let path = Pointer::parse(&escaped.collect::<String>()).unwrap();
    let action = op.to.as_ref().map_or(Action::Delete, |value| Action::Set(to_message(value)));
    DocumentOp { id: op.id.clone(), path, action }
}

fn plain_op(op: &v1::DocumentOp) -> Op {
    let to: Option<Value> = match op.action.as_ref().unwrap() {
        v1::document_op::Action::Set(value) => Some(from_message(value)),
        v1::document_op::Action::Delete(()) => None,
    };
    Op { id: op.op_id.clone(), path: Pointer::parse(&op.path).unwrap().members().collect(), to }
}

fn caller() -> Caller {
    let now = Time::now();
    Caller::Known(Identity {
        subject: "1".to_owned(),
        name: "alice".to_owned(),
        role: Role::User,
        expires: now,
        token: String::new(),
        issued: now,
        topics: Vec::new(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_decides_as_the_model_does(steps in script(), observers in prop::collection::vec(0.0..1.0, 4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for (writer, step) in steps {
                world.step(writer, step).await;
            }
            if world.positions.is_empty() {
                return;
            }
            for from in [0.0].into_iter().chain(observers) {
                let from = (from * world.positions.len() as f64) as usize;
                world.observe(from).await.unwrap();
            }
        });
    }
}
