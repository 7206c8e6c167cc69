//! Where the items of a model come from: a backend that has the events 1, 2, 3…, and forgets none.

use std::sync::Arc;
use std::task::{Poll, Waker};

use arc_swap::ArcSwap;
use lastmile_edge::cursor::Place;
use lastmile_edge::error::Result;
use lastmile_edge::hub::{Entry, Item};
use lastmile_edge::upstream::Call;

use super::counts::Counts;
use super::outcome::Outcome;
use super::source::Start;
use super::subject::Subject;
use super::subscription::Resume;
use super::sync::Mutex;

#[derive(Debug, Clone)]
pub struct Line {
    pub call: Arc<ArcSwap<Call>>,
    pub subject: Subject,
    pub backend: Backend,
    pub counts: Arc<Counts>,
}

/// How many events have happened, and whether that is all.
#[derive(Debug, Clone, Default)]
pub struct Backend(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    last: u32,
    ended: Option<Result<()>>,
    calls: usize,
    waiting: Vec<Waker>,
}

#[derive(Debug)]
pub struct Supply {
    backend: Backend,
    at: u32,
    place: Place,
}

impl Backend {
    /// The next event happens.
    pub fn publish(&self) {
        self.change(|log| log.last += 1);
    }

    /// Every call ends so once it has brought all events.
    pub fn end(&self, how: Result<()>) {
        self.change(|log| log.ended = Some(how));
    }

    /// How many calls are open.
    pub fn open_calls(&self) -> usize {
        self.0.lock().expect("no panic").calls
    }

    fn change(&self, change: impl FnOnce(&mut Log)) {
        let mut log = self.0.lock().expect("no panic");
        change(&mut log);
        let waiting = std::mem::take(&mut log.waiting);
        drop(log);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn open(&self, after: Option<u32>) -> Supply {
        let mut log = self.0.lock().expect("no panic");
        log.calls += 1;
        let at = after.unwrap_or(log.last);
        Supply { backend: self.clone(), at, place: place(at) }
    }
}

impl Supply {
    pub async fn open(line: Line, start: Start, resume: &Resume) -> Result<(Self, Outcome)> {
        let after = match start {
            Start::After(cursor) => Some(number(&cursor)),
            _ => None,
        };
        Ok((line.backend.open(after), resume.outcome(&line.subject)))
    }

    pub async fn reopen(line: Line, cursor: Vec<u8>) -> Result<(Self, Option<Entry>)> {
        Ok((line.backend.open(Some(number(&cursor))), None))
    }

    pub fn place(&self) -> Option<&Place> {
        Some(&self.place)
    }

    pub async fn next(&mut self) -> Result<Option<Entry>> {
        std::future::poll_fn(|cx| {
            let mut log = self.backend.0.lock().expect("no panic");
            if self.at < log.last {
                self.at += 1;
                self.place = place(self.at);
                return Poll::Ready(Ok(Some(entry(self.at))));
            }
            match &log.ended {
                Some(Ok(())) => Poll::Ready(Ok(None)),
                Some(Err(error)) => Poll::Ready(Err(error.clone())),
                None => {
                    log.waiting.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Supply {
    fn drop(&mut self) {
        self.backend.change(|log| log.calls -= 1);
    }
}

/// The place after an event.
pub fn place(number: u32) -> Place {
    Place::After(number.to_be_bytes().to_vec())
}

/// An event.
pub fn entry(number: u32) -> Entry {
    Entry { item: Item::Position, place: place(number) }
}

/// The number of an event.
pub fn number_of(entry: &Entry) -> u32 {
    match &entry.place {
        Place::After(cursor) => number(cursor),
        Place::End => panic!("an event has a cursor"),
    }
}

fn number(cursor: &[u8]) -> u32 {
    u32::from_be_bytes(cursor.try_into().expect("four bytes"))
}
