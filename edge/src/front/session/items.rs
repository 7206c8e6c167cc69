//! What a stream delivers, as frames: shared bytes where others read it too.

use std::sync::Arc;

use bytes::Bytes;

use crate::hub::{Entry, Item};
use crate::session::{Encoding, Message, OpenOutcome, Opened, Payload, ServerFrame, Target};

use super::super::lobby::Form;
use super::payload;
use super::reading::Reading;

/// One item on its way to a client.
#[derive(Debug)]
pub enum Written {
    /// Bytes in the form of the carrier; `counts`: it takes credit.
    Bytes { bytes: Bytes, counts: bool },
    /// Events are missing before what follows.
    Gap(Opened),
}

/// Writes the item that the stream came to last.
pub fn written(call: u32, reading: &Reading, entry: &Arc<Entry>, form: Form, encoding: Encoding) -> Written {
    let counts = matches!(entry.item, Item::Event(_));
    let gap = |reason: &str| {
        let channel = reading.channel.as_ref().map_or(0, |channel| channel.number);
        let cursor = reading.reader.token().unwrap_or_default();
        Written::Gap(Opened { call, channel, outcome: OpenOutcome::Gap, reason: reason.to_owned(), cursor })
    };
    match &entry.item {
        Item::Skipped(reason) => return gap(reason),
        Item::Gap(reason) => return gap(reason.name()),
        Item::Event(_) | Item::Position => {}
    }
    let shared = reading.channel.as_ref().filter(|_| reading.reader.is_in_ring());
    let target = shared.map_or(Target::Call(call), |channel| Target::Channel(channel.number));
    let make = || Some(form.write(&ServerFrame::Message(message(reading, entry, target, encoding)?)));
    let bytes = match shared {
        Some(channel) => channel.frame(entry, form, encoding, make),
        None => make(),
    };
    match bytes {
        Some(bytes) => Written::Bytes { bytes, counts },
        None => gap("unwritable"),
    }
}

fn message(reading: &Reading, entry: &Entry, target: Target, encoding: Encoding) -> Option<Message> {
    let cursor = match reading.reader.feed() {
        Some(feed) => entry.token(&feed.line.subject.tag),
        None => reading.reader.token().unwrap_or_default(),
    };
    let (event, payload) = match &entry.item {
        Item::Event(event) => {
            let json = event.json();
            let payload = match encoding {
                Encoding::Json => Payload::Json(json),
                Encoding::Proto => payload::of_event(&reading.method, &json)?,
            };
            (event.name().unwrap_or_default().to_owned(), Some(payload))
        }
        Item::Position | Item::Skipped(_) | Item::Gap(_) => (String::new(), None),
    };
    Some(Message { target, cursor, event, payload })
}
