//! The same stream by NDJSON, JSON array and long poll.

use futures_util::StreamExt;
use lastmile_tests::{Answer, Browser, Publisher, both, mask, soon};
use serde_json::Value;

const NEWS: &str = "/api/v1/topics/news/events";

/// Reads an NDJSON body line by line.
struct Lines {
    body: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Lines {
    async fn open(browser: &Browser, path: &str, accept: &str) -> Self {
        let response = browser.open(browser.request("GET", path).header("accept", accept)).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "application/x-ndjson; charset=utf-8");
        Self { body: response.bytes_stream().boxed(), text: String::new() }
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.text = rest;
                // Blank lines are heartbeats.
                if !line.is_empty() {
                    return serde_json::from_str(&line).expect("a line of JSON");
                }
                continue;
            }
            let bytes = soon("a line", self.body.next()).await.expect("a line, not the end").expect("bytes");
            self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }
}

#[tokio::test]
async fn ndjson_gives_a_line_for_each_event_also_to_curl() {
    both(|app| async move {
        let publisher = Publisher::login(app.grpc(), "bob").await;
        publisher.publish("news", 7).await.expect("published");
        let mut transcript = Vec::new();
        for accept in ["application/x-ndjson", "*/*"] {
            let mut lines = Lines::open(&app.browser(), &format!("{NEWS}?last=1"), accept).await;
            let line = loop {
                let line = lines.next().await;
                if line["type"] == "number" {
                    break line;
                }
            };
            assert_eq!(line["data"], 7.0);
            transcript.push(mask(&line.to_string()));
        }
        transcript
    })
    .await;
}

#[tokio::test]
async fn an_endless_stream_is_no_json_array() {
    both(|app| async move {
        let answer =
            Answer::to(app.browser().request("GET", NEWS).header("accept", "application/json")).await;
        assert_eq!(answer.status, 406, "{answer:?}");
        for face in ["text/event-stream", "application/x-ndjson", "Prefer: wait"] {
            assert!(answer.text.contains(face), "{face} in {}", answer.text);
        }
        let answer = Answer::to(app.browser().request("GET", NEWS).header("accept", "image/png")).await;
        assert_eq!(answer.status, 406, "{answer:?}");
    })
    .await;
}

/// The path and query of `Link: <…>; rel="next"`.
fn next_link(answer: &Answer) -> String {
    let link = answer.header("link");
    let (url, rest) = link.strip_prefix('<').and_then(|link| link.split_once('>')).expect("a link");
    assert!(rest.contains(r#"rel="next""#), "{link}");
    url.to_owned()
}

#[tokio::test]
async fn long_poll_follows_its_link_without_loss() {
    both(|app| async move {
        let browser = app.browser();
        let poll = |path: String, wait: u32| {
            let request = browser.request("GET", &path).header("accept", "application/json");
            Answer::to(request.header("prefer", format!("wait={wait}")))
        };
        let nothing = poll(NEWS.to_owned(), 1).await;
        assert_eq!((nothing.status.as_u16(), nothing.text.as_str()), (204, ""));

        let publisher = Publisher::login(app.grpc(), "bob").await;
        let mut received = Vec::new();
        let mut link = next_link(&nothing);
        for number in 1..=3 {
            publisher.publish("news", number).await.expect("published");
            publisher.publish("news", number * 10).await.expect("published");
            while received.last() != Some(&(number * 10)) {
                let some = poll(link, 20).await;
                assert_eq!(some.status, 200, "{some:?}");
                let events = some.json();
                received.extend(
                    events
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|event| event["data"].as_f64().expect("a number") as u32),
                );
                link = next_link(&some);
            }
        }
        assert_eq!(received, [1, 10, 2, 20, 3, 30]);
    })
    .await;
}

#[tokio::test]
async fn a_failure_before_the_first_byte_is_a_status_on_every_face() {
    both(|app| async move {
        let mut transcript = Vec::new();
        for accept in ["text/event-stream", "application/x-ndjson"] {
            let path = "/api/v1/topics/nowhere/events";
            let answer = Answer::to(app.browser().request("GET", path).header("accept", accept)).await;
            assert_eq!(answer.problem(), "404 TOPIC_NOT_FOUND", "{accept}");
            transcript.push(mask(&answer.text));
        }
        let poll = app
            .browser()
            .request("GET", "/api/v1/topics/nowhere/events")
            .header("accept", "application/json");
        assert_eq!(Answer::to(poll.header("prefer", "wait=1")).await.problem(), "404 TOPIC_NOT_FOUND");
        transcript
    })
    .await;
}
