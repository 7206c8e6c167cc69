//! What a subscriber is told of a stream: how it began, each event once, how it ended.

use std::time::Duration;

use prost::Message;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tonic::Code;

use crate::backend::{Act, Backend, damaged, event, event_after, failure, pause, position, response};
use crate::shop::message;
use crate::subscriber::{Ask, WATCH, check, subscribe, token, transcript, watch};

#[tokio::test(start_paused = true)]
async fn a_stream_begins_fresh_resumed_or_with_a_gap() {
    let fresh = json!({ "topic": "a" });
    let resumed = json!({ "topic": "a", "after": "1" });
    check(
        watch("a"),
        [(fresh.clone(), vec![position(0), event(1), event(2), Act::End])],
        &["a FRESH", "at 0", "tick 1 at 1", "tick 2 at 2", "end at $end"],
    )
    .await;
    let ask = watch("a").after(token(&[("a", 1)]).await);
    check(
        ask.clone(),
        [(resumed.clone(), vec![position(1), event(2), Act::End])],
        &["a RESUMED", "at 1", "tick 2 at 2", "end at $end"],
    )
    .await;
    check(
        ask.clone(),
        [
            (resumed.clone(), vec![failure(Code::OutOfRange, "CURSOR_EXPIRED")]),
            (fresh.clone(), vec![position(7), event(8), Act::End]),
        ],
        &["a GAP expired", "at 7", "tick 8 at 8", "end at $end"],
    )
    .await;
    check(
        ask.clone(),
        [
            (resumed.clone(), vec![failure(Code::OutOfRange, "CURSOR_EPOCH_CHANGED")]),
            (fresh.clone(), vec![position(0), Act::End]),
        ],
        &["a GAP epoch_changed", "at 0", "end at $end"],
    )
    .await;
    check(
        ask,
        [(resumed, vec![failure(Code::PermissionDenied, "NOT_YOURS")])],
        &["refused PERMISSION_DENIED NOT_YOURS"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_stream_is_a_gap() {
    for cursor in [token(&[("b", 1)]).await, "lm1.garbage".into()] {
        check(
            watch("a").after(cursor),
            [(json!({ "topic": "a" }), vec![position(5), Act::End])],
            &["a GAP cursor_mismatch", "at 5", "end at $end"],
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_raw_cursor_goes_to_the_backend_as_it_is() {
    let ask = watch("a").after("any text".to_owned());
    let call = json!({ "topic": "a", "after": "any text" });
    check(
        ask.clone(),
        [(call.clone(), vec![position(5), event(6), Act::End])],
        &["a RESUMED", "at 5", "tick 6 at 6", "end at $end"],
    )
    .await;
    let invalid = vec![failure(Code::InvalidArgument, "CURSOR_INVALID")];
    check(
        ask.clone(),
        [(call.clone(), invalid.clone()), (json!({ "topic": "a" }), vec![position(5), Act::End])],
        &["a GAP cursor_mismatch", "at 5", "end at $end"],
    )
    .await;
    let typed_by_hand = Ask { by_browser: false, ..ask };
    check(typed_by_hand, [(call, invalid)], &["refused INVALID_ARGUMENT CURSOR_INVALID"]).await;
    let given = Ask::new(WATCH, json!({ "topic": "a", "after": "5" }));
    let call = json!({ "topic": "a", "after": "5" });
    let expected = &["a RESUMED", "at 5", "end at $end"];
    check(given.clone(), [(call, vec![position(5), Act::End])], expected).await;
    let twice = Ask { by_browser: false, ..given.clone().after("6".to_owned()) };
    check(twice, [], &["refused INVALID_ARGUMENT FIELD_INVALID"]).await;
    // EventSource repeats its first URL: what it saw last is newer.
    let call = json!({ "topic": "a", "after": "6" });
    let expected = &["a RESUMED", "at 6", "end at $end"];
    check(given.after("6".to_owned()), [(call, vec![position(6), Act::End])], expected).await;
}

#[tokio::test(start_paused = true)]
async fn an_ended_stream_is_not_opened_again() {
    let backend = Backend::script([(json!({ "topic": "a" }), vec![position(1), Act::End])]);
    let mut reader = subscribe(&backend, &watch("a")).await.expect("a stream");
    assert_eq!(reader.next().await.expect("a clean end"), None);
    let token = reader.token();
    check(watch("a").after(token), [], &["at $end", "end at $end"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_position_message_moves_the_cursor_and_is_no_event() {
    check(
        watch("a"),
        [(json!({ "topic": "a" }), vec![position(3), pause(60), position(5), event(6), Act::End])],
        &["a FRESH", "at 3", "position at 5", "tick 6 at 6", "end at $end"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_owes_its_position_is_told_apart() {
    check(
        watch("a"),
        [(json!({ "topic": "a" }), vec![event(1), event(2), Act::End])],
        &["a FRESH", "at no place", "tick 1 at 1", "tick 2 at 2", "end at $end"],
    )
    .await;
    let began = Instant::now();
    check(
        watch("a"),
        [(json!({ "topic": "a" }), vec![Act::Hang])],
        &["refused UNAVAILABLE POSITION_MISSING"],
    )
    .await;
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn an_event_left_out_by_the_backend_is_asked_for_again() {
    for (hole, stands) in [
        (vec![position(0), event(2)], 0),
        (vec![position(0), event(1), event(3)], 1),
        (vec![position(0), event(1), event(1)], 1),
        (vec![position(4), event(3)], 4),
        (vec![position(0), event(1), position(5), event_after(1, 6)], 5),
    ] {
        let again = vec![position(stands), event(stands + 1), Act::End];
        let backend = Backend::script([
            (json!({ "topic": "a" }), hole.clone()),
            (json!({ "topic": "a", "after": stands.to_string() }), again),
        ]);
        let told = transcript(&backend, &watch("a")).await;
        let next = format!("tick {0} at {0}", stands + 1);
        assert_eq!(told[told.len() - 2..], [next.as_str(), "end at $end"], "{hole:?}: {told:?}");
        assert!(told[told.len() - 3].ends_with(&format!(" {stands}")), "{hole:?}: {told:?}");
        backend.closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_backend_has_lost_is_told() {
    let backend = Backend::new(|_, request| {
        let after = request["after"].as_str().map_or(0, |after| after.parse().expect("a number"));
        vec![position(after), event(after + 2)]
    });
    let told = transcript(&backend, &watch("a")).await;
    assert_eq!(told, ["a FRESH", "at 0", "failed DATA_LOSS EVENT_LOST at 0"]);
    assert_eq!(backend.calls().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_names_no_event_before_is_believed() {
    let silent = response(json!({ "cursor": "3", "type": "tick", "number": 3 }));
    check(
        watch("a"),
        [(json!({ "topic": "a" }), vec![position(0), event(1), silent, event(4), Act::End])],
        &["a FRESH", "at 0", "tick 1 at 1", "tick 3 at 3", "tick 4 at 4", "end at $end"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn only_a_status_makes_an_end_clean() {
    let rows = [
        (Act::End, "end at $end"),
        (failure(Code::Unavailable, "RESTARTING"), "failed UNAVAILABLE RESTARTING at 1"),
        (failure(Code::DataLoss, "BAD_DISK"), "failed DATA_LOSS BAD_DISK at 1"),
        (Act::Cut, "failed UNAVAILABLE UPSTREAM_CUT at 1"),
        (Act::Tear, "failed UNAVAILABLE UPSTREAM_CUT at 1"),
        (Act::Reset, "failed UNAVAILABLE UPSTREAM_UNAVAILABLE at 1"),
    ];
    for (stop, expected) in rows {
        // Without a cursor nobody can go on for the browser.
        let acts = vec![response(json!({ "number": 1 })), stop.clone()];
        let backend = Backend::script([(json!({}), acts)]);
        let told = transcript(&backend, &Ask::new("Streams/Tick", json!({}))).await;
        let (what, _) = expected.rsplit_once(" at ").expect("a place");
        assert!(told.last().expect("lines").starts_with(what), "{stop:?}: {told:?}");
    }
    check(watch("a"), [(json!({ "topic": "a" }), vec![Act::Cut])], &["refused UNAVAILABLE UPSTREAM_CUT"])
        .await;
    check(
        watch("a"),
        [(json!({ "topic": "a" }), vec![Act::End])],
        &["a FRESH", "at no place", "end at $end"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_break_upstream_is_mended_where_the_stream_has_a_cursor() {
    for stop in [failure(Code::Unavailable, "RESTARTING"), Act::Cut, Act::Tear, Act::Reset] {
        check(
            watch("a"),
            [
                (json!({ "topic": "a" }), vec![position(0), event(1), stop]),
                (json!({ "topic": "a", "after": "1" }), vec![failure(Code::Unavailable, "STILL_AWAY")]),
                (json!({ "topic": "a", "after": "1" }), vec![position(1), event(2), Act::End]),
            ],
            &["a FRESH", "at 0", "tick 1 at 1", "tick 2 at 2", "end at $end"],
        )
        .await;
    }
    check(
        watch("a"),
        [(json!({ "topic": "a" }), vec![position(0), event(1), failure(Code::DataLoss, "BAD_DISK")])],
        &["a FRESH", "at 0", "tick 1 at 1", "failed DATA_LOSS BAD_DISK at 1"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_mended_is_a_gap_in_the_middle() {
    for (reason, expected) in [
        (
            "CURSOR_EXPIRED",
            &["a FRESH", "at 0", "tick 1 at 1", "a GAP expired at 7", "tick 8 at 8", "end at $end"],
        ),
        (
            "CURSOR_EPOCH_CHANGED",
            &["a FRESH", "at 0", "tick 1 at 1", "a GAP epoch_changed at 7", "tick 8 at 8", "end at $end"],
        ),
    ] {
        let calls = [
            (json!({ "topic": "a" }), vec![position(0), event(1), Act::Reset]),
            (json!({ "topic": "a", "after": "1" }), vec![failure(Code::OutOfRange, reason)]),
            (json!({ "topic": "a" }), vec![position(7), event(8), Act::End]),
        ];
        check(watch("a"), calls, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_rule_is_numbered_and_cannot_resume_on_another_connection() {
    let ask = Ask::new("Streams/Tick", json!({}));
    let numbers =
        || vec![response(json!({ "number": 7 })), pause(1), response(json!({ "number": 8 })), Act::End];
    let backend = Backend::script([(json!({}), numbers()), (json!({}), numbers())]);
    let mut reader = subscribe(&backend, &ask).await.expect("a stream");
    let first = reader.token().expect("a token");
    assert!(first.ends_with("-0"), "{first}");
    reader.next().await.expect("an event");
    let second = reader.token().expect("a token");
    assert_eq!(second, format!("{}1", first.trim_end_matches('0')));
    drop(reader);

    let told = transcript(&backend, &ask.after(second.clone())).await;
    assert_eq!(told[0], "shop.v1.Streams/Tick GAP epoch_changed");
    let epoch = |token: &str| token.rsplit(['.', ' ', '-']).nth(1).map(str::to_owned);
    assert_ne!(epoch(&told[1]), epoch(&second), "{told:?}");
    assert!(told[2].starts_with("unnamed 7 at ") && told[3].ends_with("-2"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_promises_no_position_is_not_waited_for() {
    let began = Instant::now();
    let backend = Backend::script([(json!({}), vec![pause(60), response(json!({ "number": 1 })), Act::End])]);
    let mut reader = subscribe(&backend, &Ask::new("Streams/Tick", json!({}))).await.expect("a stream");
    assert_eq!(began.elapsed(), Duration::from_millis(250));
    assert!(reader.next().await.expect("an event").is_some());
    assert_eq!(reader.next().await.expect("an end"), None);
}

#[tokio::test(start_paused = true)]
async fn integer_cursors_resume_too() {
    let count = |json: Value| Act::Send(message("CountResponse", json).encode_to_vec().into());
    let at = |number: u64| count(json!({ "number": number, "position": true }));
    let sold = |number: u64| count(json!({ "number": number, "sold": { "id": "x" } }));
    let ask = Ask::new("Streams/Count", json!({}));
    let backend = Backend::script([(json!({}), vec![at(4), sold(5), Act::Hang])]);
    let mut reader = subscribe(&backend, &ask).await.expect("a stream");
    reader.next().await.expect("an event");
    check(
        ask.clone().after(reader.token()),
        [(json!({ "after": "5" }), vec![at(5), sold(6), Act::End])],
        &["shop.v1.Streams/Count RESUMED", "at 5", "item:sold \"6\" at 6", "end at $end"],
    )
    .await;
    check(
        Ask::new("Streams/Count", json!({ "after": "5" })),
        [(json!({ "after": "5" }), vec![at(5), Act::End])],
        &["shop.v1.Streams/Count RESUMED", "at 5", "end at $end"],
    )
    .await;
    let typed_by_hand = Ask { by_browser: false, ..ask.after("not a number".to_owned()) };
    check(typed_by_hand, [], &["refused INVALID_ARGUMENT CURSOR_INVALID"]).await;
}

/// A cursor that is its field's default looks like none: the backend would begin from now.
#[tokio::test(start_paused = true)]
async fn a_cursor_that_the_request_cannot_carry_is_a_gap() {
    let empty = response(json!({ "position": true }));
    let calls = [
        (json!({ "topic": "a" }), vec![empty.clone()]),
        (json!({ "topic": "a" }), vec![position(9), Act::End]),
    ];
    let backend = Backend::script(calls);
    let reader = subscribe(&backend, &watch("a")).await.expect("a stream");
    let told = transcript(&backend, &watch("a").after(reader.token())).await;
    assert!(told[0].starts_with("a GAP"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_rendered_is_skipped_with_its_cursor() {
    let named = |name: &str| response(json!({ "cursor": "1", "previous": "0", "type": name, "number": 1 }));
    for (bad, reason) in [
        (named("error"), "event_name"),
        (named("open"), "event_name"),
        (named("message"), "event_name"),
        (named("lm-end"), "event_name"),
        (named("a\nid: 9"), "event_name"),
        (named("a b"), "event_name"),
        // value { number_value: NaN }
        (Act::Send(b"\x0a\x011\x1a\x010\x32\x09\x11\0\0\0\0\0\0\xf8\x7f".as_slice().into()), "unwritable"),
    ] {
        let backend =
            Backend::script([(json!({ "topic": "a" }), vec![position(0), bad, event(2), Act::End])]);
        let told = transcript(&backend, &watch("a")).await;
        let skipped = format!("skipped {reason} at 1");
        assert_eq!(told, ["a FRESH", "at 0", &skipped, "tick 2 at 2", "end at $end"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_message_moves_no_cursor_and_stops_no_stream() {
    check(
        watch("a"),
        [(json!({ "topic": "a" }), vec![position(0), event(1), damaged(), event(3), event(4), Act::End])],
        &[
            "a FRESH",
            "at 0",
            "tick 1 at 1",
            "skipped unreadable at 1",
            "tick 3 at 3",
            "tick 4 at 4",
            "end at $end",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_reading_cancels_the_call() {
    let calls = || Backend::script([(json!({ "topic": "a" }), vec![position(0), Act::Hang])]);
    let backend = calls();
    let reader = subscribe(&backend, &watch("a")).await.expect("a stream");
    assert_eq!(backend.open_calls(), 1);
    drop(reader);
    backend.closed().await;

    let backend = Backend::script([(json!({ "topic": "a" }), vec![Act::Hang])]);
    assert!(timeout(Duration::from_secs(1), subscribe(&backend, &watch("a"))).await.is_err());
    assert_eq!(backend.calls().len(), 1);
    backend.closed().await;
}
