//! One upstream stream: opened where the subscriber left off, or with a stated gap.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use uuid::Uuid;

use crate::cursor::Place;
use crate::error::{Code, Error, Result};
use crate::schema::method::{Durable, Stream};
use crate::transcode::Target;
use crate::upstream::{Call, Messages, Upstream};

use super::item::{Item, render};
use super::outcome::{GapReason, Outcome};
use super::position::set_resume;
use super::subscription::{Resume, Subscription};

/// A resumable backend sends a position at once; one that does not is broken.
const POSITION_TIMEOUT: Duration = Duration::from_secs(10);

/// How a feed began.
#[derive(Debug, Clone)]
pub struct Opening {
    pub key: String,
    pub outcome: Outcome,
    /// Where it begins, when that is known.
    pub place: Option<Place>,
}

/// One upstream stream; dropping it cancels the call.
#[derive(Debug)]
pub struct Feed {
    subscription: Subscription,
    state: State,
    /// Read while opening, not delivered yet.
    pending: Option<Bytes>,
    /// The cursor of the message before, once one is known.
    last: Option<Vec<u8>>,
    /// The message before could not be read, so that nothing can be said of what it left out.
    unsure: bool,
    has_one_order: bool,
    /// Largest message that is delivered, in bytes.
    limit: usize,
    numbering: Numbering,
}

/// The first message (or the end) and what follows.
type Begun = Result<(Option<Bytes>, Messages)>;

enum State {
    /// Taking longer than a browser should wait for its headers.
    Beginning(Pin<Box<dyn Future<Output = Begun> + Send>>),
    Open(Box<Messages>),
    Ended,
}

/// Positions of a stream whose backend gives none: they hold for this feed alone.
#[derive(Debug)]
struct Numbering {
    epoch: String,
    count: u64,
}

impl Feed {
    /// Opens the stream; `peek` is how long to wait for a first message where none is promised.
    ///
    /// # Errors
    /// Whatever the backend fails with before the first message, but for a cursor that is too old or of another log:
    /// that is a gap, and the stream is opened without it.
    pub async fn open(
        upstream: &Upstream,
        call: &Call,
        subscription: Subscription,
        peek: Duration,
    ) -> Result<(Self, Opening)> {
        let (begun, outcome) = match begin(upstream, call, &subscription, &subscription.resume, peek).await {
            Err(error) => {
                let Some(gap) = gap_reason(&error, &subscription.resume) else { return Err(error) };
                let begun = begin(upstream, call, &subscription, &Resume::Fresh, peek).await?;
                (begun, Outcome::Gap(gap))
            }
            Ok(begun) => {
                let outcome = match &subscription.resume {
                    Resume::Fresh => Outcome::Fresh,
                    Resume::Mismatch => Outcome::Gap(GapReason::CursorMismatch),
                    // Nothing numbers the messages of this stream but the feed that is gone.
                    Resume::After { .. } if rule(&subscription).durable.is_none() => {
                        Outcome::Gap(GapReason::EpochChanged)
                    }
                    Resume::After { .. } | Resume::Ended => Outcome::Resumed,
                };
                (begun, outcome)
            }
        };
        let mut feed = Self {
            pending: None,
            state: begun,
            last: None,
            unsure: false,
            has_one_order: has_one_order(&subscription),
            limit: call.max_message,
            numbering: Numbering { epoch: Uuid::new_v4().simple().to_string()[..8].to_owned(), count: 0 },
            subscription,
        };
        let place = feed.starting_place(outcome).await?;
        let opening = Opening { key: feed.subscription.key.clone(), outcome, place };
        Ok((feed, opening))
    }

    /// The next item and where the stream stands after it; `None` is a clean end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<(Item, Place)>> {
        match self.message().await? {
            Some(message) => self.item(&message).map(Some),
            None => Ok(None),
        }
    }

    async fn message(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(message) = self.pending.take() {
                return Ok(Some(message));
            }
            match &mut self.state {
                State::Beginning(begun) => {
                    let (first, messages) = begun.await?;
                    self.state = if first.is_some() { State::Open(Box::new(messages)) } else { State::Ended };
                    self.pending = first;
                }
                State::Open(messages) => match messages.next().await? {
                    Some(message) => return Ok(Some(message)),
                    None => self.state = State::Ended,
                },
                State::Ended => return Ok(None),
            }
        }
    }

    /// Takes the position that a resumable backend sends first.
    async fn starting_place(&mut self, outcome: Outcome) -> Result<Option<Place>> {
        let Some(durable) = &rule(&self.subscription).durable else {
            return Ok(Some(self.numbering.place()));
        };
        if durable.position.is_some()
            && let Some(message) = self.message().await?
        {
            let rendered = render(&self.subscription.method, rule(&self.subscription), &message, self.limit);
            if rendered.item == Item::Position {
                self.last = rendered.cursor;
            } else {
                tracing::warn!(
                    method = self.subscription.method.name(),
                    "the backend owes a position message first"
                );
                self.pending = Some(message);
            }
        }
        let asked = match &self.subscription.resume {
            Resume::After { cursor, .. } if outcome == Outcome::Resumed => Some(cursor.clone()),
            _ => None,
        };
        Ok(self.last.clone().or(asked).map(Place::After))
    }

    fn item(&mut self, message: &[u8]) -> Result<(Item, Place)> {
        let method = &self.subscription.method;
        let rendered = render(method, rule(&self.subscription), message, self.limit);
        if rule(&self.subscription).durable.is_none() {
            return Ok((rendered.item, self.numbering.next()));
        }
        let was_unsure = std::mem::replace(&mut self.unsure, rendered.cursor.is_none());
        let Some(cursor) = rendered.cursor.or_else(|| self.last.clone()) else {
            let message = "The backend's first message cannot be read.";
            return Err(Error::new(Code::Internal, "UPSTREAM_MESSAGE_INVALID", message));
        };
        let previous =
            rendered.previous.filter(|previous| !previous.is_empty() && self.has_one_order && !was_unsure);
        if rendered.item != Item::Position
            && let (Some(last), Some(previous)) = (&self.last, previous)
            && *last != previous
        {
            tracing::warn!(
                method = method.name(),
                "an event is missing before this one: the upstream call is broken off"
            );
            return Err(Error::new(Code::Unavailable, "UPSTREAM_BREAK", "The backend left out an event."));
        }
        self.last = Some(cursor.clone());
        Ok((rendered.item, Place::After(cursor)))
    }
}

impl Numbering {
    fn place(&self) -> Place {
        Place::After(format!("{}-{}", self.epoch, self.count).into_bytes())
    }

    fn next(&mut self) -> Place {
        self.count += 1;
        self.place()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Beginning(_) => "Beginning",
            Self::Open(_) => "Open",
            Self::Ended => "Ended",
        })
    }
}

async fn begin(
    upstream: &Upstream,
    call: &Call,
    subscription: &Subscription,
    resume: &Resume,
    peek: Duration,
) -> Result<State> {
    let request = with_resume(subscription, resume)?;
    let (upstream, call) = (upstream.clone(), call.clone());
    let mut begun: Pin<Box<dyn Future<Output = Begun> + Send>> = Box::pin(async move {
        let mut messages = upstream.server_streaming(call, request).await?;
        let first = messages.next().await?;
        Ok((first, messages))
    });
    let promised =
        rule(subscription).durable.as_ref().is_some_and(|durable: &Durable| durable.position.is_some());
    let patience = if promised { POSITION_TIMEOUT } else { peek };
    match timeout(patience, &mut begun).await {
        Ok(begun) => {
            let (first, messages) = begun?;
            // `first` is kept beside the messages until it is asked for.
            Ok(State::Beginning(Box::pin(async move { Ok((first, messages)) })))
        }
        Err(_) if promised => {
            let message = "The backend opened the stream but sent no position within 10 s.";
            Err(Error::new(Code::Unavailable, "POSITION_MISSING", message))
        }
        Err(_) => Ok(State::Beginning(begun)),
    }
}

fn with_resume(subscription: &Subscription, resume: &Resume) -> Result<Bytes> {
    let (Resume::After { cursor, .. }, Some(durable)) = (resume, &rule(subscription).durable) else {
        return Ok(subscription.request.clone());
    };
    let mut request = subscription.request.to_vec();
    set_resume(&subscription.method, durable, &mut request, cursor).ok_or_else(|| {
        Error::field(durable.resume.to_string(), "is not a cursor of this stream").reason("CURSOR_INVALID")
    })?;
    Ok(request.into())
}

/// Whether `previous` speaks of this stream: one that its backend merges from several has an order of its own.
fn has_one_order(subscription: &Subscription) -> bool {
    let Some(split) = &rule(subscription).split else { return true };
    let method = &subscription.method;
    Target::top(&method.plan, method.input, split.one.number())
        .is_some_and(|one| one.is_set_in(&subscription.request).unwrap_or(false))
}

/// Whether a failure to resume is a gap to be told, rather than an error.
fn gap_reason(error: &Error, resume: &Resume) -> Option<GapReason> {
    let Resume::After { forgiving, .. } = resume else { return None };
    match error.reason_text() {
        "CURSOR_EXPIRED" => Some(GapReason::Expired),
        "CURSOR_EPOCH_CHANGED" => Some(GapReason::EpochChanged),
        "CURSOR_INVALID" if *forgiving => Some(GapReason::CursorMismatch),
        _ => None,
    }
}

fn rule(subscription: &Subscription) -> &Stream {
    static UNRULED: std::sync::LazyLock<Stream> = std::sync::LazyLock::new(Stream::unruled);
    subscription.method.stream.as_ref().unwrap_or(&UNRULED)
}
