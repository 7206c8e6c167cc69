//! Sessions that outlive their connections: nothing is lost, nothing comes twice, and only their own caller finds them.

use serde_json::{Value, json};

use super::client::{Client, dial};
use crate::backend::{Act, Backend, answer, event, position};
use crate::issuer::Issuer;
use crate::rpc::stack::Stack;
use crate::site::Site;

#[tokio::test]
async fn a_conversation_goes_on_over_cuts_and_each_message_arrives_once() {
    let stack = Stack::start().await;
    let mut client = Client::begin(stack.edge, json!({})).await;
    let call = client.open("cafe.v1.Cafe/Chat", json!({ "credit": 1_000_000 })).await;
    let (mut sent, mut heard, mut credit) = (0, 0, 0);
    while heard < 300 {
        while credit > 0 && sent < 300 {
            sent += 1;
            credit -= 1;
            client.say(json!({ "send": { "call": call, "json": { "number": sent } } })).await;
            if sent % 17 == 0 {
                // In the middle of everything, whatever is on its way in either direction.
                client.cut();
                client.resume(json!({})).await;
            }
        }
        let frame = client.hear().await;
        credit += frame["credit"]["messages"].as_u64().unwrap_or_default();
        if frame.get("message").is_some() {
            heard += 1;
            assert_eq!(frame["message"]["json"]["number"], heard.to_string());
            if heard % 23 == 0 {
                client.ack().await;
            }
        }
    }
    assert_eq!(stack.cafe.calls(), 1, "the backend noticed nothing");
    client.cut();
    client.resume(json!({})).await;
    client.say(json!({ "halfClose": { "call": call } })).await;
    let mut end = client.hear().await;
    while end.get("credit").is_some() {
        end = client.hear().await;
    }
    assert_eq!(end, json!({ "end": { "call": call } }));
}

#[tokio::test]
async fn a_unary_answer_that_nobody_was_there_for_comes_afterwards() {
    let (tell, told) = tokio::sync::watch::channel(false);
    let backend = Backend::new(move |_, _| {
        [vec![Act::When(told.clone())], answer("Note", json!({ "name": "n" }))].concat()
    });
    let site = Site::start(json!({}), &backend).await;
    let mut client = Client::begin(site.address, json!({})).await;
    let call = client.open("shop.v1.Notes/GetNote", json!({ "json": {} })).await;
    backend.opened(1).await;
    client.cut();
    tell.send(true).expect("a backend");
    backend.closed().await;
    client.resume(json!({})).await;
    assert_eq!(client.hear().await["message"]["json"]["name"], "n");
    assert_eq!(client.hear().await, json!({ "end": { "call": call } }));
    assert_eq!(backend.calls().len(), 1);
}

#[tokio::test]
async fn a_stream_goes_on_by_its_cursor_under_a_new_number_or_the_old_one() {
    for keeps_number in [false, true] {
        let backend = Backend::new(|_, request| match request["after"].as_str() {
            Some("3") => vec![position(3), event(4), Act::Hang],
            _ => vec![position(1), event(2), event(3), Act::Hang],
        });
        let site = Site::start(json!({ "streams": { "linger": "0s" } }), &backend).await;
        let mut client = Client::begin(site.address, json!({})).await;
        let open = json!({ "json": { "topic": "a" }, "credit": 9 });
        let old = client.open("shop.v1.Streams/Watch", open.clone()).await;
        let mut cursor = Value::Null;
        for _ in 0..3 {
            let frame = client.hear().await;
            cursor = frame["message"]["cursor"].clone();
        }
        client.cut();
        backend.closed().await;
        client.resume(json!({})).await;
        let mut open = open.clone();
        open["cursor"] = cursor;
        let call = if keeps_number {
            open["call"] = json!(old);
            open["method"] = json!("shop.v1.Streams/Watch");
            client.say(json!({ "open": open })).await;
            old
        } else {
            client.open("shop.v1.Streams/Watch", open).await
        };
        let opened = client.hear().await["opened"].clone();
        assert_eq!(
            (&opened["call"], &opened["outcome"]),
            (&json!(call), &json!("OUTCOME_RESUMED")),
            "{opened}"
        );
        assert_eq!(client.hear().await["message"]["json"]["number"], 4);
    }
}

#[tokio::test]
async fn a_stream_without_cursors_is_kept_for_who_comes_back() {
    let (tell, told) = tokio::sync::watch::channel(false);
    let number = |number| crate::backend::response(json!({ "number": number }));
    let backend =
        Backend::new(move |_, _| vec![number(1), Act::When(told.clone()), number(2), number(3), Act::Hang]);
    let site = Site::start(json!({ "streams": { "linger": "0s" } }), &backend).await;
    let mut client = Client::begin(site.address, json!({})).await;
    client.open("shop.v1.Streams/Tick", json!({ "json": {}, "credit": 9 })).await;
    client.hear().await;
    let first = client.hear().await["message"].clone();
    assert_eq!(first["json"]["number"], 1);
    client.cut();
    tell.send(true).expect("a backend");
    client.resume(json!({})).await;
    let open = json!({ "json": {}, "credit": 9, "cursor": first["cursor"] });
    client.open("shop.v1.Streams/Tick", open).await;
    assert_eq!(client.hear().await["opened"]["outcome"], "OUTCOME_RESUMED");
    for number in 2..=3 {
        assert_eq!(client.hear().await["message"]["json"]["number"], number);
    }
    assert_eq!(backend.calls().len(), 1, "one call, without a hole");
}

#[tokio::test]
async fn a_newer_connection_fences_the_older() {
    let site = Site::start(json!({}), &Backend::new(|_, _| answer("Note", json!({})))).await;
    let mut older = Client::begin(site.address, json!({})).await;
    let mut newer = Client::new(site.address, dial(site.address, &[]).await);
    newer.say(json!({ "hello": { "session": older.session } })).await;
    newer.be_ready().await;
    assert_eq!(older.closed().await, ("session_superseded".into(), 4409));
    assert!(newer.call("shop.v1.Notes/GetNote", json!({})).await.is_ok());
}

#[tokio::test]
async fn who_leaves_for_good_or_for_too_long_is_unknown_and_may_begin_anew() {
    let site =
        Site::start(json!({ "sessions": { "park": "50ms" } }), &Backend::new(|_, _| vec![Act::Hang])).await;
    for (code, pause) in [(1000, 0), (1001, 200)] {
        let mut client = Client::begin(site.address, json!({})).await;
        client.close(code).await;
        // The close is answered, so it was heard.
        assert_eq!(client.closed().await.1, code);
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        let mut again = Client::new(site.address, dial(site.address, &[]).await);
        again.say(json!({ "hello": { "session": client.session } })).await;
        assert_eq!(again.hear().await["goaway"]["reason"], "session_unknown", "{code}");
        again.say(json!({ "hello": {} })).await;
        again.be_ready().await;
        let mut gone = Client::new(site.address, dial(site.address, &[]).await);
        gone.say(json!({ "hello": { "session": client.session } })).await;
        assert_eq!(gone.closed().await, ("session_unknown".into(), 4404));
    }
}

#[tokio::test]
async fn a_stolen_name_is_worth_nothing_to_another_caller() {
    let issuer = Issuer::new();
    let backend = Backend::new(|_, _| answer("Note", json!({})));
    let site = issuer.site(json!({}), &backend).await;
    let (alice, bob) = (issuer.token("alice", "a"), issuer.token("bob", "b"));
    let mut client = Client::begin(site.address, json!({ "token": alice })).await;
    for hello in [json!({ "token": bob }), json!({})] {
        let mut thief = Client::new(site.address, dial(site.address, &[]).await);
        let mut stolen = hello;
        stolen["session"] = json!(client.session);
        thief.say(json!({ "hello": stolen })).await;
        assert_eq!(thief.hear().await["goaway"]["reason"], "session_unknown");
    }
    assert!(client.call("shop.v1.Notes/GetNote", json!({})).await.is_ok(), "it noticed nothing");
    // The same caller with another token goes on.
    client.cut();
    client.resume(json!({ "token": issuer.token("alice", "c") })).await;
    assert!(client.call("shop.v1.Notes/GetNote", json!({})).await.is_ok());
}

#[tokio::test]
async fn tampered_numbers_end_the_connection_and_not_the_session() {
    let site = Site::start(json!({}), &Backend::new(|_, _| answer("Note", json!({})))).await;
    let mut client = Client::begin(site.address, json!({})).await;
    assert!(client.call("shop.v1.Notes/GetNote", json!({})).await.is_ok());
    client.ack().await;
    client.say(json!({ "ping": {} })).await;
    while client.read().await.expect("a frame").get("pong").is_none() {}
    // It had acknowledged 2, so that 1 is gone, and cannot have 3.
    for (received, expected) in [(1, 4404), (3, 4400), (u32::MAX, 4400)] {
        let mut liar = Client::new(site.address, dial(site.address, &[]).await);
        liar.say(json!({ "hello": { "session": client.session, "received": received } })).await;
        assert_eq!(liar.closed().await.1, expected, "{received}");
    }
    assert!(client.call("shop.v1.Notes/GetNote", json!({})).await.is_ok(), "it noticed nothing");
    client.say(json!({ "ack": { "received": 99 } })).await;
    assert_eq!(client.closed().await.1, 4400);
    client.resume(json!({})).await;
    assert!(client.call("shop.v1.Notes/GetNote", json!({})).await.is_ok());
}
