//! Pages of other origins: who may ask, with which credential.

use lastmile_tests::{Answer, App, Topology, both};
use serde_json::json;

const EVENTS: &str = "/api/v1/topics/news/events";

#[tokio::test]
async fn a_page_on_another_port_may_ask_with_credentials() {
    both(|app| async move {
        let origin = "http://localhost:5173";
        for path in ["/api/v1/topics", "/api/v1/users", "/api/v1/nothing"] {
            let answer = Answer::to(app.browser().request("GET", path).header("origin", origin)).await;
            assert_eq!(answer.header("access-control-allow-origin"), origin, "{path}: {answer:?}");
            assert_eq!(answer.header("access-control-allow-credentials"), "true", "{path}");
            assert!(answer.header("vary").to_lowercase().contains("origin"), "{path}: {answer:?}");
            let exposed = answer.header("access-control-expose-headers").to_lowercase();
            for name in ["retry-after", "etag", "link", "www-authenticate", "x-request-id"] {
                assert!(exposed.contains(name), "{name} in {exposed}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_preflight_allows_what_the_client_sends() {
    both(|app| async move {
        let request = app.browser().request("OPTIONS", EVENTS);
        let request = request
            .header("origin", "http://127.0.0.1:4000")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,traceparent");
        let answer = Answer::to(request).await;
        assert!(answer.status.is_success(), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "http://127.0.0.1:4000");
        assert!(answer.header("access-control-allow-methods").contains("POST"), "{answer:?}");
        let allowed = answer.header("access-control-allow-headers").to_lowercase();
        for name in [
            "authorization",
            "content-type",
            "traceparent",
            "tracestate",
            "last-event-id",
            "x-vite-hmr-id",
            "if-match",
            "if-none-match",
            "idempotency-key",
            "prefer",
        ] {
            assert!(allowed.contains(name), "{name} in {allowed}");
        }
    })
    .await;
}

#[tokio::test]
async fn other_origins_and_look_alikes_are_refused() {
    both(|app| async move {
        let port = app.http().port();
        let look_alikes = [
            "https://evil.example".to_owned(),
            "null".to_owned(),
            "http://localhost.evil.example".to_owned(),
            "http://evil-localhost:5173".to_owned(),
            format!("http://127.0.0.1:{port}.evil.example"),
            format!("http://127.0.0.1:{port}/"),
            "http://localhost@evil.example".to_owned(),
            "file://localhost".to_owned(),
        ];
        for origin in look_alikes {
            let answer =
                Answer::to(app.browser().request("GET", "/api/v1/topics").header("origin", &origin)).await;
            assert_eq!(answer.status, 403, "{origin}: {answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
            assert!(answer.header("vary").to_lowercase().contains("origin"), "{origin}: {answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_own_origin_needs_no_list() {
    let app = App::start(Topology::One).await;
    let origin = format!("http://{}", app.http());
    let answer = Answer::to(app.browser().request("GET", "/api/v1/topics").header("origin", &origin)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let without = app.browser().get("/api/v1/topics").await;
    assert_eq!(without.status, 200);
    assert!(without.header("vary").to_lowercase().contains("origin"), "always: {without:?}");
}

#[tokio::test]
async fn a_cookie_does_not_let_other_sites_write() {
    both(|app| async move {
        let token = app.login("alice").await.token().to_owned();
        let write = |name: &'static str, value: &'static str| {
            let request =
                app.browser().request("POST", EVENTS).header("cookie", format!("lm_access={token}"));
            Answer::to(request.header(name, value).json(&json!({"type": "x", "data": 1})))
        };
        for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let answer = write(name, value).await;
            assert_eq!(answer.status, 403, "{name}: {value}: {answer:?}");
        }
        let history = app.browser().get("/api/v1/topics/news/history").await;
        assert_eq!(history.json()["events"], json!([]), "nothing was written");
        let own = write("sec-fetch-site", "same-origin").await;
        assert_eq!(own.status, 200, "{own:?}");
    })
    .await;
}

#[tokio::test]
async fn the_probe_answers_anyone() {
    both(|app| async move {
        let request = app.browser().request("GET", "/.well-known/lastmile/probe");
        let answer = Answer::to(request.header("origin", "https://elsewhere.example")).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    })
    .await;
}
