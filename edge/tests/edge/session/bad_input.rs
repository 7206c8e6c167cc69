//! What breaks the rules: each has its own close code or end status, and no other session notices.

use std::net::SocketAddr;
use std::time::Duration;

use lastmile_edge::config::EdgeConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, dial, try_dial};
use crate::backend::{Act, Backend, answer, position};
use crate::issuer::Issuer;
use crate::rpc::stack::{BODY_LIMIT, Stack};
use crate::site::{Site, read_until};

/// A WebSocket that says whatever bytes it is given.
struct Raw(TcpStream);

impl Raw {
    /// `from` is the client's address, which the edge believes.
    async fn open(address: SocketAddr, from: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let head = format!("x-forwarded-for: {from}\r\n")
            + "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    sec-websocket-protocol: lastmile.v1.json\r\n\r\n";
        let line = "GET /ws HTTP/1.1\r\nhost: edge.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n";
        stream.write_all((line.to_owned() + &head).as_bytes()).await.expect("a request sent");
        read_until(&mut stream, "\r\n\r\n").await;
        Self(stream)
    }

    /// The code with which the WebSocket is closed.
    async fn code(mut self) -> u16 {
        let mut all = Vec::new();
        let read = timeout(Duration::from_secs(20), self.0.read_to_end(&mut all)).await;
        assert!(read.is_ok(), "it was not closed: {:?}", all.escape_ascii().to_string());
        let mut rest = all.as_slice();
        while let [first, length, behind @ ..] = rest {
            let (length, behind) = match length {
                126 => (usize::from(u16::from_be_bytes([behind[0], behind[1]])), &behind[2..]),
                length => (usize::from(*length), behind),
            };
            if *first == 0x88 {
                return u16::from_be_bytes([behind[0], behind[1]]);
            }
            rest = &behind[length..];
        }
        panic!("no close in {:?}", all.escape_ascii().to_string());
    }
}

/// Takes the word of this machine for who its clients are.
fn believing(config: &mut EdgeConfig) {
    config.limits.trusted_proxies = vec![[127, 0, 0, 1].into()];
}

/// A frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        length @ ..=125 => vec![0x80 | length as u8],
        length => [&[0x80 | 126][..], &(length as u16).to_be_bytes()].concat(),
    };
    [&[first][..], &length, &[0; 4], payload].concat()
}

#[tokio::test]
async fn what_is_no_websocket_is_closed_with_the_codes_of_the_rfc() {
    let stack = Stack::start_with(believing).await;
    let mut other = Client::begin(stack.edge, json!({})).await;
    let mut clients = (1..).map(|number| format!("192.0.2.{number}"));
    let hello = frame(0x81, br#"{"hello":{}}"#);
    for (bytes, expected) in [
        (frame(0x81, &[b'{', 0xff]), 1007),
        (frame(0x83, b""), 1002),
        (frame(0xc1, b"{}"), 1002),
        (vec![0x81, 2, b'{', b'}'], 1002),
        (frame(0x80, b"x"), 1002),
        (frame(0x09, b""), 1002),
        (frame(0x88, &[0x03, 0xed]), 1002),
        ([&[0x81, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat(), 1009),
        ([&frame(0x01, &vec![b' '; BODY_LIMIT])[..], &frame(0x00, &[b' '; 20_000])].concat(), 1009),
        (frame(0x89, b"").repeat(3000), 1002),
        (frame(0x8a, b"").repeat(3000), 1002),
        (frame(0x8b, b""), 1002),
        (frame(0x89, &[0; 126]), 1002),
        (frame(0x88, &[0x03]), 1002),
        (frame(0x88, &[0x03, 0xe8, 0xff]), 1007),
        ([&frame(0x01, &[0xc3])[..], &frame(0x80, b"(")].concat(), 1007),
        ([&frame(0x01, b" ")[..], &frame(0x00, b"").repeat(3000)].concat(), 1002),
        (frame(0x82, b"x"), 4400),
    ] {
        for before in [&[][..], &hello] {
            let from = clients.next().expect("one more");
            let mut raw = Raw::open(stack.edge, &from).await;
            raw.0.write_all(&[before, &bytes].concat()).await.expect("a connection that takes it");
            let shown = bytes[..bytes.len().min(12)].escape_ascii().to_string();
            assert_eq!(raw.code().await, expected, "{shown} behind {} bytes", before.len());
            let good = other.call("cafe.v1.Cafe/Say", json!({ "text": "still here" })).await;
            assert_eq!(good.expect("an answer")["text"], "still here");
        }
    }
}

#[tokio::test]
async fn frames_that_break_the_rules_close_the_connection_and_the_session_is_parked() {
    let stack = Stack::start_with(believing).await;
    let mut other = Client::begin_from(stack.edge, "192.0.2.200").await;
    let talk = other.open("cafe.v1.Cafe/Chat", json!({ "credit": 1000 })).await;
    for (number, (frames, words)) in [
        (vec![json!({ "hello": {} })], "first frame"),
        (vec![json!({ "nonsense": {} })], "no frame `nonsense`"),
        (vec![json!({ "open": { "call": 1, "methode": "x" } })], "no field `methode`"),
        (vec![json!({ "open": { "call": "x" } })], "whole number"),
        (vec![json!({ "open": { "call": 0, "method": "cafe.v1.Cafe/Chat" } })], "from 1"),
        (
            vec![
                json!({ "open": { "call": 5, "method": "cafe.v1.Cafe/Chat" } }),
                json!({ "open": { "call": 5, "method": "cafe.v1.Cafe/Chat" } }),
            ],
            "opened already",
        ),
        (
            vec![
                json!({ "open": { "call": 5, "method": "cafe.v1.Cafe/Chat" } }),
                json!({ "open": { "call": 4, "method": "cafe.v1.Cafe/Chat" } }),
            ],
            "numbers ascend",
        ),
        (vec![json!({ "send": { "call": 3 } })], "never opened"),
        (vec![json!({ "halfClose": { "call": 3 } })], "never opened"),
        (vec![json!({ "cancel": { "call": 3 } })], "never opened"),
        (vec![json!({ "credit": { "call": 3, "messages": 1 } })], "never opened"),
        (vec![json!({ "ack": { "received": 7 } })], "not sent yet"),
    ]
    .into_iter()
    .enumerate()
    {
        let from = format!("192.0.2.{number}");
        let mut client = Client::begin_from(stack.edge, &from).await;
        for frame in &frames {
            client.say(frame.clone()).await;
        }
        let (reason, code) = client.closed().await;
        assert_eq!(code, 4400, "{frames:?}");
        assert!(reason.contains(words), "{reason}");
        let mut again = Client::new(stack.edge, dial(stack.edge, &[("x-forwarded-for", &from)]).await);
        again.say(json!({ "hello": { "session": client.session, "received": client.received } })).await;
        let ready = again.read().await.expect("an answer");
        assert_eq!(ready["ready"]["session"], json!(client.session), "{ready}");
        // A conversation of somebody else goes on where it was.
        let number = number + 1;
        other.say(json!({ "send": { "call": talk, "json": { "number": number } } })).await;
        let mut heard = other.hear().await;
        while heard.get("message").is_none() {
            heard = other.hear().await;
        }
        assert_eq!(heard["message"]["json"]["number"], number.to_string(), "{heard}");
    }
}

#[tokio::test]
async fn binary_frames_that_break_the_rules_close_the_connection() {
    let stack = Stack::start_with(believing).await;
    let mut other = Client::begin_from(stack.edge, "192.0.2.200").await;
    for (number, (bytes, words)) in [
        (&b"\xff\xff\xff"[..], "no ClientFrame"),
        // A frame without anything in it, and one of a kind that nobody knows.
        (b"", "says nothing"),
        (b"\x7a\x00", "says nothing"),
        // `open` whose method is no UTF-8, and one of call 0.
        (b"\x12\x04\x08\x01\x12\x7f", "no ClientFrame"),
        (b"\x12\x05\x08\x01\x12\x01\xff", "no ClientFrame"),
        (b"\x12\x00", "from 1"),
        // An encoding that there is not.
        (b"\x12\x04\x08\x01\x38\x09", "encoding"),
    ]
    .into_iter()
    .enumerate()
    {
        let from = format!("192.0.2.{number}");
        let headers = [("sec-websocket-protocol", "lastmile.v1.proto"), ("x-forwarded-for", from.as_str())];
        let mut client = Client::new(stack.edge, dial(stack.edge, &headers).await);
        // `hello`, with nothing to say.
        client.write(Message::binary(b"\x0a\x00".to_vec())).await;
        client.write(Message::binary(bytes.to_vec())).await;
        let (goaway, code) = client.closed_in_binary().await;
        assert_eq!(code, 4400, "{}", bytes.escape_ascii());
        assert!(goaway.contains(words), "{}: {goaway}", bytes.escape_ascii());
        let good = other.call("cafe.v1.Cafe/Say", json!({ "text": "still here" })).await;
        assert_eq!(good.expect("an answer")["text"], "still here");
    }
}

#[tokio::test]
async fn who_fails_again_and_again_is_sent_to_the_fallback_and_the_others_are_not() {
    let stack = Stack::start_with(believing).await;
    for from in ["192.0.2.7", "192.0.2.8"] {
        for _ in 0..5 {
            let mut raw = Raw::open(stack.edge, from).await;
            raw.0.write_all(&[0xff; 8]).await.expect("a connection that takes it");
            assert_eq!(raw.code().await, 1002);
        }
        let mut client = Client::new(stack.edge, dial(stack.edge, &[("x-forwarded-for", from)]).await);
        client.say(json!({ "hello": {} })).await;
        let goaway = client.read().await.expect("a frame")["goaway"].clone();
        assert_eq!((&goaway["fallback"], &goaway["reason"]), (&json!("sse"), &json!("session_overload")));
        assert!((55_000..=60_000).contains(&goaway["reconnectMs"].as_u64().expect("a time")), "{goaway}");
        assert_eq!(client.closed().await.1, 4429);
    }
    Client::begin_from(stack.edge, "192.0.2.9").await;
}

#[tokio::test]
async fn what_breaks_a_call_ends_that_call() {
    let stack = Stack::start().await;
    let mut client = Client::begin(stack.edge, json!({})).await;
    let chat = json!({ "credit": 1 });
    let send = |call: u64| json!({ "send": { "call": call, "json": {} } });
    let credit = |call: u64| json!({ "credit": { "call": call, "messages": u32::MAX } });
    type Frames = fn(u64) -> Vec<Value>;
    let cases: [(&str, Value, Frames, u64, &str); 6] = [
        (
            "Say",
            json!({ "json": { "text": "hang" } }),
            |call| vec![json!({ "send": { "call": call } })],
            3,
            "SEND_UNEXPECTED",
        ),
        (
            "Chat",
            chat.clone(),
            |call| vec![json!({ "halfClose": { "call": call } }), json!({ "send": { "call": call } })],
            3,
            "SEND_UNEXPECTED",
        ),
        (
            "Tell",
            json!({ "json": { "text": "hang" } }),
            |call| vec![json!({ "halfClose": { "call": call } })],
            3,
            "SEND_UNEXPECTED",
        ),
        (
            "Chat",
            chat.clone(),
            |call| vec![json!({ "credit": { "call": call, "messages": u32::MAX } })],
            3,
            "CREDIT_OVERFLOW",
        ),
        (
            "Chat",
            chat.clone(),
            |call| vec![json!({ "send": { "call": call, "json": { "txet": 1 } } })],
            3,
            "FIELD_INVALID",
        ),
        (
            "Chat",
            chat.clone(),
            |call| {
                vec![
                    json!({ "send": { "call": call, "proto": "CgF/" } }),
                    json!({ "send": { "call": call, "proto": "Cv8=" } }),
                ]
            },
            3,
            "PROTOBUF_INVALID",
        ),
    ];
    for (method, open, frames, status, reason) in cases {
        let call = client.open(&format!("cafe.v1.Cafe/{method}"), open).await;
        for frame in frames(call) {
            client.say(frame).await;
        }
        let mut end = client.hear().await;
        while end["end"]["call"] != call {
            end = client.hear().await;
        }
        let end = &end["end"];
        assert_eq!((&end["status"], &end["details"][0]["reason"]), (&json!(status), &json!(reason)), "{end}");
    }
    // Nobody reads them, so no credit comes back.
    let call = client.open("cafe.v1.Cafe/Gather", json!({ "json": { "text": "deaf" } })).await;
    assert_eq!(client.hear().await["opened"]["call"], call);
    for _ in 0..400 {
        client.say(send(call)).await;
    }
    let mut end = client.hear().await;
    while end.get("end").is_none() {
        end = client.hear().await;
    }
    let end = &end["end"];
    assert_eq!(
        (&end["status"], &end["details"][0]["reason"]),
        (&json!(8), &json!("CREDIT_EXCEEDED")),
        "{end}"
    );
    client.say(credit(call)).await;
    let good = client.call("cafe.v1.Cafe/Say", json!({ "text": "still here" })).await;
    assert_eq!(good.expect("an answer")["text"], "still here");
    stack.cafe.open(0).await;
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused_by_http() {
    let site = Site::start(json!({}), &Backend::new(|_, _| vec![])).await;
    let address = site.address;
    let plain = site.get("/ws", &[]).await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, "websocket".into()));
    assert_eq!(plain.json()["reason"], "UPGRADE_REQUIRED");
    assert_eq!(try_dial(address, &[("origin", "https://evil.test")]).await.err(), Some(403));
    assert_eq!(try_dial(address, &[("sec-websocket-protocol", "chat")]).await.err(), Some(400));
    let own = format!("http://{address}");
    assert!(try_dial(address, &[("origin", &own)]).await.is_ok());
}

#[tokio::test]
async fn bad_credentials_never_become_nobody() {
    let issuer = Issuer::new();
    let site =
        issuer.site(json!({ "limits": { "head_timeout": "300ms" } }), &Backend::new(|_, _| vec![])).await;
    let refused = async |headers: &[(&str, &str)], hello: Value| {
        let mut client = Client::new(site.address, dial(site.address, headers).await);
        client.say(json!({ "hello": hello })).await;
        client.closed().await
    };
    let expired = issuer.token_until("alice", "a", -60);
    let cookie = format!("lm_access={expired}");
    for (headers, hello, reason) in [
        (vec![], json!({ "token": "nonsense" }), "TOKEN_INVALID"),
        (vec![], json!({ "token": expired }), "TOKEN_EXPIRED"),
        (vec![("cookie", cookie.as_str())], json!({}), "TOKEN_EXPIRED"),
        (vec![("authorization", "Bearer nonsense")], json!({}), "TOKEN_INVALID"),
        (vec![], json!({ "ticket": "lmt1.nonsense" }), "TICKET_INVALID"),
        (vec![], json!({ "ticket": "lmm1.nonsense" }), "TICKET_SPENT"),
    ] {
        assert_eq!(refused(&headers, hello.clone()).await, (reason.into(), 4401), "{hello}");
    }
    let mut both = Client::new(site.address, dial(site.address, &[]).await);
    both.say(json!({ "hello": { "token": "a", "ticket": "b" } })).await;
    assert_eq!(both.closed().await.1, 4400);
    let mut early = Client::new(site.address, dial(site.address, &[]).await);
    early.say(json!({ "ping": {} })).await;
    assert_eq!(early.closed().await.1, 4400);
    let mut silent = Client::new(site.address, dial(site.address, &[]).await);
    assert_eq!(silent.closed().await, ("session_silent".into(), 4408));
}

#[tokio::test]
async fn a_method_that_needs_more_rights_refuses_the_call_alone() {
    let issuer = Issuer::new();
    let backend = Backend::new(|method, _| match method {
        "Notes/DeleteNote" => vec![crate::backend::failure(tonic::Code::PermissionDenied, "NOT_YOURS")],
        "Streams/Tick" => vec![position(1), Act::Hang],
        _ => answer("Note", json!({ "name": "n" })),
    });
    let site = issuer.site(json!({}), &backend).await;
    let reason = |end: Value| end["details"][0]["reason"].clone();
    let mut nobody = Client::begin(site.address, json!({})).await;
    assert!(nobody.call("shop.v1.Notes/GetNote", json!({})).await.is_ok(), "it is public");
    let end = nobody.call("shop.v1.Notes/CreateNote", json!({})).await.unwrap_err();
    assert_eq!((end["status"].clone(), reason(end)), (json!(16), json!("TOKEN_MISSING")));
    let mut alice = Client::begin(site.address, json!({ "token": issuer.token("alice", "a") })).await;
    assert!(alice.call("shop.v1.Notes/CreateNote", json!({})).await.is_ok());
    let end = alice.call("shop.v1.Notes/DeleteNote", json!({})).await.unwrap_err();
    assert_eq!((end["status"].clone(), reason(end)), (json!(7), json!("NOT_YOURS")));
    assert!(alice.call("shop.v1.Notes/CreateNote", json!({})).await.is_ok());
    let sent = backend.heads().last().expect("a call")["authorization"].to_str().expect("text").to_owned();
    assert!(sent.starts_with("Bearer "), "{sent}");
}

#[tokio::test]
async fn too_many_calls_and_sessions_are_refused_and_the_others_go_on() {
    let issuer = Issuer::new();
    let settings = json!({ "sessions": { "calls": 2, "per_caller": 1 } });
    let site = issuer.site(settings, &Backend::new(|_, _| vec![Act::Hang])).await;
    let token = issuer.token("alice", "a");
    let mut client = Client::begin(site.address, json!({ "token": token })).await;
    for _ in 0..2 {
        client.open("shop.v1.Notes/GetNote", json!({})).await;
    }
    let end = client.call("shop.v1.Notes/GetNote", json!({})).await.unwrap_err();
    assert_eq!((&end["status"], &end["details"][0]["reason"]), (&json!(8), &json!("CALLS_EXHAUSTED")));
    let mut second = Client::new(site.address, dial(site.address, &[]).await);
    second.say(json!({ "hello": { "token": token } })).await;
    assert_eq!(second.closed().await, ("SESSIONS_EXHAUSTED".into(), 4429));
    client.say(json!({ "cancel": { "call": 1 } })).await;
    assert_eq!(client.hear().await["end"]["status"], 1);
    client.write(Message::text(json!({ "ping": {} }).to_string())).await;
    while client.read().await.expect("a frame").get("pong").is_none() {}
}
