//! Uploads and downloads: message by message, never buffered whole, and never taken for complete when they are not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tonic::Code;

use crate::served::{Client, Say, Served};

const BODY: &str = "google.api.HttpBody";
const RESPONSE: &str = "files.v1.FileResponse";

fn chunk(text: &str) -> Say {
    Say::Message(BODY, json!({ "contentType": "text/plain", "data": STANDARD.encode(text) }))
}

async fn begin(served: &Served, head: &str) -> Client {
    let mut client = served.connect().await;
    client
        .send(format!("{head}\r\nhost: edge\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"))
        .await;
    client
}

fn data(message: &Value) -> String {
    let data = message["content"]["data"].as_str().unwrap_or_default();
    String::from_utf8(STANDARD.decode(data).expect("base64")).expect("text")
}

const DOWNLOAD: &str = "GET /v1/files/a:download HTTP/1.1";

#[tokio::test]
async fn a_download_is_written_as_it_comes() {
    let mut served = Served::start().await;
    served.say([chunk("first ")]);
    let mut client = served.connect().await;
    client.send(format!("{DOWNLOAD}\r\nhost: edge\r\nconnection: close\r\n\r\n")).await;
    let (status, head) = client.head().await;
    assert!(status == 200 && head.contains("content-type: text/plain\r\n"), "{head}");
    client.until(b"first ").await;
    assert_eq!(served.message().await, json!({ "name": "files/a" }));
    served.say([Say::Message(BODY, json!({})), chunk("second"), Say::End]);
    let rest = client.until(b"\r\n0\r\n\r\n").await;
    assert!(rest.contains("second"), "{rest}");
    served.closed().await;
}

#[tokio::test]
async fn a_download_that_fails_at_once_has_its_own_status() {
    let served = Served::start().await;
    served.say([Say::Fail(Code::NotFound, "no such file")]);
    assert_eq!(served.ask(DOWNLOAD, "").await.status, 404);
    served.say([Say::End]);
    let empty = served.ask(DOWNLOAD, "").await;
    assert!(empty.status == 200 && empty.body.is_empty() && empty.is_whole);
}

#[tokio::test]
async fn a_download_that_fails_later_is_broken_off() {
    let served = Served::start().await;
    served.say([chunk("half"), Say::Fail(Code::DataLoss, "lost")]);
    let answer = served.ask(DOWNLOAD, "").await;
    assert_eq!((answer.status, answer.text(), answer.is_whole), (200, "half", false));
    // Its deadline holds on the body too.
    served.say([chunk("half")]);
    let answer = served.ask(&format!("{DOWNLOAD}\r\nx-server-timeout: 0.3"), "").await;
    assert_eq!((answer.status, answer.text(), answer.is_whole), (200, "half", false));
}

#[tokio::test]
async fn leaving_a_download_cancels_it() {
    let mut served = Served::start().await;
    served.say([chunk("first")]);
    let mut client = served.connect().await;
    client.send(format!("{DOWNLOAD}\r\nhost: edge\r\n\r\n")).await;
    client.until(b"first").await;
    drop(client);
    served.closed().await;
    served.say([chunk("first")]);
    let answer = served.ask("HEAD /v1/files/a:download HTTP/1.1", "").await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.body.len()),
        (200, Some("text/plain"), 0)
    );
    served.closed().await;
}

const UPLOAD: &str = "POST /v1/files/a:upload?draft=true HTTP/1.1\r\ncontent-type: text/plain";

#[tokio::test]
async fn an_upload_goes_on_as_it_comes() {
    let mut served = Served::start().await;
    let mut client = begin(&served, UPLOAD).await;
    client.chunk("first").await;
    // The backend has it before the rest is sent.
    let first = served.message().await;
    assert_eq!(data(&first), "first");
    assert_eq!((&first["name"], &first["draft"]), (&json!("files/a"), &json!(true)));
    assert_eq!(first["content"]["contentType"], "text/plain");
    client.chunk("second").await;
    // What is bound is in the first message, and the chunk alone in the others.
    let second = served.message().await;
    assert_eq!(second, json!({ "content": { "data": STANDARD.encode("second") } }));
    served.answer(RESPONSE, json!({ "count": 2 }));
    client.chunk("").await;
    assert_eq!(client.answer().await.json()["count"], 2);
}

#[tokio::test]
async fn an_upload_may_be_empty_or_larger_than_other_bodies() {
    let mut served = Served::start_with(|config| config.limits.body_bytes = 1000).await;
    served.answer(RESPONSE, json!({}));
    assert_eq!(served.ask(UPLOAD, "").await.status, 200);
    let (messages, ended) = served.whole_call().await;
    let expected = json!({ "name": "files/a", "draft": true, "content": { "contentType": "text/plain" } });
    assert_eq!((messages, ended), (vec![expected], true));

    served.answer(RESPONSE, json!({}));
    let large = "x".repeat(300_000);
    assert_eq!(served.ask(UPLOAD, &large).await.status, 200);
    let (messages, ended) = served.whole_call().await;
    assert!(ended && messages.len() > 1);
    assert_eq!(messages.iter().map(data).collect::<String>(), large);
}

#[tokio::test]
async fn an_upload_that_breaks_off_never_looks_complete() {
    let mut served = Served::start_with(|config| config.limits.upload_bytes = 1000).await;
    let announced = served.ask(UPLOAD, "x".repeat(1001)).await;
    assert_eq!(announced.problem(), "413 BODY_TOO_LARGE");
    served.saw_nothing();

    let mut client = begin(&served, UPLOAD).await;
    client.chunk("x".repeat(600)).await;
    served.message().await;
    client.chunk("x".repeat(600)).await;
    client.chunk("").await;
    assert_eq!(client.answer().await.problem(), "413 BODY_TOO_LARGE");
    assert!(!served.whole_call().await.1, "the backend took a part for the whole");

    let mut client = begin(&served, UPLOAD).await;
    client.chunk("half").await;
    served.message().await;
    drop(client);
    assert!(!served.whole_call().await.1, "the backend took a part for the whole");
    served.closed().await;
}

#[tokio::test]
async fn a_backend_that_refuses_early_is_heard() {
    let served = Served::start().await;
    served.say([Say::Fail(Code::PermissionDenied, "not you")]);
    let answer = served.ask(UPLOAD, "x".repeat(5_000_000)).await;
    assert_eq!((answer.status, answer.json()["detail"].clone()), (403, json!("not you")));
}

const RECORDS: &str = "POST /v1/records/r HTTP/1.1";

#[tokio::test]
async fn a_stream_of_json_is_an_object_an_array_or_lines() {
    let mut served = Served::start().await;
    let record = |tag: &str| json!({ "name": "r", "tags": [tag] });
    let lines = "content-type: application/x-ndjson";
    for (headers, body, expected) in [
        ("", r#"{"tags":["1"]}"#, vec![record("1")]),
        (
            "content-type: application/json",
            r#"[{"tags":["1"]}, {"tags":["2"],"name":"r"}]"#,
            vec![record("1"), record("2")],
        ),
        (lines, "{\"tags\":[\"1\"]}\n\n{\"tags\":[\"2\"]}", vec![record("1"), record("2")]),
        ("", "[]", vec![]),
        ("", "", vec![]),
        (lines, "\n", vec![]),
        ("content-type: application/protobuf", "\x10\x01", vec![json!({ "name": "r", "draft": true })]),
    ] {
        served.answer(RESPONSE, json!({ "count": 1 }));
        let headers = if headers.is_empty() { String::new() } else { format!("\r\n{headers}") };
        let answer = served.ask(&format!("{RECORDS}{headers}"), body).await;
        assert_eq!(answer.json()["count"], 1, "{body}");
        assert_eq!(served.whole_call().await, (expected, true), "{body}");
    }
    served.answer(RESPONSE, json!({}));
    served.ask("POST /v1/records/r/labels?draft=true HTTP/1.1", r#"[{"sizes":[1]}]"#).await;
    assert_eq!(
        served.whole_call().await.0,
        [json!({ "name": "r", "draft": true, "label": { "sizes": [1] } })]
    );
    served.answer(RESPONSE, json!({}));
    served.ask("GET /v1/records/r?draft=true HTTP/1.1", "").await;
    assert_eq!(served.whole_call().await, (vec![json!({ "name": "r", "draft": true })], true));
    served.answer(RESPONSE, json!({}));
    served.ask("POST /files.v1.Files/Record HTTP/1.1", r#"[{"name":"x"},{"name":"y"}]"#).await;
    assert_eq!(served.whole_call().await.0, [json!({ "name": "x" }), json!({ "name": "y" })]);
}

#[tokio::test]
async fn json_goes_on_message_by_message() {
    let mut served = Served::start_with(|config| config.limits.body_bytes = 1000).await;
    let mut client = begin(&served, RECORDS).await;
    client.chunk(r#"[{"tags":["first"]},{"ta"#).await;
    assert_eq!(served.message().await["tags"], json!(["first"]));
    client.chunk(r#"gs":["second"]}"#).await;
    client.chunk("]").await;
    assert_eq!(served.message().await["tags"], json!(["second"]));
    served.answer(RESPONSE, json!({ "count": 2 }));
    client.chunk("").await;
    assert_eq!(client.answer().await.json()["count"], 2);
    assert!(served.whole_call().await.1);

    // All of it may be larger than one message.
    let many = format!("[{}]", vec![r#"{"tags":["x"]}"#; 500].join(","));
    served.answer(RESPONSE, json!({}));
    assert_eq!(served.ask(RECORDS, &many).await.status, 200);
    assert_eq!(served.whole_call().await.0.len(), 500);
}

#[tokio::test]
async fn a_bad_message_ends_the_call_and_is_named() {
    let mut served = Served::start_with(|config| config.limits.body_bytes = 1000).await;
    let large = format!(r#"[{{}},{{"tags":["{}"]}}]"#, "x".repeat(1000));
    for (body, problem, words) in [
        (r#"[{},{"nope":1}]"#, "400 FIELD_INVALID", "in message 2"),
        (r#"[{"name":"other"}]"#, "400 FIELD_INVALID", "set by the path"),
        (r#"[{},{"name":"other"}]"#, "400 FIELD_INVALID", "set by the path"),
        ("[{},]", "400 JSON_INVALID", "empty place"),
        ("[{}", "400 JSON_INVALID", "ends within"),
        ("[{},{'a'}]", "400 JSON_INVALID", "in message 2"),
        (&large, "413 BODY_TOO_LARGE", "1000 bytes"),
    ] {
        let answer = served.ask(RECORDS, body).await;
        assert_eq!(answer.problem(), problem, "{body}");
        assert!(answer.text().contains(words), "{body}: {}", answer.text());
        assert!(!served.whole_call().await.1, "{body}: the call ended well");
    }
}

#[tokio::test]
async fn what_streams_both_ways_is_not_for_rest() {
    let mut served = Served::start().await;
    for path in ["/v1/talk", "/files.v1.Files/Talk"] {
        let answer = served.ask(&format!("POST {path} HTTP/1.1"), "{}").await;
        assert_eq!(answer.problem(), "501 BIDI_STREAMING");
    }
    served.saw_nothing();
    let answer = served.ask(&format!("{RECORDS}\r\naccept: image/png"), "{}").await;
    assert_eq!(answer.problem(), "406 NOT_ACCEPTABLE");
    served.saw_nothing();
}
