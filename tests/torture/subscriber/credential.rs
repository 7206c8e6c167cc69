//! Who a subscriber is, and how it stays that.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::core_client::PASSWORD;

/// A call that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(8);

/// How the token travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody in particular.
    Anonymous,
    /// `Authorization`, set by the page's own code.
    Bearer,
    /// Cookies, which the browser keeps.
    Cookie,
}

/// The tokens of one subscriber.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) kind: Kind,
    user: String,
    access: Option<String>,
    refresh: Option<String>,
}

impl Credential {
    /// Not signed in yet.
    pub(crate) fn new(kind: Kind, user: &str) -> Self {
        Self { kind, user: user.to_owned(), access: None, refresh: None }
    }

    /// Whether it has to sign in first.
    pub(crate) fn is_missing(&self) -> bool {
        self.kind != Kind::Anonymous && self.access.is_none()
    }

    /// The token, for those who put it where they like.
    pub(crate) fn token(&self) -> Option<&str> {
        self.access.as_deref().filter(|_| self.kind == Kind::Bearer)
    }

    /// Adds it to a request.
    pub(crate) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        match (self.kind, &self.access) {
            (Kind::Bearer, Some(access)) => request.bearer_auth(access),
            (Kind::Cookie, Some(access)) => request.header("cookie", format!("lm_access={access}")),
            _ => request,
        }
    }

    /// Gets new tokens by the refresh token, else by the password; whether there are any now.
    pub(crate) async fn renew(&mut self, client: &Client, base: &str, address: &str) -> bool {
        if self.kind == Kind::Anonymous {
            return true;
        }
        // Once used it is worth nothing, whether the answer arrives or not.
        let refresh = self.refresh.take();
        let request = match (&refresh, self.kind) {
            (Some(refresh), Kind::Cookie) => {
                let cookies =
                    format!("lm_access={}; lm_refresh={refresh}", self.access.as_deref().unwrap_or_default());
                client.post(format!("{base}/api/v1/auth/refresh")).header("cookie", cookies).json(&json!({}))
            }
            (Some(refresh), _) => {
                client.post(format!("{base}/api/v1/auth/refresh")).json(&json!({"refreshToken": refresh}))
            }
            (None, _) => {
                let body = json!({"username": self.user, "password": PASSWORD});
                client.post(format!("{base}/api/v1/auth/login")).json(&body)
            }
        };
        let Ok(answer) = request.header("x-forwarded-for", address).timeout(PATIENCE).send().await else {
            return false;
        };
        if answer.status() != 200 {
            return false;
        }
        if self.kind == Kind::Cookie {
            let cookies =
                answer.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
            for cookie in cookies {
                let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
                match pair {
                    Some(("lm_access", value)) => self.access = Some(value.to_owned()),
                    Some(("lm_refresh", value)) => self.refresh = Some(value.to_owned()),
                    _ => {}
                }
            }
            return true;
        }
        let Ok(tokens) = answer.json::<Value>().await else { return false };
        let text = |name: &str| tokens[name].as_str().map(String::from);
        (self.access, self.refresh) = (text("accessToken"), text("refreshToken"));
        self.access.is_some()
    }
}
