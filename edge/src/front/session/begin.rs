//! The beginning of a connection: hears who it is, then makes a session for it or hands it to the one that it resumes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use http::request::Parts;
use tokio::time::timeout;

use crate::deliver::jittered;
use crate::error::{Code, Error, Result};
use crate::layer::ClientAddress;
use crate::session::breaker::Fate;
use crate::session::frame::Credential;
use crate::session::{ClientFrame, Close, Hello, Violation};

use super::super::lobby::mailbox::Resume;
use super::super::lobby::sessions::MOVE_PREFIX;
use super::super::lobby::{Carrier, Credentials, Heard, Mail};
use super::super::state::Shared;
use super::clock::milliseconds;
use super::refusal::{close_of, goaway, refuse};
use super::session::Session;
use super::verify::verify;

/// What a session is told that cannot be resumed here.
pub const UNKNOWN: &str = "session_unknown";

/// Hears hello on a new WebSocket and does what it asks for. `client` is how the breaker knows whoever has no name.
pub async fn begin(front: Shared, head: Parts, mut carrier: Carrier, client: String) {
    if front.drain.begun().is_cancelled() {
        let wait = milliseconds(jittered(front.config.drain.window));
        return refuse(carrier, Close::Unavailable, &goaway("drain", wait, ""));
    }
    loop {
        let hello = match timeout(front.config.limits.head_timeout, hear(&mut carrier)).await {
            Ok(Ok(Some(hello))) => hello,
            Ok(Ok(None)) => return front.sessions.note(&client, Fate::Failed),
            Ok(Err(violation)) => {
                front.sessions.counts.violations.up();
                front.sessions.note(&client, Fate::Failed);
                return refuse(carrier, violation.close, &goaway(&violation.message, 0, ""));
            }
            Err(_) => {
                front.sessions.note(&client, Fate::Failed);
                return refuse(carrier, Close::Silent, &goaway(Close::Silent.name(), 0, ""));
            }
        };
        match settle(&front, &head, carrier, hello, Some(client.clone())).await {
            Some(unsettled) => carrier = unsettled,
            None => return,
        }
    }
}

/// Does what a hello asks for; gives the connection back when it names a session that is unknown here. `client` is the
/// address that the breaker knows, where it is to be asked.
pub async fn settle(
    front: &Shared,
    head: &Parts,
    mut carrier: Carrier,
    mut hello: Hello,
    client: Option<String>,
) -> Option<Carrier> {
    let credentials = match who(front, head, &mut hello).await {
        Ok(credentials) => credentials,
        Err(error) => {
            front.sessions.counts.refused.up();
            let (close, wait) = close_of(&error);
            refuse(carrier, close, &goaway(error.reason_text(), wait, ""));
            return None;
        }
    };
    let client = client.map(|address| credentials.name.clone().unwrap_or(address));
    if let Some(Err(wait)) = client.as_deref().map(|client| front.sessions.admit(client)) {
        front.sessions.counts.refused.up();
        let wait = u32::try_from(wait).unwrap_or(u32::MAX);
        refuse(carrier, Close::Overload, &goaway(Close::Overload.name(), wait, "sse"));
        return None;
    }
    if hello.session.is_empty() {
        start(front, carrier, credentials, client);
        return None;
    }
    if let Some(found) = front.sessions.find(&hello.session, &credentials.identity) {
        match found.0.send(Mail::Resume(Box::new(Resume { carrier, hello, credentials }))) {
            Ok(()) => return None,
            Err(Mail::Resume(resume)) => carrier = resume.carrier,
            Err(Mail::Post { .. }) => return None,
        }
    }
    front.sessions.counts.unknown.up();
    carrier.write(&goaway(UNKNOWN, 0, ""));
    Some(carrier)
}

/// Who it is. A ticket that moves a session says which.
async fn who(front: &Shared, head: &Parts, hello: &mut Hello) -> Result<Credentials> {
    let mut head = head.clone();
    if let Ok(traceparent) = http::HeaderValue::from_str(&hello.traceparent)
        && !hello.traceparent.is_empty()
    {
        head.headers.insert("traceparent", traceparent);
    }
    if let Some(Credential::Ticket(ticket)) = &hello.credential
        && ticket.starts_with(MOVE_PREFIX)
    {
        let Some((session, authorization)) = front.sessions.take_move(ticket) else {
            let message = "The ticket has moved its session, or its time is over. Begin a new session.";
            return Err(Error::new(Code::Unauthenticated, "TICKET_SPENT", message));
        };
        hello.session = session;
        head.headers.remove(http::header::COOKIE);
        head.headers.remove(http::header::AUTHORIZATION);
        head.headers.extend(authorization.map(|value| (http::header::AUTHORIZATION, value)));
        front.sessions.counts.migrated.up();
        return verify(front, &head, None).await;
    }
    verify(front, &head, hello.credential.as_ref()).await
}

/// A new session, which is a task of its own: what its beginning took is given back.
pub fn start(front: &Shared, carrier: Carrier, credentials: Credentials, client: Option<String>) {
    let address = credentials.head.extensions.get::<ClientAddress>().map(|address| address.0);
    match front.sessions.stay(credentials.identity.clone(), credentials.name.as_deref(), address) {
        Ok(stay) => {
            let session = Session::new(Arc::clone(front), stay, carrier, client, credentials);
            front.sessions.tasks.spawn(session);
        }
        Err(error) => {
            front.sessions.counts.refused.up();
            let (close, wait) = close_of(&error);
            refuse(carrier, close, &goaway(error.reason_text(), wait, ""));
        }
    }
}

/// The first frame, which must be hello; `None` when the client has left.
async fn hear(carrier: &mut Carrier) -> Result<Option<Hello>, Violation> {
    poll_fn(|cx| {
        loop {
            if carrier.poll_flush(cx) == Poll::Ready(false) {
                return Poll::Ready(Ok(None));
            }
            match carrier.poll_read(cx)? {
                Poll::Ready(Heard::Frame(ClientFrame::Hello(hello))) => return Poll::Ready(Ok(Some(hello))),
                Poll::Ready(Heard::Frame(_)) => {
                    return Poll::Ready(Err(Violation::protocol("The first frame must be `hello`.")));
                }
                Poll::Ready(Heard::Life) => {}
                Poll::Ready(Heard::Gone(_)) => return Poll::Ready(Ok(None)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
