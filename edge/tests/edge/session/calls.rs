//! Calls of all four kinds over one WebSocket.

use futures_util::{SinkExt, StreamExt};
use lastmile_proto::edge::v1 as wire;
use prost::Message as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, dial, dial_narrowly};
use crate::backend::{Act, Backend, answer, event, failure, position};
use crate::rpc::cafe::{Word, word};
use crate::rpc::stack::Stack;
use crate::site::Site;

fn notes() -> Backend {
    Backend::new(|method, request| match method {
        "Notes/GetNote" if request["name"] == "none" => vec![failure(tonic::Code::NotFound, "NOTE_GONE")],
        "Notes/GetNote" => answer("Note", json!({ "name": request["name"], "text": "hi" })),
        _ => vec![position(1), event(2), event(3), Act::Hang],
    })
}

#[tokio::test]
async fn unary_calls_are_answered_or_fail_and_one_follows_the_other() {
    let site = Site::start(json!({}), &notes()).await;
    let mut client = Client::begin(site.address, json!({})).await;
    assert_eq!(client.ready["heartbeatMs"], 15_000);
    assert_eq!(client.ready["resumeMs"], 30_000);
    let note = client.call("shop.v1.Notes/GetNote", json!({ "name": "n" })).await;
    assert_eq!(note, Ok(json!({ "name": "n", "text": "hi", "etag": "" })));
    let end = client.call("shop.v1.Notes/GetNote", json!({ "name": "none" })).await.unwrap_err();
    assert_eq!((&end["status"], &end["details"][0]["reason"]), (&json!(5), &json!("NOTE_GONE")), "{end}");
    let end = client.call("shop.v1.Notes/GetNote", json!({ "nome": 1 })).await.unwrap_err();
    assert_eq!((&end["status"], &end["details"][0]["reason"]), (&json!(3), &json!("FIELD_INVALID")), "{end}");
    let end = client.call("shop.v1.Notes/Nothing", json!({})).await.unwrap_err();
    assert_eq!(
        (&end["status"], &end["details"][0]["reason"]),
        (&json!(12), &json!("METHOD_UNKNOWN")),
        "{end}"
    );
    client.say(json!({ "ping": {} })).await;
    while client.read().await.expect("a frame").get("pong").is_none() {}
}

#[tokio::test]
async fn a_call_may_have_headers_of_its_own_and_no_others_have_them() {
    let backend = notes();
    let site = Site::start(json!({}), &backend).await;
    let headers = [("idempotency-key", "of-the-connection"), ("accept-language", "de")];
    let mut client = Client::new(site.address, dial(site.address, &headers).await);
    client.say(json!({ "hello": {} })).await;
    client.be_ready().await;
    let own = json!({ "idempotency-key": "of-the-call", "Accept-Language": "fr" });
    for headers in [own, json!({})] {
        let request = json!({ "json": { "name": "n" }, "headers": headers });
        client.open("shop.v1.Notes/GetNote", request).await;
        assert_eq!(client.hear().await["message"]["json"]["name"], "n");
        client.hear().await;
    }
    let heads = backend.heads();
    let had = |number: usize, name: &str| heads[number].get(name).map(|value| value.to_str().expect("text"));
    assert_eq!((had(0, "idempotency-key"), had(0, "accept-language")), (Some("of-the-call"), Some("fr")));
    assert_eq!((had(1, "idempotency-key"), had(1, "accept-language")), (None, Some("de")));
    for (headers, words) in [
        (json!({ "x-internal-user": "admin" }), "x-internal-user"),
        (json!({ "authorization": "Bearer of-somebody" }), "authorization"),
        (json!({ "idempotency-key": "two\nlines" }), "idempotency-key"),
        // As much as a whole head by HTTP may have.
        (json!({ "idempotency-key": "x".repeat(16 * 1024) }), "16384 are taken"),
    ] {
        client.open("shop.v1.Notes/GetNote", json!({ "json": {}, "headers": headers })).await;
        let end = client.hear().await["end"].clone();
        assert_eq!((&end["status"], &end["details"][0]["reason"]), (&json!(3), &json!("FIELD_INVALID")));
        assert!(end.to_string().contains(words), "{end}");
    }
    assert_eq!(backend.calls().len(), 2, "what is refused makes no call");
    client.say(json!({ "open": { "call": 9, "headers": { "a": 1 } } })).await;
    let (reason, code) = client.closed().await;
    assert!(code == 4400 && reason.contains("`headers` must be a string"), "{code} {reason}");
}

#[tokio::test]
async fn a_stream_says_what_became_of_its_cursor_and_stops_without_credit() {
    let backend = Backend::new(|_, request| match request["after"].as_str() {
        Some("2") => vec![position(2), event(3), event(4), event(5), Act::Hang],
        _ => vec![position(0), event(1), event(2), event(3), Act::End],
    });
    let site = Site::start(json!({}), &backend).await;
    let mut client = Client::begin(site.address, json!({})).await;
    let call = client.open("shop.v1.Streams/Watch", json!({ "json": { "topic": "a" }, "credit": 2 })).await;
    let opened = client.hear().await["opened"].clone();
    assert_eq!((&opened["call"], &opened["outcome"]), (&json!(call), &json!("OUTCOME_FRESH")), "{opened}");
    assert!(opened["cursor"].as_str().expect("a cursor").starts_with("lm1."));
    let mut cursor = Value::Null;
    for number in 1..=2 {
        let message = client.hear().await["message"].clone();
        assert_eq!((&message["call"], &message["event"]), (&json!(call), &json!("tick")), "{message}");
        assert_eq!(message["json"]["number"], number);
        cursor = message["cursor"].clone();
    }
    // What comes next is not the third event: there is no credit for it.
    client.say(json!({ "ping": {} })).await;
    assert!(client.read().await.expect("a frame").get("pong").is_some());
    client.say(json!({ "credit": { "call": call, "messages": 5 } })).await;
    assert_eq!(client.hear().await["message"]["json"]["number"], 3);
    assert_eq!(client.hear().await, json!({ "end": { "call": call } }));

    let open = json!({ "json": { "topic": "a" }, "credit": 9, "cursor": cursor });
    let call = client.open("shop.v1.Streams/Watch", open).await;
    let opened = client.hear().await;
    assert_eq!(opened["opened"]["outcome"], "OUTCOME_RESUMED", "{opened}");
    for number in 3..=5 {
        assert_eq!(client.hear().await["message"]["json"]["number"], number);
    }
    client.say(json!({ "cancel": { "call": call } })).await;
    assert_eq!(client.hear().await["end"]["status"], 1);
    backend.closed().await;
}

#[tokio::test]
async fn both_ways_each_message_is_answered_and_credit_comes_back() {
    let stack = Stack::start().await;
    let mut client = Client::begin(stack.edge, json!({})).await;
    let call = client.open("cafe.v1.Cafe/Chat", json!({ "credit": 1000 })).await;
    assert_eq!(client.hear().await["opened"]["call"], call);
    let mut credit = client.hear().await["credit"]["messages"].as_u64().expect("credit");
    let (mut sent, mut heard) = (0, 0);
    while heard < 100 {
        while credit > 0 && sent < 100 {
            sent += 1;
            credit -= 1;
            client.say(json!({ "send": { "call": call, "json": { "text": "hey", "number": sent } } })).await;
        }
        let frame = client.hear().await;
        credit += frame["credit"]["messages"].as_u64().unwrap_or_default();
        if frame.get("message").is_some() {
            heard += 1;
            assert_eq!(frame["message"]["json"], json!({ "text": "hey", "number": heard.to_string() }));
            client.ack().await;
        }
    }
    client.say(json!({ "halfClose": { "call": call } })).await;
    let mut end = client.hear().await;
    while end.get("credit").is_some() {
        end = client.hear().await;
    }
    assert_eq!(end, json!({ "end": { "call": call } }));
    stack.cafe.open(0).await;
}

#[tokio::test]
async fn a_client_stream_has_one_answer() {
    let stack = Stack::start().await;
    let mut client = Client::begin(stack.edge, json!({})).await;
    let call = client.open("cafe.v1.Cafe/Gather", json!({ "json": { "text": "a", "number": 1 } })).await;
    assert_eq!(client.hear().await["opened"]["call"], call);
    assert_eq!(client.hear().await["credit"], json!({ "call": call, "messages": 8 }));
    client.say(json!({ "send": { "call": call, "json": { "text": "b", "number": 2 } } })).await;
    client.say(json!({ "halfClose": { "call": call } })).await;
    assert_eq!(client.hear().await["message"]["json"], json!({ "text": "ab", "number": "3" }));
    let end = client.hear().await["end"].clone();
    assert_eq!((&end["call"], &end["status"]), (&json!(call), &Value::Null), "{end}");
    assert_eq!(end["trailers"]["x-initial"], "first", "{end}");
}

#[tokio::test]
async fn frames_may_be_protobuf_and_each_call_has_an_encoding_of_its_own() {
    let stack = Stack::start().await;
    let mut socket = dial(stack.edge, &[("sec-websocket-protocol", "lastmile.v1.proto")]).await;
    let mut say = async |frame: wire::client_frame::Frame| {
        let frame = wire::ClientFrame { frame: Some(frame) };
        socket.send(Message::binary(frame.encode_to_vec())).await.expect("a connection");
    };
    use wire::client_frame::Frame;
    say(Frame::Hello(wire::Hello::default())).await;
    let say_tea = |call, encoding: wire::Encoding| {
        let payload = Some(wire::open::Payload::Proto(word("tea", 7).encode_to_vec()));
        let method = "cafe.v1.Cafe/Say".to_owned();
        Frame::Open(wire::Open { call, method, payload, encoding: encoding.into(), ..wire::Open::default() })
    };
    say(say_tea(1, wire::Encoding::Unspecified)).await;
    say(say_tea(2, wire::Encoding::Json)).await;
    let mut answers = std::collections::BTreeMap::new();
    while answers.len() < 2 {
        let Some(Ok(Message::Binary(bytes))) = socket.next().await else { panic!("no binary frame") };
        let frame = wire::ServerFrame::decode(bytes).expect("a frame").frame.expect("a known frame");
        if let wire::server_frame::Frame::Message(message) = frame {
            let Some(wire::message::Target::Call(call)) = message.target else { panic!("no call") };
            answers.insert(call, message.payload.expect("a payload"));
        }
    }
    let wire::message::Payload::Proto(proto) = &answers[&1] else { panic!("{answers:?}") };
    assert_eq!(Word::decode(proto.as_slice()), Ok(word("tea", 7)));
    let wire::message::Payload::Json(json) = &answers[&2] else { panic!("{answers:?}") };
    let Some(prost_types::value::Kind::StructValue(fields)) = &json.kind else { panic!("{json:?}") };
    let text = prost_types::Value { kind: Some(prost_types::value::Kind::StringValue("tea".into())) };
    assert_eq!(fields.fields["text"], text);
}

#[tokio::test]
async fn who_stops_reading_for_a_while_gets_the_rest_at_once() {
    const EVENTS: u32 = 20_000;
    let backend = Backend::new(|_, _| {
        let events = (1..=EVENTS).map(event);
        std::iter::once(position(0)).chain(events).chain([Act::Hang]).collect()
    });
    // No heartbeat that would help.
    let site = Site::start(json!({ "sessions": { "heartbeat": "1h" } }), &backend).await;
    let mut client = Client::new(site.address, dial_narrowly(site.address).await);
    client.say(json!({ "hello": {} })).await;
    client.be_ready().await;
    client.open("shop.v1.Streams/Watch", json!({ "json": { "topic": "a" }, "credit": u32::MAX })).await;
    client.hear().await;
    let mut seen = 0;
    while seen < EVENTS {
        if seen % (EVENTS / 10) == 0 {
            // Long enough for all buffers on the way to fill.
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        let message = client.hear().await["message"].clone();
        if let Some(number) = message["json"]["number"].as_u64() {
            seen += 1;
            assert_eq!(number, u64::from(seen));
        }
    }
}

#[tokio::test]
async fn many_sessions_read_one_stream_and_get_the_same_bytes() {
    let (tell, told) = tokio::sync::watch::channel(false);
    let backend =
        Backend::new(move |_, _| vec![position(1), Act::When(told.clone()), event(2), event(3), Act::Hang]);
    let site = Site::start(json!({}), &backend).await;
    let mut clients = Vec::new();
    let mut channels = Vec::new();
    for _ in 0..5 {
        let mut client = Client::begin(site.address, json!({})).await;
        client.open("shop.v1.Streams/Listen", json!({ "json": { "topic": "a" }, "credit": 9 })).await;
        channels.push(client.hear().await["opened"]["channel"].as_u64().expect("a channel"));
        clients.push(client);
    }
    // A second reader in the same session has bytes of its own: the channel stands for the first.
    let call =
        clients[0].open("shop.v1.Streams/Listen", json!({ "json": { "topic": "a" }, "credit": 9 })).await;
    assert_eq!(clients[0].hear().await["opened"]["channel"], Value::Null);
    assert!(channels.iter().all(|channel| *channel == channels[0]), "{channels:?}");
    assert_eq!(backend.calls().len(), 1, "one upstream stream for all");
    tell.send(true).expect("a backend");
    for client in &mut clients[1..] {
        for number in 2..=3 {
            let frame = client.read().await.expect("a frame");
            assert_eq!(frame["message"]["channel"], channels[0], "{frame}");
            assert_eq!(frame["message"]["json"]["number"], number);
        }
    }
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let frame = clients[0].hear().await["message"].clone();
        seen.push((
            frame["call"].as_u64().expect("a call"),
            frame["json"]["number"].as_u64().expect("a number"),
        ));
    }
    let of = |which| seen.iter().filter(|(call, _)| *call == which).map(|(_, n)| *n).collect::<Vec<_>>();
    assert_eq!((of(1), of(call)), (vec![2, 3], vec![2, 3]));
}

#[tokio::test]
async fn calls_continue_the_trace_of_the_page() {
    let backend = notes();
    let site = Site::start(json!({}), &backend).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let hello = json!({ "traceparent": format!("00-{trace}-b7ad6b7169203331-01") });
    let mut client = Client::begin(site.address, hello).await;
    assert!(client.call("shop.v1.Notes/GetNote", json!({ "name": "n" })).await.is_ok());
    assert!(client.call("shop.v1.Notes/GetNote", json!({ "name": "n" })).await.is_ok());
    let parents: Vec<_> = backend.heads().iter().map(|head| head["traceparent"].clone()).collect();
    assert_eq!(parents.len(), 2);
    for parent in &parents {
        assert!(parent.to_str().expect("text").starts_with(&format!("00-{trace}-")), "{parent:?}");
    }
    assert_ne!(parents[0], parents[1], "each call has a span of its own");
}
