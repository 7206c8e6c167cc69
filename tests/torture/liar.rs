//! Clients that break the rules of sessions on purpose: each gets what the rules say, and nobody else notices.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::StreamExt;
use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::caller::{Carrier, Names, Way};
use crate::clock::Clock;
use crate::deeds::{Deed, Deeds, Done};
use crate::history::topics;
use crate::seed::Seed;
use crate::subscriber::{PATIENCE, Reader, nobody, one_of_name};
use crate::tally::Tally;

/// What is told that is not so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Frames were had that the edge has not sent.
    AckAhead,
    /// The same when a session is resumed.
    ReceivedAhead,
    /// Another caller's session is one's own, with the token of somebody, or of nobody.
    StolenSession { by_somebody: bool },
    /// A call was opened that was not.
    UnknownCall,
    /// More may be sent than a number can hold: the call ends, the session goes on.
    TooMuchCredit,
    /// By request: frames were sent that were not.
    FramesAhead,
    /// Frames of another caller's session.
    StolenPost,
}

const LIES: [Lie; 8] = [
    Lie::AckAhead,
    Lie::ReceivedAhead,
    Lie::StolenSession { by_somebody: false },
    Lie::StolenSession { by_somebody: true },
    Lie::UnknownCall,
    Lie::TooMuchCredit,
    Lie::FramesAhead,
    Lie::StolenPost,
];

/// Lies until told to end; tells of lies that were believed.
pub(crate) async fn lie_until(
    edges: Vec<SocketAddr>,
    (seed, clock): (Seed, Clock),
    names: Names,
    tally: Tally,
    no_more: watch::Receiver<bool>,
) -> Deeds {
    let mut random = seed.part("liar");
    let mut deeds = Deeds { name: "a liar".to_owned(), topic: None, all: Vec::new() };
    let mut somebody = one_of_name("alice", topics::MEMBERS[0], (seed, clock), &edges);
    for number in 0_u64.. {
        if *no_more.borrow() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(100..600))).await;
        let lie = LIES[random.random_range(0..LIES.len())];
        let stolen = names.lock().unwrap_or_else(PoisonError::into_inner).choose(&mut random).cloned();
        let base = format!("http://{}", edges[random.random_range(0..edges.len())]);
        // From an address of its own, or the edge would soon not hear it any more.
        let mut reader = nobody((seed, clock), &edges);
        if lie == (Lie::StolenSession { by_somebody: true }) {
            if somebody.credential.is_missing() || number.is_multiple_of(3) {
                somebody.renew().await;
            }
            reader.credential = somebody.credential.clone();
        }
        reader.address = format!("10.1.{}.{}", number / 250 % 250, number % 250 + 1);
        let told = timeout(3 * PATIENCE, tell(lie, &reader, &base, stolen)).await.ok().flatten();
        let Some(told) = told else { continue };
        if expected(lie).contains(&told.as_str()) {
            tally.count("lies refused");
        } else if !is_trouble(&told) && !is_gone(lie, &told) {
            let what = format!("{lie:?} was answered with {told:?}");
            deeds.all.push(Done { at: clock.now(), deed: Deed::Believed { what } });
        }
    }
    deeds
}

fn expected(lie: Lie) -> &'static [&'static str] {
    match lie {
        Lie::AckAhead | Lie::ReceivedAhead => &["4400 not sent yet"],
        // Whoever does not begin anew in time is closed; a token that is over is told first.
        Lie::StolenSession { .. } => &["4404 session_unknown", "4401 TOKEN_EXPIRED", "4401 TOKEN_REVOKED"],
        Lie::UnknownCall => &["4400 never opened"],
        Lie::TooMuchCredit => &["3 CREDIT_OVERFLOW"],
        Lie::FramesAhead => &["409 FRAMES_AHEAD"],
        Lie::StolenPost => &["404 SESSION_UNKNOWN"],
    }
}

/// What comes when an edge or its core is away, or leaves.
fn is_trouble(told: &str) -> bool {
    ["4503", "4429", "4408", "503", "404 SESSION_UNKNOWN", "14 "].iter().any(|one| told.starts_with(one))
        || ["drain", "UNAVAILABLE"].iter().any(|one| told.contains(one))
}

/// A session goes with its edge, and so is unknown to the next process at that address.
fn is_gone(lie: Lie, told: &str) -> bool {
    lie == Lie::ReceivedAhead && told == "4404 session_unknown"
}

/// Tells the lie; what is told in return, `None` where the connection does not last that long.
async fn tell(lie: Lie, reader: &Reader, base: &str, stolen: Option<String>) -> Option<String> {
    let hello = json!({ "received": 0 });
    match lie {
        Lie::AckAhead => ask_by_socket(reader, base, &[json!({ "ack": { "received": 1000 } })]).await,
        Lie::UnknownCall => ask_by_socket(reader, base, &[json!({ "cancel": { "call": 9 } })]).await,
        Lie::TooMuchCredit => {
            let open = json!({ "open": {
                "call": 1,
                "method": "lastmile.v1.TopicService/Subscribe",
                "json": { "topic": topics::OPEN[0] },
                "credit": 1,
            }});
            let credit = json!({ "credit": { "call": 1, "messages": u32::MAX } });
            ask_by_socket(reader, base, &[open, credit]).await
        }
        Lie::ReceivedAhead => {
            let mut carrier = Carrier::connect(reader, base, Way::Socket, &hello).await.ok()?;
            let session = ready(&mut carrier).await?;
            drop(carrier);
            let hello = json!({ "session": session, "received": 1000 });
            closed(Carrier::connect(reader, base, Way::Socket, &hello).await.ok()?).await
        }
        Lie::StolenSession { .. } => {
            let hello = json!({ "session": stolen?, "received": 0 });
            closed(Carrier::connect(reader, base, Way::Socket, &hello).await.ok()?).await
        }
        Lie::FramesAhead => {
            let mut carrier = Carrier::connect(reader, base, Way::Leg, &hello).await.ok()?;
            let session = ready(&mut carrier).await?;
            post(reader, base, &session, 50).await
        }
        Lie::StolenPost => post(reader, base, &stolen?, 1).await,
    }
}

async fn ready(carrier: &mut Carrier) -> Option<String> {
    let frame = timeout(PATIENCE, carrier.hear()).await.ok()??;
    frame["ready"]["session"].as_str().map(String::from)
}

/// Says this in a new session.
async fn ask_by_socket(reader: &Reader, base: &str, frames: &[Value]) -> Option<String> {
    let hello = json!({ "received": 0 });
    let mut carrier = Carrier::connect(reader, base, Way::Socket, &hello).await.ok()?;
    ready(&mut carrier).await?;
    carrier.send(reader, "", 1, frames).await?;
    closed(carrier).await
}

/// The code with which a WebSocket is closed and the reason of `goaway`, or the status of the end of a call.
async fn closed(carrier: Carrier) -> Option<String> {
    let Carrier::Socket(mut socket) = carrier else { return None };
    let mut reason = String::new();
    loop {
        match timeout(PATIENCE, socket.next()).await.ok()??.ok()? {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).ok()?;
                if frame.get("ready").is_some() {
                    return Some("ready".to_owned());
                }
                if let Some(given) = frame["goaway"]["reason"].as_str() {
                    reason = given.to_owned();
                }
                if let Some(status) = frame["end"]["status"].as_u64() {
                    let reason = frame["end"]["details"][0]["reason"].as_str().unwrap_or_default();
                    return Some(format!("{status} {reason}"));
                }
            }
            Message::Close(close) => {
                return Some(format!("{} {}", u16::from(close?.code), shortened(&reason)));
            }
            _ => {}
        }
    }
}

/// The words of a reason that tell it from others.
fn shortened(reason: &str) -> &str {
    ["not sent yet", "never opened"].into_iter().find(|words| reason.contains(words)).unwrap_or(reason)
}

async fn post(reader: &Reader, base: &str, session: &str, first: u64) -> Option<String> {
    let url = format!("{base}/stream/{session}?first={first}");
    let frame = json!({ "cancel": { "call": 1 } });
    let request = reader.client.post(&url).header("x-forwarded-for", &reader.address).json(&frame);
    let response = timeout(PATIENCE, request.send()).await.ok()?.ok()?;
    let status = response.status().as_u16();
    let problem: Value = timeout(PATIENCE, response.json()).await.ok()?.ok()?;
    Some(format!("{status} {}", problem["reason"].as_str().unwrap_or_default()))
}
