//! Readers that come, stall and fall behind, while calls break: each sees what a plain list would give it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use lastmile_edge::hub::{Item, Reader, Reading};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::arbitrary::unrecorded;
use crate::backend::{Act, Backend, event, position};
use crate::subscriber::{Ask, hub_with, join};

/// All events there will ever be: one each second.
const EVENTS: u32 = 120;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A reader comes, with the cursor of this event if it has happened.
    Come(Option<u32>),
    /// A reader reads so many items, as far as there are any.
    Read(usize, usize),
    /// A reader leaves, and comes back with its cursor.
    Return(usize),
    Leave(usize),
    /// So many seconds go by.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::option::of(0..EVENTS).prop_map(Step::Come),
        (0..8_usize, 1..30_usize).prop_map(|(who, count)| Step::Read(who, count)),
        (0..8_usize, 1..30_usize).prop_map(|(who, count)| Step::Read(who, count)),
        (0..8_usize).prop_map(Step::Return),
        (0..8_usize).prop_map(Step::Leave),
        (0..20_u64).prop_map(Step::Wait),
    ]
}

/// A reader, and the event that it has to see next; none before its first position.
struct Seen {
    reader: Reader,
    next: Option<u32>,
}

impl Seen {
    fn take(&mut self) -> Result<bool, TestCaseError> {
        let Some(entry) = self.reader.next().now_or_never() else { return Ok(false) };
        let entry = entry.expect("no failure").expect("no end");
        let at = cursor(&self.reader).expect("a place");
        match &entry.item {
            Item::Event(event) => {
                let json: serde_json::Value = serde_json::from_slice(&event.json()).expect("JSON");
                let number = json["number"].as_u64().expect("a number") as u32;
                prop_assert_eq!((number, at), (self.next.unwrap_or(number), number));
                self.next = Some(number + 1);
            }
            other => prop_assert!(false, "{:?}", other),
        }
        Ok(true)
    }
}

fn cursor(reader: &Reader) -> Option<u32> {
    reader
        .token()
        .map(|token| token.rsplit('.').next().and_then(|number| number.parse().ok()).expect("a number"))
}

async fn play(steps: Vec<Step>, breaks: Vec<u32>, kept: usize) -> Result<(), TestCaseError> {
    let began = Instant::now();
    let is_calm = breaks.is_empty();
    let breaks = Arc::new(Mutex::new(breaks));
    let backend = Backend::new(move |_, request| {
        let now = (began.elapsed().as_secs() as u32).min(EVENTS);
        let after = request["after"].as_str().map(|after| after.parse().expect("a number"));
        let from = after.unwrap_or(now);
        // Each call but the last few breaks after so many messages.
        let patience = breaks.lock().expect("no panic").pop().unwrap_or(u32::MAX);
        let mut acts = vec![position(from)];
        for (count, number) in (from + 1..=EVENTS).enumerate() {
            if count as u32 == patience {
                acts.push(Act::Reset);
                return acts;
            }
            acts.push(Act::Until(began + Duration::from_secs(u64::from(number))));
            acts.push(event(number));
        }
        acts
    });
    let hub = hub_with(&backend, kept);
    let ask = Ask::new("Streams/Listen", json!({ "topic": "a" }));
    let come = async |cursor: Option<String>| {
        let reader = join(&hub, Reading::Anonymous, &ask.clone().after(cursor)).await;
        // A call that breaks before its position is a refused connection.
        reader.ok().map(|reader| {
            let next = cursor_of(&reader);
            Seen { reader, next }
        })
    };
    let mut readers: Vec<Seen> = Vec::new();
    for step in steps {
        match step {
            Step::Come(after) => {
                let now = (began.elapsed().as_secs() as u32).min(EVENTS);
                let cursor = after.map(|after| after.min(now).to_string());
                let expected = cursor.as_ref().map(|cursor| cursor.parse::<u32>().expect("a number") + 1);
                if let Some(seen) = come(cursor).await {
                    prop_assert!(expected.is_none_or(|expected| seen.next == Some(expected)));
                    // Who comes without a cursor begins now, and not with what is old; the latest events may be on their
                    // way through a feed that has just been held up.
                    let begins_now = expected.is_some() || seen.next >= Some(now.saturating_sub(2));
                    prop_assert!(begins_now || !is_calm, "{:?} at {}", seen.next, now);
                    readers.push(seen);
                }
            }
            Step::Read(who, count) if who < readers.len() => {
                for _ in 0..count {
                    if !readers[who].take()? {
                        sleep(Duration::ZERO).await;
                    }
                }
            }
            Step::Return(who) if who < readers.len() => {
                let old = readers.swap_remove(who);
                let token = old.reader.token();
                drop(old.reader);
                if let Some(seen) = come(token).await {
                    prop_assert_eq!(seen.next, old.next);
                    readers.push(seen);
                }
            }
            Step::Leave(who) if who < readers.len() => drop(readers.swap_remove(who)),
            Step::Wait(seconds) => sleep(Duration::from_secs(seconds)).await,
            _ => {}
        }
    }
    // Everything has happened, and everyone sees it.
    sleep(Duration::from_secs(u64::from(EVENTS) + 60)).await;
    for seen in &mut readers {
        let patience = Instant::now() + Duration::from_secs(600);
        while seen.next != Some(EVENTS + 1) {
            prop_assert!(Instant::now() < patience, "stuck before {:?}", seen.next);
            if !seen.take()? {
                sleep(Duration::from_secs(1)).await;
            }
        }
        prop_assert!(!seen.take()?);
    }
    Ok(())
}

fn cursor_of(reader: &Reader) -> Option<u32> {
    cursor(reader).map(|seen| seen + 1)
}

proptest! {
    #![proptest_config(unrecorded())]

    #[test]
    fn every_reader_sees_the_list_from_its_place_on(
        steps in vec(step(), 0..60),
        breaks in vec(0..25_u32, 0..12),
        kept in prop_oneof![Just(0_usize), Just(1000), Just(4000), Just(1 << 20)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(play(steps, breaks, kept))?;
    }
}
