//! The beginning of a connection: hears who it is, then makes a session for it or hands it to the one that it resumes.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;
use tokio::time::timeout;

use crate::deliver::jittered;
use crate::error::{Code, Error, Result};
use crate::layer::ClientAddress;
use crate::session::breaker::Fate;
use crate::session::frame::Credential;
use crate::session::{ClientFrame, Close, Hello, Open, Violation};

use super::super::lobby::mailbox::Resume;
use super::super::lobby::sessions::MOVE_PREFIX;
use super::super::lobby::{Carrier, Credentials, Heard, Mail};
use super::super::state::Shared;
use super::clock::milliseconds;
use super::refusal::{close_of, goaway, refuse};
use super::session::Session;
use super::verify::verify;

/// How long a client whose session is unknown has for another hello.
const SECOND_TRY: Duration = Duration::from_millis(200);

/// Hears hello on a new WebSocket and does what it asks for. `client` is how the breaker knows whoever has no name.
pub async fn begin(front: Shared, head: Parts, mut carrier: Carrier, client: String) {
    if front.drain.begun().is_cancelled() {
        let wait = milliseconds(jittered(front.config.drain.window));
        return refuse(&front, carrier, Close::Unavailable, &goaway("drain", wait, ""));
    }
    let (mut patience, mut silence) = (front.config.limits.head_timeout, Close::Silent);
    loop {
        let hello = match timeout(patience, hear(&mut carrier)).await {
            Ok(Ok(Some(hello))) => hello,
            Ok(Ok(None)) if silence == Close::Unknown => return,
            Ok(Ok(None)) => return front.sessions.note(&client, Fate::Failed),
            Ok(Err(violation)) => {
                front.sessions.counts.violations.up();
                front.sessions.note(&client, Fate::Failed);
                return refuse(&front, carrier, violation.close, &goaway(&violation.message, 0, ""));
            }
            // It has been told.
            Err(_) if silence == Close::Unknown => {
                return carrier.leave(Some(silence.code()), silence.name(), &front.sessions.tasks);
            }
            Err(_) => {
                front.sessions.note(&client, Fate::Failed);
                return refuse(&front, carrier, Close::Silent, &goaway(Close::Silent.name(), 0, ""));
            }
        };
        let mut hello = hello;
        let credentials = match who(&front, &head, &mut hello).await {
            Ok(credentials) => credentials,
            Err(error) => return reject(&front, carrier, &error),
        };
        match settle(&front, credentials, carrier, hello, Some(&client)) {
            Some(unsettled) => {
                carrier = unsettled;
                (patience, silence) = (SECOND_TRY, Close::Unknown);
            }
            None => return,
        }
    }
}

/// Does what a hello asks for; gives the connection back when it names a session that is unknown here, and says so there.
/// `address` is how the breaker knows whoever has no name, where it is to be asked.
pub fn settle(
    front: &Shared,
    credentials: Credentials,
    mut carrier: Carrier,
    hello: Hello,
    address: Option<&str>,
) -> Option<Carrier> {
    let client = address.map(|address| credentials.name.clone().unwrap_or_else(|| address.to_owned()));
    if let Some(Err(wait)) = client.as_deref().map(|client| front.sessions.admit(client)) {
        front.sessions.counts.refused.up();
        let wait = u32::try_from(wait).unwrap_or(u32::MAX);
        refuse(front, carrier, Close::Overload, &goaway(Close::Overload.name(), wait, "sse"));
        return None;
    }
    if hello.session.is_empty() {
        if let Err((carrier, error)) = stay(front, carrier, credentials, client) {
            reject(front, carrier, &error);
        }
        return None;
    }
    if let Some(found) = front.sessions.find(&hello.session, &credentials.identity) {
        let resume = Resume { carrier, client, hello, credentials };
        match found.0.send(Mail::Resume(Box::new(resume))) {
            Ok(()) => return None,
            Err(Mail::Resume(resume)) => carrier = resume.carrier,
            Err(Mail::Post { .. }) => return None,
        }
    }
    front.sessions.counts.unknown.up();
    carrier.write(&goaway(Close::Unknown.name(), 0, ""));
    Some(carrier)
}

/// A session that reads one stream and ends with its connection.
///
/// # Errors
/// RESOURCE_EXHAUSTED when there are too many.
pub fn start_with(front: &Shared, carrier: Carrier, credentials: Credentials, open: Open) -> Result<()> {
    let address = address_of(&credentials);
    let stay = front.sessions.stay(credentials.identity.clone(), credentials.name.as_deref(), address)?;
    let session = Session::new(Arc::clone(front), stay, carrier, None, credentials);
    front.sessions.tasks.spawn(session.reading(open));
    Ok(())
}

/// A new session, which is a task of its own: what its beginning took is given back.
fn stay(
    front: &Shared,
    carrier: Carrier,
    credentials: Credentials,
    client: Option<String>,
) -> Result<(), (Carrier, Error)> {
    let address = address_of(&credentials);
    let stay = front.sessions.stay(credentials.identity.clone(), credentials.name.as_deref(), address);
    match stay {
        Ok(stay) => {
            let session = Session::new(Arc::clone(front), stay, carrier, client, credentials);
            front.sessions.tasks.spawn(session);
            Ok(())
        }
        Err(error) => Err((carrier, error)),
    }
}

fn address_of(credentials: &Credentials) -> Option<IpAddr> {
    credentials.head.extensions.get::<ClientAddress>().map(|address| address.0)
}

fn reject(front: &Shared, carrier: Carrier, error: &Error) {
    front.sessions.counts.refused.up();
    let (close, wait) = close_of(error);
    refuse(front, carrier, close, &goaway(error.reason_text(), wait, ""));
}

/// Who it is. A ticket that moves a session says which.
///
/// # Errors
/// UNAUTHENTICATED where a credential is no good.
pub async fn who(front: &Shared, head: &Parts, hello: &mut Hello) -> Result<Credentials> {
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
