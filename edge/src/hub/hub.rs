//! The streams of an edge: finds or opens the feed of each, and seats its readers.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use http::HeaderName;
use tokio::sync::watch;
use tokio::time::timeout_at;
use uuid::Uuid;

use crate::cursor::Place;
use crate::error::{Code, Error, Result};
use crate::schema::method::Scope;
use crate::upstream::{Call, Upstream, late};

use super::admission::{Admission, Terms};
use super::audience::{Audience, Reading};
use super::budget::Budget;
use super::counts::Counts;
use super::feed::{Feed, Seat};
use super::outcome::{GapReason, Opening, Outcome};
use super::part::{Part, with_own_call};
use super::pump::pump;
use super::question::{Asking, Questions};
use super::reader::Reader;
use super::registry::{Key, Registry};
use super::source::Start;
use super::subject::Subject;
use super::subscription::{Resume, Subscription};
use super::supply::{Line, Supply};

/// How the hub shares and keeps streams.
#[derive(Debug, Clone)]
pub struct Manner {
    /// How long to wait for a first message where none is promised.
    pub peek: Duration,
    /// Bytes of recent items kept of a stream whose rule says nothing else.
    pub replay_bytes: usize,
    /// Bytes that all streams may keep together.
    pub memory: usize,
    /// How long a stream goes on after its last reader has left, where its rule says nothing else.
    pub linger: Duration,
    /// Metadata that reaches the backend on streams that several callers share; each value is a stream of its own.
    pub shared_headers: Vec<HeaderName>,
    /// How long the question whether a caller may read may take.
    pub timeout: Duration,
}

/// The streams of an edge. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    upstream: Upstream,
    manner: Manner,
    registry: Arc<Registry>,
    budget: Arc<Budget>,
    counts: Arc<Counts>,
    questions: Arc<Questions>,
    /// Counts how often somebody may have lost a right.
    access: watch::Sender<u64>,
}

/// What a subscriber asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    pub subscriptions: Vec<Subscription>,
    /// The call as it would be made for this subscriber alone.
    pub call: Call,
    pub reading: Reading,
    /// When its credential expires, in seconds since 1970, where that is known: of several, the latest is used.
    pub expires: u64,
}

impl Hub {
    pub fn new(upstream: Upstream, manner: Manner) -> Self {
        let budget = Budget::new(manner.memory);
        let (registry, counts, questions) = (Arc::default(), Arc::default(), Arc::default());
        let access = watch::Sender::new(0);
        Self(Arc::new(Inner { upstream, manner, registry, budget, counts, questions, access }))
    }

    /// Opens every stream, or none.
    ///
    /// # Errors
    /// The failure of the first stream that fails before its first message.
    pub async fn subscribe(&self, mut ask: Ask) -> Result<Reader> {
        // Of this subscriber alone: it must not end what others read.
        let deadline = ask.call.deadline.take();
        let subscriptions = std::mem::take(&mut ask.subscriptions);
        let opening = try_join_all(subscriptions.into_iter().map(|one| self.open(&ask, one).boxed()));
        let opened = match deadline {
            Some(deadline) => timeout_at(deadline, opening).await.unwrap_or_else(|_| Err(late())),
            None => opening.await,
        }?;
        let (openings, parts): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
        Ok(Reader::new(openings.into_iter().flatten().collect(), parts))
    }

    /// Has every admission asked for again, because somebody may have lost a right.
    pub fn ask_again(&self) {
        self.0.access.send_modify(|count| *count += 1);
    }

    /// How many streams there are upstream, but for the calls of those who catch up.
    pub fn feeds(&self) -> usize {
        self.0.registry.count()
    }

    /// What it has done so far.
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// Bytes that all rings hold.
    pub fn held(&self) -> usize {
        self.0.budget.held()
    }

    async fn open(&self, ask: &Ask, subscription: Subscription) -> Result<(Option<Opening>, Part)> {
        let subject = &subscription.subject;
        if subscription.resume == Resume::Ended {
            return Ok((None, Part::over(&subscription.key, subject.tag.clone())));
        }
        if let Some(resumed) = self.find_numbered(ask, &subscription).await {
            return Ok(resumed);
        }
        let epoch: Arc<str> = Uuid::new_v4().simple().to_string()[..16].into();
        let has_credential = self.0.upstream.has_credential(subject.method.path.path());
        let audience = Audience::of(subject, &ask.reading, has_credential, &epoch);
        let admission = self.admission(ask, subject, &audience).await?;
        let mut call = ask.call.clone();
        call.metadata = audience.metadata(&call.metadata, &self.0.manner.shared_headers);
        let key = Key::new(subject, audience, &call.metadata);
        let call = Arc::new(call);
        let (opening, part) = self.seat(&key, (call, ask.expires), &subscription, &epoch).await?;
        Ok((Some(opening), part.admitted(admission)))
    }

    /// Admits the subscriber where the stream is shared among those whom the backend admits.
    async fn admission(
        &self,
        ask: &Ask,
        subject: &Subject,
        audience: &Audience,
    ) -> Result<Option<Admission>> {
        let share = &subject.rule().share;
        let (Audience::Everyone, Scope::Authorized, Some(path)) = (audience, share.scope, &share.authorize)
        else {
            return Ok(None);
        };
        let asking = Asking {
            upstream: self.0.upstream.clone(),
            call: Call { path: path.clone(), ..ask.call.clone() },
            request: subject.request.clone(),
            timeout: self.0.manner.timeout,
        };
        let terms = Terms {
            question: self.0.questions.find(asking),
            ttl: share.ttl,
            outlives_token: ask.expires > 0,
            changes: self.0.access.subscribe(),
        };
        Admission::ask(terms).await.map(Some)
    }

    /// Seats the subscriber at the feed of this key, which it may be the first to ask for.
    async fn seat(
        &self,
        key: &Key,
        (call, expires): (Arc<Call>, u64),
        subscription: &Subscription,
        epoch: &Arc<str>,
    ) -> Result<(Opening, Part)> {
        let own = (!key.is_for_everyone()).then_some(&call);
        loop {
            let make = || self.make(key, &call, subscription, epoch);
            let Some((seat, is_first)) = self.0.registry.enter(key, make) else { continue };
            let feed = Arc::clone(seat.feed());
            feed.offer(Arc::clone(&call), expires);
            if is_first {
                let opened = feed.opened().await.clone()?;
                let opening = opening(subscription, opened.outcome, None, opened.place.clone());
                let part = Part::seated(&subscription.key, seat, opened.place.clone());
                return Ok((opening, part.by(own.cloned())));
            }
            match feed.opened().await {
                Ok(_) => {
                    let (opening, part) = self.join(seat, subscription, own).await?;
                    return Ok((opening, part.by(own.cloned())));
                }
                // It failed by the cursor or the credential of somebody else, or by a fault that need not come again.
                Err(error) if is_of_one(error) || error.reason_text() == "STREAM_BROKEN" => {}
                Err(error) => return Err(error.clone()),
            }
        }
    }

    fn make(&self, key: &Key, call: &Arc<Call>, subscription: &Subscription, epoch: &Arc<str>) -> Arc<Feed> {
        let Inner { upstream, manner, registry, budget, counts, .. } = &*self.0;
        let rule = subscription.subject.rule();
        let is_by_edge = key.is_for_everyone() && rule.share.scope == Scope::Authorized;
        let line = Line {
            upstream: if is_by_edge { upstream.by_edge() } else { upstream.clone() },
            call: Arc::new(ArcSwap::new(Arc::clone(call))),
            subject: subscription.subject.clone(),
            peek: manner.peek,
            epoch: Arc::clone(epoch),
            counts: Arc::clone(counts),
        };
        let feed = Feed::new(line, rule.replay_bytes.unwrap_or(manner.replay_bytes), budget);
        let linger = match rule.durable {
            // Nobody else can come to it: whoever comes back has a call of its own.
            Some(_) if key.is_for_one_subscription() => Duration::ZERO,
            _ => rule.share.linger.unwrap_or(manner.linger),
        };
        tokio::spawn(pump(
            Arc::clone(registry),
            key.clone(),
            Arc::clone(&feed),
            subscription.start(),
            subscription.resume.clone(),
            linger,
        ));
        feed
    }

    /// Seats a later reader: in the ring where it knows the place, else behind it.
    async fn join(
        &self,
        seat: Seat,
        subscription: &Subscription,
        own: Option<&Arc<Call>>,
    ) -> Result<(Opening, Part)> {
        let feed = Arc::clone(seat.feed());
        if let Resume::After { cursor, .. } = &subscription.resume {
            let place = Place::After(cursor.clone());
            if let Some(follow) = seat.join(&place) {
                let opening = opening(subscription, Outcome::Resumed, Some(follow), Some(place.clone()));
                return Ok((opening, Part::seated(&subscription.key, seat, Some(place))));
            }
        }
        let start = subscription.start();
        let begins_now = start == Start::Now;
        // Without a cursor nobody could tell where another call meets the ring.
        if subscription.subject.rule().durable.is_none() || begins_now && feed.is_live() {
            let place = seat.join_end();
            let outcome = subscription.resume.outcome(&subscription.subject);
            return Ok((
                opening(subscription, outcome, None, place.clone()),
                Part::seated(&subscription.key, seat, place),
            ));
        }
        seat.step_aside();
        let is_of_now = !matches!(start, Start::After(_));
        self.0.counts.catch_ups.up();
        let line = with_own_call(&feed.line, own);
        let (supply, outcome) = Supply::open(line, start, &subscription.resume).await?;
        let place = supply.place().cloned();
        Ok((
            opening(subscription, outcome, None, place),
            Part::behind(&subscription.key, seat, supply, is_of_now),
        ))
    }

    /// The feed whose numbers a cursor holds, where the backend has none: it lives for a while after its reader is cut off.
    async fn find_numbered(&self, ask: &Ask, subscription: &Subscription) -> Option<(Option<Opening>, Part)> {
        let subject = &subscription.subject;
        let Resume::After { cursor, .. } = &subscription.resume else { return None };
        if subject.rule().durable.is_some() {
            return None;
        }
        let (epoch, _) = std::str::from_utf8(cursor).ok()?.rsplit_once('-')?;
        let audience = Audience::Only(epoch.to_owned(), ask.reading.clone());
        let seat = self.0.registry.find(&Key::new(subject, audience, &ask.call.metadata))?;
        let feed = Arc::clone(seat.feed());
        feed.opened().await.as_ref().ok()?;
        let place = Place::After(cursor.clone());
        let (outcome, follow, place) = match seat.join(&place) {
            Some(follow) => (Outcome::Resumed, Some(follow), Some(place)),
            // What is still there has not been seen.
            None => (Outcome::Gap(GapReason::Overflow), None, seat.join_start()),
        };
        let opening = opening(subscription, outcome, follow, place.clone());
        Some((Some(opening), Part::seated(&subscription.key, seat, place)))
    }
}

/// Whether a failure to open may be that of the first reader alone.
fn is_of_one(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::InvalidArgument | Code::OutOfRange | Code::Unauthenticated | Code::PermissionDenied
    )
}

fn opening(
    subscription: &Subscription,
    outcome: Outcome,
    replayed: Option<u64>,
    place: Option<Place>,
) -> Opening {
    Opening { key: subscription.key.clone(), outcome, replayed, place }
}
