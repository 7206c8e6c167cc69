//! One subscription of several streams: each has its own order, cursor and outcome.

use serde_json::json;
use tonic::Code;

use crate::backend::{Act, Backend, event, event_after, failure, pause, position};
use crate::subscriber::{Ask, WATCH, check, subscribe, token, transcript};

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_backend_merges_has_no_one_order() {
    check(
        Ask::new(WATCH, json!({})),
        [(json!({}), vec![position(0), event(1), event_after(0, 2), Act::End])],
        &["shop.v1.Streams/Watch FRESH", "at 0", "tick 1 at 1", "tick 2 at 2", "end at $end"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn split_streams_are_read_together_and_resume_each_on_its_own() {
    let both = Ask::new(WATCH, json!({ "topics": ["a", "b", "a"] }));
    let (a, b) = (json!({ "topic": "a" }), json!({ "topic": "b" }));
    check(
        both.clone(),
        [
            (a.clone(), vec![position(10), pause(1), event(11), pause(2), event(12), Act::End]),
            (b.clone(), vec![position(20), pause(2), event(21), pause(2), Act::End]),
        ],
        &[
            "a FRESH",
            "b FRESH",
            "at 10~20",
            "tick 11 at 11~20",
            "tick 21 at 11~21",
            "tick 12 at 12~21",
            "end at $end~$end",
        ],
    )
    .await;
    let after = |topic: &str, cursor: &str| json!({ "topic": topic, "after": cursor });
    let ask = both.clone().after(token(&[("a", 11), ("b", 21)]).await);
    check(
        ask.clone(),
        [
            (after("a", "11"), vec![position(11), event(12), pause(1), Act::End]),
            (after("b", "21"), vec![failure(Code::OutOfRange, "CURSOR_EXPIRED")]),
            (b.clone(), vec![position(90), pause(2), event(91), Act::End]),
        ],
        &[
            "a RESUMED",
            "b GAP expired",
            "at 11~90",
            "tick 12 at 12~90",
            "tick 91 at $end~91",
            "end at $end~$end",
        ],
    )
    .await;
    check(
        both.clone().after(token(&[("b", 21)]).await),
        [(a, vec![position(1), Act::End]), (after("b", "21"), vec![position(21), pause(1), Act::End])],
        &["a GAP cursor_mismatch", "b RESUMED", "at 1~21", "end at $end~$end"],
    )
    .await;
    check(both.after("17".to_owned()), [], &["refused INVALID_ARGUMENT FIELD_INVALID"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_split_stream_that_ended_stays_ended() {
    let both = Ask::new(WATCH, json!({ "topics": ["a", "b"] }));
    let backend = Backend::script([
        (json!({ "topic": "a" }), vec![position(1), Act::End]),
        (json!({ "topic": "b" }), vec![position(2), pause(1), event(3)]),
    ]);
    let mut reader = subscribe(&backend, &both).await.expect("a stream");
    reader.next().await.expect("an event");
    check(
        both.after(reader.token()),
        [(json!({ "topic": "b", "after": "3" }), vec![position(3), Act::End])],
        &["b RESUMED", "at $end~3", "end at $end~$end"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn when_one_of_several_streams_fails_none_is_left_open() {
    let both = Ask::new(WATCH, json!({ "topics": ["a", "b"] }));
    let calls = |b: Vec<Act>| {
        Backend::script([
            (json!({ "topic": "a" }), vec![position(1), Act::Hang]),
            (json!({ "topic": "b" }), b),
        ])
    };
    let backend = calls(vec![pause(1), failure(Code::PermissionDenied, "NOT_YOURS")]);
    assert_eq!(transcript(&backend, &both).await, ["refused PERMISSION_DENIED NOT_YOURS"]);
    backend.closed().await;
    let backend = calls(vec![position(2), pause(1), failure(Code::DataLoss, "BAD_DISK")]);
    let told = transcript(&backend, &both).await;
    assert_eq!(told.last().map(String::as_str), Some("failed DATA_LOSS BAD_DISK at 1~2"));
    backend.closed().await;
}
