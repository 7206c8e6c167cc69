//! What each face writes for the same stream: how it begins, goes on and stops.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use lastmile_edge::config::DrainConfig;
use lastmile_edge::deliver::{Array, Framing, Lines, Pace, Sse, body};
use lastmile_edge::drain::Drain;
use lastmile_edge::ending::Ending;
use lastmile_edge::error_style::ErrorStyle;
use lastmile_edge::identity::Standing;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tonic::Code;

use crate::backend::{Act, Backend, event, failure, pause, position, response};
use crate::subscriber::{Ask, SILENCE, subscribe, watch};

const HEARTBEAT: Duration = Duration::from_secs(5);

fn sse() -> Box<dyn Framing> {
    Box::new(Sse { retry: Duration::from_secs(2), heartbeat_events: false })
}

fn lines() -> Box<dyn Framing> {
    Box::new(Lines { durable: true })
}

fn array() -> Box<dyn Framing> {
    Box::new(Array::default())
}

fn pace() -> Pace {
    Pace {
        heartbeat: HEARTBEAT,
        max_age: None,
        standing: Standing::default(),
        deadline: None,
        retry: Duration::from_secs(2),
        drain: Drain::new(&DrainConfig { retry: Duration::ZERO, ..DrainConfig::default() }),
        errors: ErrorStyle::default(),
        ending: Ending::default(),
    }
}

async fn open(backend: &Backend, framing: Box<dyn Framing>, pace: Pace) -> Body {
    body(subscribe(backend, &watch("a")).await.expect("a stream"), framing, pace)
}

/// The whole body, its tags left out; the last line says when it was broken off.
async fn read(mut body: Body) -> String {
    let mut text = String::new();
    loop {
        match timeout(SILENCE, body.frame()).await.expect("an end") {
            Some(Ok(frame)) => text += std::str::from_utf8(frame.data_ref().expect("data")).expect("UTF-8"),
            Some(Err(_)) => return untagged(&text) + "BROKEN",
            None => return untagged(&text),
        }
    }
}

/// `lm1.<tag>.5` as `<5>`.
fn untagged(text: &str) -> String {
    let mut parts = text.split("lm1.");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let cursor = &part[12..];
        let end = cursor.find(['"', '\n', '~']).unwrap_or(cursor.len());
        out += &format!("<{}>{}", &cursor[..end], &cursor[end..]);
    }
    out
}

fn script(acts: Vec<Act>) -> Backend {
    Backend::script([(json!({ "topic": "a" }), acts)])
}

/// The JSON of `event(number)`.
fn json_of(number: u32) -> String {
    let previous = number - 1;
    format!(
        r#"{{"cursor":"{number}","position":false,"previous":"{previous}","type":"tick","number":{number}}}"#
    )
}

const SSE_OPEN: &str = "retry: 2000\n\nevent: lm-open\ndata: {\"heartbeatMs\":5000,\"streams\":[{\"key\":\"a\",\"outcome\":\"FRESH\"}]}\n\nid: <0>\n\n";
const LINES_OPEN: &str = "{\"@open\":{\"cursor\":\"<0>\",\"heartbeatMs\":5000,\"streams\":[{\"key\":\"a\",\"outcome\":\"FRESH\"}]}}\n";

#[tokio::test(start_paused = true)]
async fn a_whole_stream_in_every_face() {
    let skipped = response(json!({ "cursor": "2", "previous": "1", "type": "error" }));
    let acts = vec![position(0), event(1), skipped, position(3), event(4), Act::End];
    let (one, four) = (json_of(1), json_of(4));
    let expected = [
        format!(
            "{SSE_OPEN}event: tick\ndata: {one}\nid: <1>\n\nevent: lm-skipped\ndata: {{\"cursor\":\"<2>\",\"reason\":\"event_name\"}}\nid: <2>\n\nid: <3>\n\nevent: tick\ndata: {four}\nid: <4>\n\nevent: lm-end\ndata: {{}}\nid: <$end>\n\n"
        ),
        format!(
            "{LINES_OPEN}{one}\n{{\"@skipped\":{{\"cursor\":\"<2>\",\"reason\":\"event_name\"}}}}\n{{\"@position\":{{\"cursor\":\"<3>\"}}}}\n{four}\n{{\"@end\":{{}}}}\n"
        ),
        format!("[{one},{{\"@skipped\":{{\"cursor\":\"<2>\",\"reason\":\"event_name\"}}}},{four}]"),
    ];
    for (framing, expected) in [sse(), lines(), array()].into_iter().zip(expected) {
        assert_eq!(read(open(&script(acts.clone()), framing, pace()).await).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_said_in_band_and_never_looks_complete() {
    let acts = vec![position(0), event(1), failure(Code::DataLoss, "BAD_DISK")];
    let one = json_of(1);
    let problem = r#"{"code":"DATA_LOSS","detail":"The backend failed. The log of the edge has the cause.","reason":"BAD_DISK","status":500,"title":"Internal Server Error","type":"about:blank"}"#;
    for (framing, expected) in [
        (
            sse(),
            format!("{SSE_OPEN}event: tick\ndata: {one}\nid: <1>\n\nevent: lm-error\ndata: {problem}\n\n"),
        ),
        (lines(), format!("{LINES_OPEN}{one}\n{{\"@error\":{problem}}}\nBROKEN")),
        (array(), format!("[{one}BROKEN")),
    ] {
        assert_eq!(read(open(&script(acts.clone()), framing, pace()).await).await, expected);
    }
}

/// What a face writes behind its opening when the edge stops it.
async fn closing(framing: Box<dyn Framing>, pace: Pace, acts: Vec<Act>) -> String {
    let text = read(open(&script(acts), framing, pace).await).await;
    let rest = text.strip_prefix(SSE_OPEN).or(text.strip_prefix(LINES_OPEN)).or(text.strip_prefix('['));
    let rest = rest.unwrap_or_else(|| panic!("no opening: {text}"));
    rest.replace(": hb\n\n", "").trim_start_matches('\n').to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_edge_says_why_it_stops_a_stream_that_goes_on() {
    let drained = pace();
    drained.drain.begun().cancel();
    let aged = Pace { max_age: Some(Duration::from_secs(60)), ..pace() };
    let expired = Pace { standing: Standing::until(Instant::now() + Duration::from_secs(40)), ..pace() };
    let hang = vec![position(0), Act::Hang];
    for (pace, acts, reason, retry) in [
        (drained, hang.clone(), "drain", 0),
        (aged, hang.clone(), "max_age", 2000),
        (expired, hang, "token_expired", 2000),
    ] {
        assert_eq!(
            closing(sse(), pace.clone(), acts.clone()).await,
            format!("retry: {retry}\n\nevent: lm-close\ndata: {{\"reason\":\"{reason}\"}}\n\n"),
        );
        assert_eq!(
            closing(lines(), pace.clone(), acts.clone()).await,
            format!("{{\"@close\":{{\"cursor\":\"<0>\",\"reason\":\"{reason}\",\"retryMs\":{retry}}}}}\n"),
        );
        assert_eq!(closing(array(), pace, acts).await, "BROKEN", "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_break_that_nobody_can_mend_is_something_to_come_back_from() {
    let acts = vec![response(json!({ "number": 1 })), Act::Reset];
    let ask = Ask::new("Streams/Tick", json!({}));
    let reader = subscribe(&Backend::script([(json!({}), acts)]), &ask).await.expect("a stream");
    let text = read(body(reader, sse(), pace())).await;
    let expected = "retry: 2000\n\nevent: lm-close\ndata: {\"reason\":\"upstream_unavailable\"}\n\n";
    assert!(text.ends_with(expected), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_backend_refuses_first_is_told_alike() {
    let revoked = vec![position(0), failure(Code::Unauthenticated, "TOKEN_REVOKED")];
    let expected = "retry: 2000\n\nevent: lm-close\ndata: {\"reason\":\"token_revoked\"}\n\n";
    assert_eq!(closing(sse(), pace(), revoked).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_the_middle_is_told_in_every_face() {
    let calls = || {
        Backend::script([
            (json!({ "topic": "a" }), vec![position(0), event(1), Act::Reset]),
            (json!({ "topic": "a", "after": "1" }), vec![failure(Code::OutOfRange, "CURSOR_EXPIRED")]),
            (json!({ "topic": "a" }), vec![position(7), Act::End]),
        ])
    };
    let one = json_of(1);
    let streams = r#""streams":[{"key":"a","outcome":"GAP","reason":"expired"}]}"#;
    for (framing, expected) in [
        (
            sse(),
            format!(
                "{SSE_OPEN}event: tick\ndata: {one}\nid: <1>\n\nevent: lm-open\ndata: {{{streams}\nid: <7>\n\nevent: lm-end\ndata: {{}}\nid: <$end>\n\n"
            ),
        ),
        (
            lines(),
            format!("{LINES_OPEN}{one}\n{{\"@open\":{{\"cursor\":\"<7>\",{streams}}}\n{{\"@end\":{{}}}}\n"),
        ),
        (array(), format!("[{one},{{\"@open\":{{{streams}}}]")),
    ] {
        assert_eq!(read(open(&calls(), framing, pace()).await).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_drain_each_stream_goes_on_until_its_turn() {
    let pace = pace();
    let backends = [(); 3].map(|()| script(vec![position(0), pause(3), event(1), Act::Hang]));
    let mut reading = Vec::new();
    for backend in &backends {
        let text = read(open(backend, sse(), pace.clone()).await);
        reading.push(tokio::spawn(async { (text.await, Instant::now()) }));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let drained = Instant::now();
    pace.drain.begun().cancel();
    let mut left = Vec::new();
    for reading in reading {
        let (text, at) = reading.await.expect("text");
        assert!(text.ends_with("data: {\"reason\":\"drain\"}\n\n"), "{text}");
        let after = (at - drained).as_secs_f64();
        assert_eq!(text.contains("event: tick"), after > 2.0, "{after}: {text}");
        left.push(after);
    }
    left.sort_by(f64::total_cmp);
    assert!(left[0] == 0.0 && left[1] > 1.0 && left[2] > 3.0 && left[2] < 5.0, "{left:?}");
    for backend in backends {
        backend.closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_may_end_before_the_turn_comes() {
    let drained = pace();
    drained.drain.begun().cancel();
    drained.drain.turn();
    let standing = Standing::until(Instant::now() + Duration::from_secs(1));
    let text = closing(sse(), Pace { standing, ..drained }, vec![position(0), Act::Hang]).await;
    assert_eq!(text, "retry: 2000\n\nevent: lm-close\ndata: {\"reason\":\"token_expired\"}\n\n");
}

#[tokio::test(start_paused = true)]
async fn max_age_is_jittered_and_never_exceeded() {
    for _ in 0..20 {
        let began = Instant::now();
        let aged = Pace { max_age: Some(Duration::from_secs(60)), ..pace() };
        read(open(&script(vec![position(0), Act::Hang]), sse(), aged).await).await;
        let age = began.elapsed().as_secs_f64();
        assert!((48.0..=60.01).contains(&age), "{age}");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_fill_silence_only() {
    for (framing, beat) in [(sse(), ": hb\n\n"), (lines(), "\n"), (array(), "\n")] {
        let backend = script(vec![position(0), pause(30), event(1), pause(2), event(2), Act::Hang]);
        let mut body = open(&backend, framing, pace()).await;
        let (mut beats, mut events) = (0, 0);
        let mut last = Instant::now();
        while events < 2 {
            let frame = body.frame().await.expect("more").expect("data").into_data().expect("data");
            let silence = last.elapsed();
            last = Instant::now();
            if frame == beat {
                beats += 1;
                assert!(silence >= HEARTBEAT.mul_f64(0.8) && silence <= HEARTBEAT * 101 / 100, "{silence:?}");
            }
            events += usize::from(frame.windows(6).any(|window| window == b"number"));
        }
        assert!((6..=7).contains(&beats), "{beats} heartbeats in 30 s of silence");
    }
    let visible: Box<dyn Framing> = Box::new(Sse { retry: Duration::ZERO, heartbeat_events: true });
    let aged = Pace { max_age: Some(Duration::from_secs(7)), ..pace() };
    let text = read(open(&script(vec![position(0)]), visible, aged).await).await;
    assert!(text.contains("event: lm-heartbeat\ndata: {}\n\n") && !text.contains(": hb"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_first_in_every_face() {
    let calls = || {
        Backend::script([
            (json!({ "topic": "a", "after": "1" }), vec![failure(Code::OutOfRange, "CURSOR_EXPIRED")]),
            (json!({ "topic": "a" }), vec![position(7), Act::End]),
        ])
    };
    let streams = r#""heartbeatMs":5000,"streams":[{"key":"a","outcome":"GAP","reason":"expired"}]}"#;
    for (framing, expected) in [
        (
            sse(),
            format!(
                "retry: 2000\n\nevent: lm-open\ndata: {{{streams}\n\nid: <7>\n\nevent: lm-end\ndata: {{}}\nid: <$end>\n\n"
            ),
        ),
        (lines(), format!("{{\"@open\":{{\"cursor\":\"<7>\",{streams}}}\n{{\"@end\":{{}}}}\n")),
        (array(), format!("[{{\"@open\":{{{streams}}}]")),
    ] {
        let reader = subscribe(&calls(), &watch("a").after("1".to_owned())).await.expect("a stream");
        assert_eq!(read(body(reader, framing, pace())).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_holds_on_the_body_too() {
    let began = Instant::now();
    let ask = Ask { timeout: Some(Duration::from_secs(3)), ..watch("a") };
    let backend = script(vec![position(0), pause(1), event(1), Act::Hang]);
    let reader = subscribe(&backend, &ask).await.expect("a stream");
    let limited = Pace { deadline: Some(began + Duration::from_secs(3)), ..pace() };
    let text = read(body(reader, sse(), limited)).await;
    assert!(text.contains("event: tick") && text.contains("event: lm-error"), "{text}");
    assert!(text.contains(r#""code":"DEADLINE_EXCEEDED""#), "{text}");
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    backend.closed().await;

    let backend = script(vec![Act::Hang]);
    let refused = subscribe(&backend, &ask).await.expect_err("a failure");
    assert_eq!(refused.reason_text(), "DEADLINE_EXCEEDED");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_body_drops_the_call() {
    let backend = script(vec![position(0), event(1), Act::Hang]);
    let mut body = open(&backend, sse(), pace()).await;
    body.frame().await.expect("an opening").expect("data");
    assert_eq!(backend.open_calls(), 1);
    drop(body);
    backend.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_written_together() {
    let acts: Vec<Act> = std::iter::once(position(0)).chain((1..=50).map(event)).collect();
    let mut body = open(&script(acts), lines(), pace()).await;
    let mut frames = Vec::new();
    while frames
        .iter()
        .map(|frame: &bytes::Bytes| frame.iter().filter(|byte| **byte == b'\n').count())
        .sum::<usize>()
        < 51
    {
        frames.push(body.frame().await.expect("more").expect("data").into_data().expect("data"));
    }
    assert_eq!(frames.len(), 2, "the opening, then the burst");
}
