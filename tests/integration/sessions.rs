//! Conversations over sessions: both directions exact, whatever becomes of the connection, with backends as they are.

use lastmile_tests::{App, Carrier, CuttingProxy, ForeignBackend, Language, Session, both, soon};
use serde_json::{Value, json};

const SYNC: &str = "lastmile.v1.DocumentService/SyncDocument";
const TALLY: &str = "acme.stock.v1.StockService/TallyStock";

/// Messages that are sent in a conversation.
const MESSAGES: u64 = 60;
/// The connection is cut behind so many.
const CUT_EVERY: u64 = 7;

/// The next message, or the end, of the call; none where it was credit, which is added up.
async fn hear_some(session: &mut Session, credit: &mut u64) -> Option<Value> {
    let frame = session.hear().await;
    *credit += frame["credit"]["messages"].as_u64().unwrap_or_default();
    (frame.get("credit").or(frame.get("opened")).is_none()).then_some(frame)
}

/// The next message, or the end, of the call.
async fn hear(session: &mut Session, credit: &mut u64) -> Value {
    loop {
        if let Some(frame) = hear_some(session, credit).await {
            return frame;
        }
    }
}

/// The connection breaks where it is, and the session goes on by the other carrier.
async fn cut(session: &mut Session, proxy: &CuttingProxy, carrier: &mut Carrier) {
    proxy.cut();
    session.cut();
    *carrier = match carrier {
        Carrier::WebSocket => Carrier::EventStream,
        Carrier::EventStream => Carrier::WebSocket,
    };
    session.go_on(proxy.address(), *carrier).await;
}

fn commit(number: u64, version: u64) -> Value {
    let op = json!({ "opId": format!("op-{number}"), "path": format!("/members/{number}"), "set": number });
    json!({ "baseVersion": version, "ops": [op] })
}

#[tokio::test]
async fn a_document_is_changed_in_a_conversation_that_moves_from_carrier_to_carrier() {
    both(|app| async move {
        let alice = app.login("alice").await;
        let first = alice.post("/api/v1/documents/talk:commit", &commit(0, 0)).await;
        assert_eq!(first.status, 200, "{first:?}");
        let proxy = CuttingProxy::start(app.http()).await;
        let mut carrier = Carrier::WebSocket;
        let mut session = Session::begin(proxy.address(), carrier, Some(alice.token())).await;
        let watch = json!({ "watch": { "id": "talk", "cursor": first.json()["cursor"] } });
        let call = session.open(SYNC, json!({ "json": watch, "credit": 1000 })).await;
        let (mut sent, mut credit, mut committed, mut changed) = (0, 0, Vec::new(), Vec::new());
        while committed.len() < MESSAGES as usize || changed.len() < MESSAGES as usize {
            if sent < MESSAGES && credit > 0 {
                (sent, credit) = (sent + 1, credit - 1);
                let version = changed.last().copied().unwrap_or(1);
                let frame = json!({ "call": call, "json": { "commit": commit(sent, version) } });
                session.say(json!({ "send": frame })).await;
                if sent % CUT_EVERY == 0 {
                    // With commits on their way, and answers.
                    cut(&mut session, &proxy, &mut carrier).await;
                }
                continue;
            }
            let Some(frame) = hear_some(&mut session, &mut credit).await else { continue };
            let said = &frame["message"]["json"];
            if let Some(version) = said["committed"]["version"].as_u64() {
                committed.push(version);
            } else if let Some(version) = said["change"]["documentChanged"]["version"].as_u64() {
                assert!(committed.contains(&version), "the answer comes first: {frame}");
                assert_eq!(
                    said["change"]["documentChanged"]["ops"][0]["opId"],
                    format!("op-{}", version - 1)
                );
                changed.push(version);
            } else {
                assert_eq!(said["change"]["position"], true, "{frame}");
            }
        }
        let versions: Vec<u64> = (2..=MESSAGES + 1).collect();
        assert_eq!((&committed, &changed), (&versions, &versions), "each once, in order");

        // What somebody else changes is heard too; then it ends well.
        let bob = app.login("bob").await;
        let other = bob.post("/api/v1/documents/talk:commit", &commit(100, MESSAGES + 1)).await;
        assert_eq!(other.status, 200, "{other:?}");
        let change = hear(&mut session, &mut credit).await["message"]["json"]["change"].clone();
        assert_eq!(change["documentChanged"]["publisher"], "bob", "{change}");
        session.say(json!({ "halfClose": { "call": call } })).await;
        assert_eq!(hear(&mut session, &mut credit).await, json!({ "end": { "call": call } }));
        let document = alice.get("/api/v1/documents/talk").await.json()["document"].clone();
        let members = document["content"]["members"].as_object().map(serde_json::Map::len);
        assert_eq!((members, &document["version"]), (Some(MESSAGES as usize + 2), &json!(MESSAGES + 2)));
        versions
    })
    .await;
}

#[tokio::test]
async fn a_conflict_is_an_answer_and_any_other_error_ends_the_call() {
    let app = App::start(lastmile_tests::Topology::One).await;
    let alice = app.login("alice").await;
    assert_eq!(alice.post("/api/v1/documents/clash:commit", &commit(1, 0)).await.status, 200);
    assert_eq!(
        alice
            .post(
                "/api/v1/documents/clash:commit",
                &json!({
                    "baseVersion": 1, "ops": [{ "opId": "other", "path": "/members/1", "set": "other" }],
                })
            )
            .await
            .status,
        200
    );
    for carrier in [Carrier::WebSocket, Carrier::EventStream] {
        let mut session = Session::begin(app.http(), carrier, Some(alice.token())).await;
        let (mut credit, watch) = (0, json!({ "watch": { "id": "clash" } }));
        let call = session.open(SYNC, json!({ "json": watch, "credit": 1000 })).await;
        let send = |commit: Value| json!({ "send": { "call": call, "json": { "commit": commit } } });
        while credit == 0 {
            let frame = session.hear().await;
            credit += frame["credit"]["messages"].as_u64().unwrap_or_default();
        }
        let late = json!({ "opId": format!("late-{carrier:?}"), "path": "/members/1", "set": "mine" });
        session.say(send(json!({ "baseVersion": 1, "ops": [late] }))).await;
        let conflict = loop {
            let said = hear(&mut session, &mut credit).await["message"]["json"].clone();
            if said.get("conflict").is_some() {
                break said["conflict"].clone();
            }
        };
        assert_eq!(conflict["paths"][0]["current"], "other", "{conflict}");
        session
            .say(send(json!({ "baseVersion": 99, "ops": [{ "opId": "x", "path": "/x", "set": 1 }] })))
            .await;
        let mut end = hear(&mut session, &mut credit).await;
        while end.get("end").is_none() {
            end = hear(&mut session, &mut credit).await;
        }
        assert_eq!(end["end"]["status"], 3, "{end}");
        assert!(
            session.call("lastmile.v1.DocumentService/GetDocument", json!({ "id": "clash" })).await.is_ok()
        );
    }
}

#[tokio::test]
async fn a_foreign_backend_hears_and_says_each_message_once_over_cuts() {
    let backend = ForeignBackend::start(Language::Python).await.expect("Python is always there");
    let (http, _edge) = App::edge(backend.address(), &[]).await;
    let proxy = CuttingProxy::start(http).await;
    for (begins, stays) in [
        (Carrier::WebSocket, true),
        (Carrier::EventStream, true),
        (Carrier::WebSocket, false),
        (Carrier::EventStream, false),
    ] {
        let mut carrier = begins;
        let mut session = Session::begin(proxy.address(), carrier, None).await;
        let call = session.open(TALLY, json!({ "credit": 1000 })).await;
        let (mut sent, mut credit, mut heard, mut sum) = (0, 0, 0, 0);
        while heard < MESSAGES {
            if sent < MESSAGES && credit > 0 {
                (sent, credit) = (sent + 1, credit - 1);
                session.say(json!({ "send": { "call": call, "json": { "quantity": sent } } })).await;
                if sent % CUT_EVERY == 0 {
                    if stays {
                        proxy.cut();
                        session.cut();
                        session.go_on(proxy.address(), carrier).await;
                    } else {
                        cut(&mut session, &proxy, &mut carrier).await;
                    }
                }
                continue;
            }
            let Some(frame) = hear_some(&mut session, &mut credit).await else { continue };
            heard += 1;
            sum += heard;
            let expected = json!({ "counts": heard, "quantity": sum.to_string() });
            assert_eq!(frame["message"]["json"], expected, "{begins:?}, stays: {stays}");
            if heard % 11 == 0 {
                session.acknowledge().await;
            }
        }
        session.say(json!({ "halfClose": { "call": call } })).await;
        assert_eq!(hear(&mut session, &mut credit).await, json!({ "end": { "call": call } }));
        // Proto comes and goes as well: one conversation in each encoding.
        let call =
            session.open(TALLY, json!({ "proto": "CAU=", "encoding": "ENCODING_PROTO", "credit": 9 })).await;
        let frame = hear(&mut session, &mut credit).await;
        assert_eq!(frame["message"]["proto"], "CAEQBQ==", "{frame}");
        session.say(json!({ "cancel": { "call": call } })).await;
        assert_eq!(hear(&mut session, &mut credit).await["end"]["status"], 1);
    }
    let streams = "acme.stock.v1.StockService/CountStreams";
    let mut session = Session::begin(http, Carrier::WebSocket, None).await;
    // A cancelled call may reach the backend a moment later.
    let counts = soon("the end of all calls", async {
        loop {
            let counts = session.call(streams, json!({})).await.expect("an answer");
            if counts["ended"] == 8 {
                return counts;
            }
        }
    })
    .await;
    assert_eq!(counts["open"], 0, "one call for each conversation, however often it was cut");
}
