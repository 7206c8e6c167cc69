//! One upstream call of a stream, opened at a place.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::cursor::{self, Place};
use crate::error::{Code, Error, Result};
use crate::schema::method::Durable;
use crate::upstream::{Call, Messages, Upstream};

use super::counts::Counts;
use super::item::{Entry, Item};
use super::position::set_resume;
use super::render::{Content, Rendered, render};
use super::subject::Subject;

/// A resumable backend sends a position at once; one that does not is broken.
const POSITION_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a call begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// From now.
    Now,
    /// From now, but by this request, which says how much of what came before is wanted.
    Request(Bytes),
    /// After this cursor.
    After(Vec<u8>),
}

/// One upstream call; dropping it cancels it.
#[derive(Debug)]
pub struct Source {
    subject: Subject,
    state: State,
    /// Read while opening, not delivered yet.
    pending: Option<Bytes>,
    /// The cursor of the message before, once one is known.
    last: Option<Vec<u8>>,
    /// The message before could not be read, so that nothing can be said of what it left out.
    unsure: bool,
    /// `previous` speaks of this stream.
    has_one_order: bool,
    /// Largest message that is delivered, in bytes.
    limit: usize,
    numbering: Numbering,
    counts: Arc<Counts>,
    _open: OpenCall,
}

/// Counts a call as open while it lives.
#[derive(Debug)]
struct OpenCall(Arc<Counts>);

impl OpenCall {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.open_calls.up();
        Self(Arc::clone(counts))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.open_calls.down();
    }
}

/// The first message (or the end) and what follows.
type Begun = Result<(Option<Bytes>, Messages)>;

enum State {
    /// Taking longer than a browser should wait for its headers.
    Beginning(Pin<Box<dyn Future<Output = Begun> + Send>>),
    Open(Box<Messages>),
    Ended,
}

/// Positions of a stream whose backend gives none: they hold for this call alone.
#[derive(Debug)]
struct Numbering {
    epoch: String,
    count: u64,
}

impl Source {
    /// Opens the stream; `peek` is how long to wait for a first message where none is promised, `epoch` names the numbers
    /// of a stream without cursors.
    ///
    /// # Errors
    /// Whatever the backend fails with before the first message.
    pub async fn open(
        upstream: &Upstream,
        call: &Call,
        subject: &Subject,
        start: &Start,
        peek: Duration,
        epoch: &str,
        counts: &Arc<Counts>,
    ) -> Result<Self> {
        counts.calls.up();
        let open = OpenCall::new(counts);
        let state = begin(upstream, call, subject, start, peek).await?;
        let mut source = Self {
            pending: None,
            state,
            last: None,
            unsure: false,
            // One that its backend merges from several has an order of its own.
            has_one_order: !subject.is_of_caller(),
            limit: call.max_message,
            numbering: Numbering { epoch: epoch.to_owned(), count: 0 },
            subject: subject.clone(),
            counts: Arc::clone(counts),
            _open: open,
        };
        source.take_position().await?;
        if let (None, Start::After(asked)) = (&source.last, start) {
            source.last = Some(asked.clone());
        }
        Ok(source)
    }

    /// Where it stands, when that is known.
    pub fn place(&self) -> Option<Place> {
        match self.subject.rule().durable {
            Some(_) => self.last.clone().map(Place::After),
            None => Some(self.numbering.place()),
        }
    }

    /// The next item; `None` is a clean end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        while let Some(message) = self.message().await? {
            if let Some(entry) = self.entry(&message)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
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
    async fn take_position(&mut self) -> Result<()> {
        if self.subject.rule().durable.is_none() {
            return Ok(());
        }
        let Some(message) = self.message().await? else { return Ok(()) };
        let rendered = self.render(&message);
        if matches!(rendered.content, Content::Position) {
            self.last = rendered.cursor;
        } else {
            tracing::warn!(method = self.subject.method.name(), "the backend owes a position message first");
            self.pending = Some(message);
        }
        Ok(())
    }

    fn render(&self, message: &[u8]) -> Rendered {
        render(&self.subject.method, self.subject.rule(), message, self.limit)
    }

    /// `None` for a position that says nothing new.
    fn entry(&mut self, message: &[u8]) -> Result<Option<Entry>> {
        let rendered = self.render(message);
        if self.subject.rule().durable.is_none() {
            let place = self.numbering.next();
            return Ok(Some(self.finish(rendered.content, place)));
        }
        let method = self.subject.method.name();
        let was_unsure = std::mem::replace(&mut self.unsure, rendered.cursor.is_none());
        let Some(cursor) = rendered.cursor.or_else(|| self.last.clone()) else {
            let message = "The backend's first message cannot be read.";
            return Err(Error::new(Code::Internal, "UPSTREAM_MESSAGE_INVALID", message));
        };
        let is_position = matches!(rendered.content, Content::Position);
        if is_position && self.last.as_ref() == Some(&cursor) {
            return Ok(None);
        }
        let previous =
            rendered.previous.filter(|previous| !previous.is_empty() && self.has_one_order && !was_unsure);
        if !is_position
            && let (Some(last), Some(previous)) = (&self.last, previous)
            && *last != previous
        {
            tracing::warn!(method, "an event is missing before this one: the upstream call is broken off");
            return Err(Error::new(Code::Unavailable, "UPSTREAM_BREAK", "The backend left out an event."));
        }
        self.last = Some(cursor.clone());
        Ok(Some(self.finish(rendered.content, Place::After(cursor))))
    }

    fn finish(&self, content: Content, place: Place) -> Entry {
        let item = match content {
            Content::Event(draft) => {
                self.counts.rendered.up();
                Item::Event(draft.at(&cursor::encode(&self.subject.tag, &place)))
            }
            Content::Position => Item::Position,
            Content::Skipped(reason) => {
                self.counts.skipped.up();
                Item::Skipped(reason)
            }
        };
        Entry { item, place }
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
    subject: &Subject,
    start: &Start,
    peek: Duration,
) -> Result<State> {
    let request = request(subject, start)?;
    let (upstream, call) = (upstream.clone(), call.clone());
    let mut begun: Pin<Box<dyn Future<Output = Begun> + Send>> = Box::pin(async move {
        let mut messages = upstream.server_streaming(call, request).await?;
        let first = messages.next().await?;
        Ok((first, messages))
    });
    let promised =
        subject.rule().durable.as_ref().is_some_and(|durable: &Durable| durable.position.is_some());
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

fn request(subject: &Subject, start: &Start) -> Result<Bytes> {
    let cursor = match start {
        Start::Now => return Ok(subject.request.clone()),
        Start::Request(request) => return Ok(request.clone()),
        Start::After(cursor) => cursor,
    };
    let Some(durable) = &subject.rule().durable else { return Ok(subject.request.clone()) };
    let mut request = subject.request.to_vec();
    set_resume(&subject.method, durable, &mut request, cursor).ok_or_else(|| {
        Error::field(durable.resume.to_string(), "is not a cursor of this stream").reason("CURSOR_INVALID")
    })?;
    Ok(request.into())
}
