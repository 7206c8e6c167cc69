//! Signing in: tokens, cookies, what is refused.

use lastmile_tests::{Answer, App, Browser, ForeignBackend, Language, Topology, both, mask, until};
use serde_json::json;

/// The cookies an answer sets: name to everything that follows it.
fn cookies(answer: &Answer) -> Vec<(String, String)> {
    let lines = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
    let mut cookies: Vec<_> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
        .collect();
    cookies.sort();
    cookies
}

/// What a browser would send back.
fn jar(answer: &Answer) -> String {
    let pairs = cookies(answer).into_iter().map(|(name, rest)| {
        let value = rest.split(';').next().unwrap_or_default().to_owned();
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn logs_in_by_both_paths_with_cookies_for_pages() {
    both(|app| async move {
        let browser = app.browser();
        let mut transcript = Vec::new();
        for path in ["/api/v1/auth/login", "/api/login"] {
            let answer = browser.post(path, &json!({"username": "alice", "password": "lastmile-dev"})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
            assert_eq!(answer.json()["user"]["name"], "Alice");
            let names: Vec<_> = cookies(&answer).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["lm_access", "lm_refresh"]);
            for (name, rest) in cookies(&answer) {
                assert!(rest.contains("; HttpOnly") && rest.contains("; SameSite=Lax"), "{name}={rest}");
            }

            let me =
                Answer::to(browser.request("GET", "/api/v1/auth/me").header("cookie", jar(&answer))).await;
            assert_eq!(me.status, 200, "{me:?}");
            assert_eq!(me.json()["user"]["username"], "alice");
            transcript.extend([mask(&answer.text), mask(&me.text)]);
        }
        transcript
    })
    .await;
}

#[tokio::test]
async fn refresh_rotates_and_a_stolen_token_ends_the_session() {
    both(|app| async move {
        let browser = app.browser();
        let login = browser.post("/api/login", &json!({"username": "bob", "password": "lastmile-dev"})).await;
        let refresh = |cookie: String| {
            let request = browser.request("POST", "/api/v1/auth/refresh").header("cookie", cookie);
            Answer::to(request.json(&json!({})))
        };
        let second = refresh(jar(&login)).await;
        assert_eq!(second.status, 200, "{second:?}");
        assert_ne!(jar(&login), jar(&second));

        let stolen = refresh(jar(&login)).await;
        assert_eq!(stolen.problem(), "401 TOKEN_REUSED");
        let victim = refresh(jar(&second)).await;
        assert_eq!(victim.status, 401, "the whole family is revoked: {victim:?}");
        (mask(&second.text), mask(&stolen.text))
    })
    .await;
}

#[tokio::test]
async fn logout_ends_the_session_and_clears_the_cookies() {
    both(|app| async move {
        let browser = app.browser();
        let login = browser.post("/api/login", &json!({"username": "bob", "password": "lastmile-dev"})).await;
        let request = browser.request("POST", "/api/v1/auth/logout").header("cookie", jar(&login));
        let logout = Answer::to(request.json(&json!({}))).await;
        assert_eq!((logout.status.as_u16(), logout.text.as_str()), (200, "{}"));
        for (name, rest) in cookies(&logout) {
            assert!(rest.starts_with(';') && rest.contains("Max-Age=0"), "{name}={rest}");
        }
        assert_eq!(cookies(&logout).len(), 2);
        let refresh = browser.request("POST", "/api/v1/auth/refresh").header("cookie", jar(&login));
        assert_eq!(Answer::to(refresh.json(&json!({}))).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    both(|app| async move {
        let browser = app.browser();
        let wrong =
            browser.post("/api/login", &json!({"username": "alice", "password": "not-it-at-all"})).await;
        let unknown =
            browser.post("/api/login", &json!({"username": "mallory", "password": "not-it-at-all"})).await;
        assert_eq!(wrong.problem(), "401 LOGIN_FAILED");
        assert_eq!(mask(&wrong.text), mask(&unknown.text));
        assert!(cookies(&wrong).is_empty());
        mask(&wrong.text)
    })
    .await;
}

#[tokio::test]
async fn a_bad_credential_never_becomes_anonymous() {
    both(|app| async move {
        let token = app.login("alice").await.token().to_owned();
        let (head, signature) = token.rsplit_once('.').expect("a JWT");
        let (header, payload) = head.split_once('.').expect("a JWT");
        // {"alg":"none"}, {"alg":"HS256"} and a payload of someone else.
        let none = "eyJhbGciOiJub25lIn0";
        let symmetric = "eyJhbGciOiJIUzI1NiJ9";
        let admin = "eyJzdWIiOiIzIiwicm9sZSI6ImFkbWluIiwiZXhwIjo0MTAyNDQ0ODAwfQ";
        let forged = [
            "Bearer garbage".to_owned(),
            "Bearer ".to_owned(),
            format!("Bearer {none}.{payload}."),
            format!("Bearer {none}.{payload}.{signature}"),
            format!("Bearer {symmetric}.{payload}.{signature}"),
            format!("Bearer {header}.{admin}.{signature}"),
            format!("Bearer {header}.{payload}.{}", signature.chars().rev().collect::<String>()),
            format!("Basic {token}"),
        ];
        let mut transcript = Vec::new();
        for credential in forged {
            // Also where nobody needs a credential, and where a native EventSource would be let down gently.
            for path in ["/api/v1/users", "/api/v1/topics", "/api/v1/topics/ticks/events"] {
                let request = app.browser().request("GET", path).header("authorization", &credential);
                let answer =
                    Answer::to(request.header("accept", "application/json, text/event-stream")).await;
                assert_eq!(answer.status, 401, "{credential} on {path}: {answer:?}");
                assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
                transcript.push(mask(&answer.text));
            }
        }
        transcript
    })
    .await;
}

#[tokio::test]
async fn two_credentials_are_one_too_many() {
    let app = App::start(Topology::One).await;
    let token = app.login("alice").await.token().to_owned();
    let request = app.browser().request("GET", "/api/v1/users").bearer_auth(&token).bearer_auth("other");
    assert_eq!(Answer::to(request).await.status, 401);
}

#[tokio::test]
async fn a_bad_cookie_is_cleared_where_nobody_needs_it() {
    both(|app| async move {
        let with_cookie =
            |path: &str| app.browser().request("GET", path).header("cookie", "lm_access=garbage");
        let public = Answer::to(with_cookie("/api/v1/topics")).await;
        assert_eq!(public.status, 200, "{public:?}");
        let cleared = cookies(&public);
        assert!(
            cleared.iter().any(|(name, rest)| name == "lm_access" && rest.contains("Max-Age=0")),
            "{cleared:?}"
        );
        let closed = Answer::to(with_cookie("/api/v1/users")).await;
        assert_eq!(closed.status, 401, "{closed:?}");
    })
    .await;
}

#[tokio::test]
async fn without_a_credential_the_answer_says_how_to_get_one() {
    both(|app| async move {
        let answer = app.browser().get("/api/v1/users").await;
        assert_eq!(answer.problem(), "401 TOKEN_MISSING");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
        mask(&answer.text)
    })
    .await;
    let app = App::start(Topology::One).await;
    let answer = app.browser().get("/api/v1/users").await;
    assert!(answer.text.contains("curl") && answer.text.contains("/login"), "{answer:?}");
}

#[tokio::test]
async fn logins_are_limited_to_ten_a_minute() {
    both(|app| async move {
        let browser = app.browser();
        let mut statuses = Vec::new();
        let mut last = None;
        for _ in 0..11 {
            let answer =
                browser.post("/api/login", &json!({"username": "alice", "password": "wrong-wrong"})).await;
            statuses.push(answer.status.as_u16());
            last = Some(answer);
        }
        assert_eq!(statuses, [[401; 10].as_slice(), &[429]].concat());
        let refused = last.expect("eleven answers");
        let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert!(!refused.header("ratelimit").is_empty(), "{refused:?}");
        assert_eq!(refused.json()["code"], "RESOURCE_EXHAUSTED");
    })
    .await;
}

#[tokio::test]
async fn an_expired_token_is_said_and_lets_a_native_eventsource_down_gently() {
    let lifetime = [("LASTMILE_ACCESS_TOKEN_LIFETIME", "1s")];
    for topology in [Topology::One, Topology::Two] {
        let app = App::start_with(topology, &lifetime).await;
        let alice = app.login("alice").await;
        let expired = until("the token to expire", || async {
            let answer = alice.get("/api/v1/users").await;
            (answer.status == 401).then_some(answer)
        })
        .await;
        assert_eq!(expired.problem(), "401 TOKEN_EXPIRED", "{topology:?}");
        assert!(expired.header("www-authenticate").starts_with("Bearer"), "{expired:?}");

        let watch =
            || app.browser().request("GET", "/api/v1/users:watch").header("accept", "text/event-stream");
        let by_header = Answer::to(watch().bearer_auth(alice.token())).await;
        assert_eq!(by_header.problem(), "401 TOKEN_EXPIRED", "{topology:?}");
        // EventSource gives up for good on 401, and cannot be told to refresh: so it is let down gently.
        let cookie = format!("lm_access={}", alice.token());
        let by_cookie = Answer::to(watch().header("cookie", cookie)).await;
        assert_eq!(by_cookie.status, 200, "{topology:?}: {by_cookie:?}");
        assert!(by_cookie.text.contains("event: lm-close"), "{topology:?}: {by_cookie:?}");
        // The core is first to refuse it; the edge allows for clocks that differ.
        until("the edge to refuse it by itself", || async {
            alice.get("/api/v1/users").await.text.contains("Refresh it").then_some(())
        })
        .await;
        // Anonymous, a stream that anyone may read would silently show less than before.
        let public = app.browser().request("GET", "/api/v1/events").header("accept", "text/event-stream");
        let public = Answer::to(public.header("cookie", format!("lm_access={}", alice.token()))).await;
        assert!(public.text.contains(r#"{"reason":"token_expired"}"#), "{topology:?}: {public:?}");
        // A forged one gets no second chance.
        let forged = Answer::to(watch().header("cookie", "lm_access=a.b.c")).await;
        assert_eq!(forged.status, 401, "{topology:?}: {forged:?}");
    }
}

#[tokio::test]
async fn keys_from_a_file_guard_a_backend_that_checks_nothing() {
    let app = App::start(Topology::One).await;
    let jwks = app.browser().get("/.well-known/jwks.json").await;
    assert_eq!(jwks.status, 200, "{jwks:?}");
    assert!(!jwks.text.contains("\"d\""), "public keys only: {jwks:?}");
    let file = app.data().join("keys.json").display().to_string();
    std::fs::write(&file, &jwks.text).expect("a file");

    let backend = ForeignBackend::start(Language::Python).await.expect("Python is always there");
    let variables = [("LASTMILE_AUTH__KEYS", file.as_str()), ("LASTMILE_AUTH__ISSUER", "lastmile")];
    let (http, _edge) = App::edge(backend.address(), &variables).await;
    let browser = Browser::new(http);
    let token = app.login("alice").await.token().to_owned();
    assert_eq!(browser.with_token(&token).get("/acme/v1/items/bolt").await.status, 200);
    assert_eq!(browser.get("/acme/v1/items/bolt").await.problem(), "401 TOKEN_MISSING");

    let other = App::start(Topology::One).await.login("alice").await.token().to_owned();
    let (payload, _) = token.rsplit_once('.').expect("a JWT");
    let (_, signature) = other.rsplit_once('.').expect("a JWT");
    for forged in [other.clone(), format!("{payload}.{signature}"), format!("{payload}.")] {
        let answer = browser.with_token(&forged).get("/acme/v1/items/bolt").await;
        assert_eq!(answer.problem(), "401 TOKEN_INVALID", "{forged}");
    }
}
