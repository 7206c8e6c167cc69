//! The one thread that writes, many commits to a transaction.
//!
//! The cost of a durable commit is the sync of the file; whatever waits when a transaction begins shares it, while that
//! takes little time. Each commit has a savepoint, so that one that fails leaves the others alone.

use std::collections::VecDeque;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::apply::apply;
use super::events;
use crate::error::{Error, Result};
use crate::model::{Seq, TopicId};
use crate::store::bells::Bells;
use crate::store::change::{Committed, Write};

/// Commits in one transaction: more would make the first of them wait too long.
const GROUP: usize = 256;

/// A transaction takes no further commit after this time, so that others do not wait for those that cost much.
const GROUP_TIME: Duration = Duration::from_millis(10);

/// Writes taken and not answered: a group on its way to the disk and the next one. Further callers wait outside. As many
/// of documents have places of their own.
const TAKEN: usize = 2 * GROUP;

struct Job {
    write: Write,
    waiter: Waiter,
}

struct Waiter {
    answer: oneshot::Sender<Result<Committed>>,
    /// Kept until the answer.
    _place: OwnedSemaphorePermit,
}

/// Sends writes to the thread; the thread ends with the last sender.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Arc<Sender<Job>>>,
    places: Arc<Semaphore>,
    document_places: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; it rings the bells after every transaction that appended events.
    pub(super) fn start(db: Connection, bells: Bells) -> Result<Self> {
        let (jobs, queue) = channel();
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&db, &queue, &bells))
            .map_err(Error::internal)?;
        let [places, document_places] = [(); 2].map(|()| Arc::new(Semaphore::new(TAKEN)));
        Ok(Self { jobs: Some(Arc::new(jobs)), places, document_places, thread: Some(thread) })
    }

    /// Waits for a place, then for the answer; a caller who leaves before there is a place writes nothing.
    pub(super) fn commit(&self, write: Write) -> impl Future<Output = Result<Committed>> + use<> {
        let places = Arc::clone(if write.is_of_document() { &self.document_places } else { &self.places });
        // Weak, so that who still waits for a place cannot keep the thread alive when the store is dropped.
        let jobs = self.jobs.as_ref().map(Arc::downgrade).unwrap_or_default();
        async move {
            let gone = || Error::internal("the thread that writes is gone");
            let place = places.acquire_owned().await.map_err(Error::internal)?;
            let (answer, answered) = oneshot::channel();
            let job = Job { write, waiter: Waiter { answer, _place: place } };
            jobs.upgrade().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(db: &Connection, queue: &Receiver<Job>, bells: &Bells) {
    let mut waiting = Waiting::default();
    while waiting.fill(queue) {
        let mut waiters = Vec::new();
        let writes = waiting.group(Instant::now).map(|job| {
            waiters.push(job.waiter);
            job.write
        });
        // A fault of the program refuses its group, rolled back with the transaction, and not every write after it.
        let committed = catch_unwind(AssertUnwindSafe(|| commit_group(db, writes)))
            .unwrap_or_else(|_| Err(Error::internal("the thread that writes has panicked")));
        match committed {
            Ok(group) => {
                if !group.touched.is_empty() {
                    bells.ring(&group.touched, group.last);
                }
                for (waiter, result) in waiters.into_iter().zip(group.results) {
                    // A caller that has gone away does not want the answer.
                    let _ = waiter.answer.send(result);
                }
            }
            Err(error) => {
                if waiters.is_empty() {
                    // No transaction could begin: all would wait as long for the same answer.
                    waiters.extend(waiting.drain());
                }
                refuse_all(waiters, &error);
            }
        }
    }
    // Whoever copies the file of a stopped server gets all of it. Not vital: the next start reads the log too.
    let checkpoint = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = checkpoint {
        tracing::warn!(%error, "the write-ahead log could not be moved into the database");
    }
}

/// Writes that wait for their transaction.
#[derive(Default)]
struct Waiting {
    /// Those that are quickly made.
    others: VecDeque<Job>,
    /// Those of documents, each of which is read and written whole.
    documents: VecDeque<Job>,
}

impl Waiting {
    /// Takes all that is queued, and waits for it when nothing else is to do; false at the end.
    fn fill(&mut self, queue: &Receiver<Job>) -> bool {
        if self.others.is_empty() && self.documents.is_empty() {
            let Ok(job) = queue.recv() else { return false };
            self.push(job);
        }
        queue.try_iter().for_each(|job| self.push(job));
        true
    }

    fn push(&mut self, job: Job) {
        let queue = if job.write.is_of_document() { &mut self.documents } else { &mut self.others };
        queue.push_back(job);
    }

    /// The next group, whose time begins with its first write. One of a document is in every group, behind the others.
    fn group(&mut self, mut now: impl FnMut() -> Instant) -> impl Iterator<Item = Job> {
        let (mut begun, mut others, mut documents) = (None, 0, 0);
        iter::from_fn(move || {
            let at = now();
            let late = at.duration_since(*begun.get_or_insert(at)) >= GROUP_TIME;
            let is_full = late || others + documents >= GROUP;
            if !is_full && let Some(other) = self.others.pop_front() {
                others += 1;
                return Some(other);
            }
            if is_full && documents > 0 {
                return None;
            }
            documents += 1;
            self.documents.pop_front()
        })
    }

    fn drain(&mut self) -> impl Iterator<Item = Waiter> {
        self.others.drain(..).chain(self.documents.drain(..)).map(|job| job.waiter)
    }
}

/// What a transaction has made.
struct Group {
    results: Vec<Result<Committed>>,
    /// Topics that got events; some of them more than once.
    touched: Vec<TopicId>,
    last: Seq,
}

/// Takes the writes one by one, when a transaction has begun.
fn commit_group(db: &Connection, writes: impl IntoIterator<Item = Write>) -> Result<Group> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    let (_, before) = events::state(&transaction)?;
    let mut group = Group { results: Vec::new(), touched: Vec::new(), last: before };
    for write in writes {
        let result = commit_one(&transaction, write, &mut group);
        // SQLite rolls a whole transaction back by itself when the disk is full or broken.
        if transaction.is_autocommit() {
            return Err(result.err().unwrap_or_else(|| Error::internal("the transaction was rolled back")));
        }
        group.results.push(result);
    }
    if group.last != before {
        events::store_last(&transaction, group.last)?;
    }
    transaction.commit()?;
    Ok(group)
}

fn commit_one(db: &Connection, write: Write, group: &mut Group) -> Result<Committed> {
    db.prepare_cached("SAVEPOINT one")?.execute([])?;
    let before = group.last;
    let result = apply(db, write, &mut group.last, &mut group.touched);
    if result.is_err() && !db.is_autocommit() {
        group.last = before;
        db.prepare_cached("ROLLBACK TO one")?.execute([])?;
    }
    if !db.is_autocommit() {
        db.prepare_cached("RELEASE one")?.execute([])?;
    }
    result
}

fn refuse_all(waiters: Vec<Waiter>, error: &Error) {
    tracing::error!(error = %error, "a transaction could not be written; its commits are refused");
    for waiter in waiters {
        let _ = waiter.answer.send(Err(error.again()));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::task::unconstrained;

    use super::*;
    use crate::model::{NewEvent, TopicId, USERS_TOPIC};
    use crate::store::change::{Change, DocumentChange};
    use crate::store::sqlite::schema::open_writer;

    fn event(topic: TopicId, bytes: usize) -> Write {
        let (kind, publisher, traceparent) = ("test".to_owned(), String::new(), String::new());
        Write::events(vec![NewEvent {
            topic,
            kind,
            publisher,
            traceparent,
            body: vec![0; bytes],
            idempotency: None,
        }])
    }

    fn stored(db: &Connection) -> Vec<(Seq, Seq)> {
        let mut rows = db.prepare("SELECT seq, previous FROM event ORDER BY seq").unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_write_that_fails_leaves_its_group_alone() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("db"), false).unwrap();
        let group = vec![event(USERS_TOPIC, 1), event(TopicId(99), 1), event(USERS_TOPIC, 1)];
        let Group { results, last, .. } = commit_group(&db, group).unwrap();
        let seqs: Vec<_> =
            results.iter().map(|each| each.as_ref().ok().map(|made| made.events[0].seq)).collect();
        assert_eq!((seqs, last), (vec![Some(1), None, Some(2)], 2));
        assert_eq!(stored(&db), [(1, 0), (2, 1)]);
        assert_eq!(events::state(&db).unwrap().1, 2);
    }

    #[test]
    fn a_full_disk_refuses_the_group_and_keeps_what_was_answered() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("db"), false).unwrap();
        commit_group(&db, vec![event(USERS_TOPIC, 1)]).unwrap();
        let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit =
            |pages: i64| db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        limit(pages + 4);
        let group = vec![event(USERS_TOPIC, 1), event(USERS_TOPIC, 60_000), event(USERS_TOPIC, 1)];
        match commit_group(&db, group) {
            Err(error) => assert!(matches!(error, Error::StorageFull), "{error:?}"),
            // SQLite may undo only the statement: then the others are whole.
            Ok(group) => assert!(matches!(group.results[1], Err(Error::StorageFull))),
        }
        limit(pages + 1000);
        let Group { results, last, .. } = commit_group(&db, vec![event(USERS_TOPIC, 60_000)]).unwrap();
        assert_eq!(results[0].as_ref().unwrap().events[0].seq, last);
        let seqs: Vec<_> = stored(&db).into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(seqs, (1..=last).collect::<Vec<_>>());
    }

    fn change_of_document() -> Write {
        let id = "plan".to_owned();
        Write::change(Change::Document(DocumentChange::Delete { id, version: None }))
    }

    fn waiting(writes: Vec<Write>) -> Waiting {
        let places = Arc::new(Semaphore::new(writes.len()));
        let mut waiting = Waiting::default();
        for write in writes {
            let place = Arc::clone(&places).try_acquire_owned().unwrap();
            waiting.push(Job { write, waiter: Waiter { answer: oneshot::channel().0, _place: place } });
        }
        waiting
    }

    /// Whether each write of the next group is of a document; `cost` is what each takes.
    fn group(waiting: &mut Waiting, cost: Duration) -> Vec<bool> {
        let (begun, mut taken) = (Instant::now(), Duration::ZERO);
        let made = waiting.group(|| {
            taken += cost;
            begun + taken
        });
        made.map(|job| job.write.is_of_document()).collect()
    }

    #[test]
    fn a_group_ends_with_its_time_and_others_go_before_documents() {
        let writes = || {
            let (document, other) = (change_of_document, || event(USERS_TOPIC, 1));
            waiting(vec![document(), other(), document(), other()])
        };
        assert_eq!(group(&mut writes(), Duration::ZERO), [false, false, true, true]);
        let mut slow = writes();
        for expected in [&[false, true][..], &[false, true], &[]] {
            assert_eq!(group(&mut slow, GROUP_TIME), expected, "one document in every group, and no more");
        }
        let documents = [change_of_document(), change_of_document()];
        let many = (0..2 * GROUP).map(|_| event(USERS_TOPIC, 1)).chain(documents);
        let mut many = waiting(many.collect());
        for _ in 0..2 {
            let made = group(&mut many, Duration::ZERO);
            assert_eq!(
                (made.len(), made.last()),
                (GROUP + 1, Some(&true)),
                "as many others starve no document"
            );
        }
    }

    #[tokio::test]
    async fn callers_wait_outside_when_the_disk_is_slow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let writer = Writer::start(open_writer(&path, false).unwrap(), Bells::default()).unwrap();
        let slow = Connection::open(&path).unwrap();
        slow.execute_batch("BEGIN IMMEDIATE").unwrap();

        // Unconstrained: else tokio makes a task pause that does so much at once.
        let commit = || Box::pin(unconstrained(writer.commit(event(USERS_TOPIC, 1))));
        let mut taken: Vec<_> = (0..TAKEN).map(|_| commit()).collect();
        for commit in &mut taken {
            assert!(poll!(commit).is_pending());
        }
        let mut leaves = commit();
        assert!(poll!(&mut leaves).is_pending());
        drop(leaves);
        let mut waits = commit();
        assert!(poll!(&mut waits).is_pending());
        slow.execute_batch("ROLLBACK").unwrap();
        for commit in taken {
            commit.await.unwrap();
        }
        assert_eq!(stored(&slow).len(), TAKEN, "who has no place has written nothing");
        waits.await.unwrap();
        assert_eq!(stored(&slow).len(), TAKEN + 1);
    }

    #[tokio::test]
    async fn the_store_does_not_wait_for_callers_without_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("db"), false).unwrap();
        let writer = Writer::start(db, Bells::default()).unwrap();
        let late = writer.commit(event(USERS_TOPIC, 1));
        drop(writer);
        assert!(late.await.is_err());
    }
}
