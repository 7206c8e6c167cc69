//! What a token claims beside its subject: a stream is shared by those who claim the same, and read by each with its own.

use serde_json::json;

use crate::backend::{Act, Backend, event, position};
use crate::issuer::Issuer;
use crate::subscriber::{Ask, caller, hub_with, join};

const WATCH: &str = "/v1/watch?topic=a";

fn topic() -> Backend {
    Backend::new(|_, request| {
        let after = request["after"].as_str().map_or(40, |after| after.parse().expect("a number"));
        let mut acts = vec![position(after)];
        acts.extend((after + 1..=40).map(event));
        acts.extend([Act::Pause(std::time::Duration::from_secs(5)), event(41), Act::Hang]);
        acts
    })
}

/// The credentials of the calls so far.
fn credentials(backend: &Backend) -> Vec<String> {
    let heads = backend.heads();
    heads.iter().map(|head| head["authorization"].to_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn only_tokens_that_claim_the_same_share_a_stream() {
    let (issuer, backend) = (Issuer::new(), topic());
    let site = issuer.site(json!({}), &backend).await;
    let wide = json!({ "scope": "read write", "realm": { "roles": ["a", "b"] } });
    let mut held = Vec::new();
    for (claims, seconds, calls) in [
        (wide.clone(), 600, 1),
        // Renewed: another id, another time.
        (wide, 900, 1),
        (json!({ "scope": "read", "realm": { "roles": ["a", "b"] } }), 600, 2),
        (json!({ "scope": "read write", "realm": { "roles": ["a"] } }), 600, 3),
        (json!({}), 600, 4),
        (json!({}), 600, 4),
    ] {
        let token = issuer.token_with("7", &held.len().to_string(), seconds, &claims);
        let bearer = format!("Bearer {token}");
        let headers = [("accept", "text/event-stream"), ("authorization", bearer.as_str())];
        held.push(site.open(WATCH, &headers, "lm-open").await);
        assert_eq!(backend.calls().len(), calls, "{claims}");
    }
}

#[tokio::test]
async fn whoever_catches_up_calls_with_its_own_token() {
    let (issuer, backend) = (Issuer::new(), topic());
    let site = issuer.site(json!({}), &backend).await;
    let [long, short] = [900, 60].map(|seconds| format!("Bearer {}", issuer.token_until("7", "a", seconds)));
    let open = async |bearer: &str, more: &[(&str, &str)], end| {
        let own = [("accept", "text/event-stream"), ("authorization", bearer)];
        site.open(WATCH, &[&own[..], more].concat(), end).await
    };
    let _live = open(&long, &[], "lm-open").await;
    let _late = open(&short, &[("last-event-id", "7")], "\"number\":8").await;
    assert_eq!(credentials(&backend), [long, short]);
}

#[tokio::test(start_paused = true)]
async fn whoever_falls_behind_calls_with_its_own_token() {
    let backend = topic();
    let hub = hub_with(&backend, 1000);
    let watch = Ask::new("Streams/Watch", json!({ "topic": "a" }));
    let old = watch.after("1".to_owned());
    let mut first = join(&hub, caller("alice"), &old.clone().by("long", 900)).await.expect("a stream");
    let mut second = join(&hub, caller("alice"), &old.by("short", 60)).await.expect("a stream");
    for reader in [&mut first, &mut second] {
        for _ in 2..=41 {
            reader.next().await.expect("no failure").expect("more");
        }
    }
    assert_eq!(credentials(&backend).last().map(String::as_str), Some("short"));
}
