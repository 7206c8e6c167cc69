//! Speaks HTTP as a browser does, one request at a time.

use std::net::SocketAddr;

use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::patience::soon;
use crate::sse::SseStream;

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Sends the request and reads all of the answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn to(request: RequestBuilder) -> Self {
        let response = soon("an answer", request.send()).await.expect("an HTTP answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = soon("a body", response.text()).await.expect("a whole body");
        Self { status, headers, text }
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// A header as text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What a problem answer says, in one line: status, reason, fields.
    pub fn problem(&self) -> String {
        if self.header("content-type") != "application/problem+json" {
            return format!("{} without a problem: {:?}", self.status.as_u16(), self.text);
        }
        let body = self.json();
        let reason = body["reason"].as_str().unwrap_or_default();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let mut fields: Vec<&str> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        fields.dedup();
        format!("{} {reason} {}", self.status.as_u16(), fields.join(",")).trim_end().to_owned()
    }
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    Whole,
    /// The connection was broken off, so that nobody takes it for the whole.
    Cut,
}

/// Reads a body to where it ends, well or not.
pub async fn read_body(mut response: Response) -> (String, BodyEnd) {
    let mut text = String::new();
    loop {
        match soon("a body", response.chunk()).await {
            Ok(Some(bytes)) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Ok(None) => return (text, BodyEnd::Whole),
            Err(_) => return (text, BodyEnd::Cut),
        }
    }
}

/// Someone at an address, signed in or not.
#[derive(Debug, Clone)]
pub struct Browser {
    client: Client,
    base: String,
    token: Option<String>,
}

impl Browser {
    /// A caller without a credential.
    ///
    /// # Panics
    /// When the system has no sockets.
    pub fn new(address: SocketAddr) -> Self {
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        Self { client: client.expect("an HTTP client"), base: format!("http://{address}"), token: None }
    }

    /// The same with a bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Logs in as one of the demo users.
    ///
    /// # Panics
    /// When it fails.
    pub async fn login(&self, username: &str) -> Self {
        let answer = self.post("/api/v1/auth/login", &credentials(username)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.with_token(answer.json()["accessToken"].as_str().expect("an access token"))
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// A request to be completed.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request("GET", path)).await
    }

    /// POST of a JSON value.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.request("POST", path).json(body)).await
    }

    /// Publishes a number to a topic.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn publish(&self, topic: &str, number: u32) {
        let event = json!({"type": "number", "data": number});
        let answer = self.post(&format!("/api/v1/topics/{topic}/events"), &event).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The answer's head, for a body that is read as it comes.
    ///
    /// # Panics
    /// When there is none.
    pub async fn open(&self, request: RequestBuilder) -> Response {
        soon("an answer's head", request.send()).await.expect("an HTTP answer")
    }

    /// Opens an SSE stream as EventSource does, with the id it saw last.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn subscribe(&self, path: &str, last_id: Option<&str>) -> SseStream {
        let mut request = self.request("GET", path).header("accept", "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = self.open(request).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        SseStream::new(response)
    }
}

fn credentials(username: &str) -> Value {
    json!({"username": username, "password": "lastmile-dev"})
}
