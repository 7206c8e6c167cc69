//! Registry, pump, feed and parts together: readers come, fall behind, leave and come back, while the feed is closed and
//! opened again behind them. Each sees what a plain list would give it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use shuttle::future::{self, JoinHandle};
use shuttle::thread;

use crate::cursor::Place;
use crate::error::{Code, Error};
use crate::explore::{any_below, explore};
use crate::hub::audience::Audience;
use crate::hub::feed::Feed;
use crate::hub::part::Part;
use crate::hub::pump::pump;
use crate::hub::registry::{Key, Registry};
use crate::hub::source::Start;
use crate::hub::subscription::Resume;
use crate::hub::supply::{Backend, Line, Supply, entry, number_of, place};
use crate::hub::sync::Mutex;
use crate::line::{feed_of, line};

const LAST: u32 = 5;

/// What the readers of one stream share.
#[derive(Clone)]
struct Hub {
    registry: Arc<Registry>,
    key: Key,
    line: Line,
    kept: usize,
    /// After how many steps the task of the next feed is gone, as if it had panicked.
    doom: Arc<Mutex<Option<u32>>>,
    pumps: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Hub {
    fn new(backend: &Backend, kept: usize) -> Self {
        let line = line(backend);
        let key = Key::new(&line.subject, Audience::Everyone, &HeaderMap::new());
        Self { registry: Arc::default(), key, line, kept, doom: Arc::default(), pumps: Arc::default() }
    }

    fn make(&self, resume: &Resume) -> Arc<Feed> {
        let feed = feed_of(self.line.clone(), self.kept);
        let (registry, key) = (Arc::clone(&self.registry), self.key.clone());
        let (resume, linger) = (resume.clone(), Duration::from_secs(1));
        let pump = pump(registry, key, Arc::clone(&feed), start(&resume), resume, linger);
        let doom = self.doom.lock().expect("no panic").take();
        self.pumps.lock().expect("no panic").push(future::spawn(live(pump, doom)));
        feed
    }

    /// Seats a reader, as `Hub::seat` and `Hub::join` do; with the number of the event that it stands behind.
    async fn come(&self, after: Option<u32>) -> Result<(Part, u32), Error> {
        let resume = after.map_or(Resume::Fresh, |after| {
            let Place::After(cursor) = place(after) else { unreachable!("a place of an event") };
            Resume::After { cursor, forgiving: true }
        });
        loop {
            let Some((seat, is_first)) = self.registry.enter(&self.key, || self.make(&resume)) else {
                continue;
            };
            let feed = Arc::clone(seat.feed());
            let opened = match feed.opened().await {
                Ok(opened) => opened.clone(),
                Err(error) => return Err(error.clone()),
            };
            if is_first {
                let at = stands(&opened.place);
                return Ok((Part::seated("a", seat, opened.place), at));
            }
            if let Some(after) = after
                && seat.join(&place(after)).is_some()
            {
                return Ok((Part::seated("a", seat, Some(place(after))), after));
            }
            if after.is_none() && feed.is_live() {
                let place = seat.join_end();
                let at = stands(&place);
                return Ok((Part::seated("a", seat, place), at));
            }
            seat.step_aside();
            let (supply, _) = Supply::open(self.line.clone(), start(&resume), &resume).await?;
            let at = stands(&supply.place().cloned());
            return Ok((Part::behind("a", seat, supply, after.is_none()), at));
        }
    }

    /// Waits until every pump has ended, for nobody reads any more.
    async fn ended(&self) {
        loop {
            let Some(pump) = self.pumps.lock().expect("no panic").pop() else { break };
            pump.await.expect("no panic");
        }
        assert_eq!(self.registry.count(), 0, "a feed is left behind");
    }
}

/// Does the work, at most in so many steps.
async fn live(work: impl Future<Output = ()>, mut steps: Option<u32>) {
    let mut work = Box::pin(work);
    poll_fn(move |cx| match &mut steps {
        Some(0) => Poll::Ready(()),
        Some(left) => {
            *left -= 1;
            work.as_mut().poll(cx)
        }
        None => work.as_mut().poll(cx),
    })
    .await;
}

fn start(resume: &Resume) -> Start {
    match resume {
        Resume::After { cursor, .. } => Start::After(cursor.clone()),
        _ => Start::Now,
    }
}

fn stands(place: &Option<Place>) -> u32 {
    number_of(&lastmile_edge::hub::Entry { place: place.clone().expect("a place"), ..entry(0) })
}

/// Reads what follows on `at`, at most so many; the number of the last.
async fn read(part: &mut Part, mut at: u32, most: u32) -> u32 {
    for _ in 0..most {
        let Some(entry) = poll_fn(|cx| part.poll_next(cx)).await.expect("no failure") else {
            assert_eq!(at, LAST, "an end before the last event");
            return at;
        };
        assert_eq!(number_of(&entry), at + 1);
        at += 1;
    }
    at
}

fn publish(backend: &Backend) -> thread::JoinHandle<()> {
    let backend = backend.clone();
    thread::spawn(move || {
        (1..=LAST).for_each(|_| backend.publish());
        backend.end(Ok(()));
    })
}

fn play(kept: usize) {
    let backend = Backend::default();
    let hub = Hub::new(&backend, kept);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let hub = hub.clone();
            future::spawn(async move {
                let (mut part, at) = hub.come(None).await.expect("a stream");
                let at = read(&mut part, at, any_below(3)).await;
                drop(part);
                // By its cursor, until the end.
                let (mut part, from) = hub.come(Some(at)).await.expect("a stream");
                assert_eq!(from, at);
                assert_eq!(read(&mut part, at, u32::MAX).await, LAST);
            })
        })
        .collect();
    let publisher = publish(&backend);
    future::block_on(async {
        for reader in readers {
            reader.await.expect("no panic");
        }
        hub.ended().await;
    });
    publisher.join().expect("no panic");
}

#[test]
fn every_reader_sees_the_list_from_its_place_on() {
    explore(|| play(10));
}

#[test]
fn every_reader_sees_the_list_though_little_is_kept() {
    explore(|| play(1));
}

/// Whoever comes while the stream fails hears of the failure, or reads another feed; nobody waits for ever.
#[test]
fn a_failure_reaches_everyone() {
    explore(|| {
        let backend = Backend::default();
        let hub = Hub::new(&backend, 10);
        let readers = [0, 1].map(|_| {
            let hub = hub.clone();
            future::spawn(async move {
                let Ok((mut part, _)) = hub.come(None).await else { return };
                while let Ok(Some(_)) = poll_fn(|cx| part.poll_next(cx)).await {}
            })
        });
        let publisher = thread::spawn(move || {
            backend.publish();
            backend.end(Err(Error::new(Code::DataLoss, "EVENT_LOST", "Lost.")));
        });
        future::block_on(async {
            for reader in readers {
                reader.await.expect("no panic");
            }
            hub.ended().await;
        });
        publisher.join().expect("no panic");
    });
}

/// Whoever reads a feed whose task is gone is told so, and goes on by its cursor at another.
#[test]
fn a_feed_without_its_task_keeps_nobody_waiting() {
    explore(|| {
        let backend = Backend::default();
        let hub = Hub::new(&backend, 10);
        *hub.doom.lock().expect("no panic") = Some(any_below(4));
        let readers = [0, 1].map(|_| {
            let hub = hub.clone();
            future::spawn(async move {
                let mut at = None;
                while at != Some(LAST) {
                    let Ok((mut part, from)) = hub.come(at).await else { continue };
                    at = Some(from);
                    while let Ok(entry) = poll_fn(|cx| part.poll_next(cx)).await {
                        let Some(entry) = entry else {
                            assert_eq!(at, Some(LAST), "an end before the last event");
                            break;
                        };
                        assert_eq!(Some(number_of(&entry) - 1), at);
                        at = Some(number_of(&entry));
                    }
                }
            })
        });
        let publisher = publish(&backend);
        future::block_on(async {
            for reader in readers {
                reader.await.expect("no panic");
            }
            hub.ended().await;
        });
        publisher.join().expect("no panic");
    });
}

/// Whoever catches up and takes nothing has no call after a while, and misses nothing when it goes on.
#[test]
fn a_stalled_reader_holds_no_call_and_misses_nothing() {
    explore(|| {
        let backend = Backend::default();
        (0..3).for_each(|_| backend.publish());
        let hub = Hub::new(&backend, 1);
        future::block_on(async {
            let (mut live, at) = hub.come(None).await.expect("a stream");
            let (mut stalled, from) = hub.come(Some(0)).await.expect("a stream");
            assert_eq!((at, from), (3, 0));
            let stalled = future::spawn({
                let backend = backend.clone();
                async move {
                    let seen = read(&mut stalled, 0, any_below(3)).await;
                    while backend.open_calls() > 0 {
                        future::yield_now().await;
                    }
                    assert_eq!(read(&mut stalled, seen, u32::MAX).await, LAST);
                }
            });
            let publisher = {
                let backend = backend.clone();
                thread::spawn(move || {
                    (3..LAST).for_each(|_| backend.publish());
                    backend.end(Ok(()));
                })
            };
            assert_eq!(read(&mut live, at, u32::MAX).await, LAST);
            stalled.await.expect("no panic");
            drop(live);
            publisher.join().expect("no panic");
            hub.ended().await;
        });
    });
}
