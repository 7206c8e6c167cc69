//! How much one client may ask for: request rates by address, and by caller and route.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{HeaderName, HeaderValue};

use crate::error::{Code, Error, Result};

use super::peer::{Peer, client_ip};

/// Rates by client address.
#[derive(Debug)]
pub struct AddressLimit {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    trusted: Vec<IpAddr>,
}

/// Rates by caller, a limiter for each method: there are as many as the schema has methods.
#[derive(Debug, Default)]
pub struct CallerLimit {
    methods: Mutex<HashMap<String, Arc<DefaultKeyedRateLimiter<String>>>>,
}

/// The client's address as the guard chain sees it, put into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct ClientIp(pub IpAddr);

impl AddressLimit {
    pub fn new(per_second: u32, burst: u32, trusted: Vec<IpAddr>) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
        Self { limiter: RateLimiter::keyed(quota), trusted }
    }

    /// Forgets addresses that have been quiet.
    pub fn tidy(&self) {
        self.limiter.retain_recent();
    }
}

impl CallerLimit {
    /// # Errors
    /// RESOURCE_EXHAUSTED with `Retry-After` when this caller has used up this method's calls for now.
    pub fn check(&self, method: &str, per_minute: u32, caller: &str) -> Result<()> {
        let Some(rate) = NonZeroU32::new(per_minute) else { return Ok(()) };
        let limiter = {
            let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
            let limiter = methods.entry(method.to_owned());
            Arc::clone(limiter.or_insert_with(|| Arc::new(RateLimiter::keyed(Quota::per_minute(rate)))))
        };
        limiter.check_key(&caller.to_owned()).map_err(|refused| {
            exhausted(refused.wait_time_from(DefaultClock::default().now()), per_minute, 60)
        })
    }

    /// Forgets callers that have been quiet.
    pub fn tidy(&self) {
        let methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        methods.values().for_each(|limiter| limiter.retain_recent());
    }
}

/// Refuses an address that asks too often; tells what is behind who the client is.
pub async fn address_limit(
    State(limit): State<Arc<AddressLimit>>,
    mut request: Request,
    next: Next,
) -> Response {
    // In process there is no peer: such a caller is ourselves.
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([127, 0, 0, 1]), |peer| peer.0.ip());
    let ip = client_ip(peer, request.headers(), &limit.trusted);
    request.extensions_mut().insert(ClientIp(ip));
    match limit.limiter.check_key(&ip) {
        Ok(()) => next.run(request).await,
        Err(refused) => {
            let quota = refused.quota();
            let wait = refused.wait_time_from(DefaultClock::default().now());
            exhausted(wait, quota.burst_size().get(), quota.burst_size_replenished_in().as_secs())
                .into_response()
        }
    }
}

fn exhausted(wait: Duration, quota: u32, window_seconds: u64) -> Error {
    // draft-ietf-httpapi-ratelimit-headers
    let reset = wait.as_secs() + 1;
    let limit = format!("\"default\";r=0;t={reset}");
    let policy = format!("\"default\";q={quota};w={}", window_seconds.max(1));
    let error =
        Error::new(Code::ResourceExhausted, "RATE_LIMITED", "Too many requests. Wait as `Retry-After` says.");
    [("ratelimit", limit), ("ratelimit-policy", policy)].into_iter().fold(
        error.retry_after(wait),
        |error, (name, value)| match HeaderValue::from_str(&value) {
            Ok(value) => error.header(HeaderName::from_static(name), value),
            Err(_) => error,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_and_method_has_its_own_count() {
        let limit = CallerLimit::default();
        for _ in 0..3 {
            assert!(limit.check("a/B", 3, "alice").is_ok());
        }
        let error = limit.check("a/B", 3, "alice").unwrap_err();
        assert_eq!((error.http_status().as_u16(), error.reason_text()), (429, "RATE_LIMITED"));
        assert!(limit.check("a/B", 3, "bob").is_ok());
        assert!(limit.check("a/C", 3, "alice").is_ok());
    }
}
