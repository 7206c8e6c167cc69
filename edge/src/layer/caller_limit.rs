//! Request rates by caller, for each method its own.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::Result;

use super::rate::exhausted;

/// A limiter for each method: there are as many as the schema has methods.
#[derive(Debug, Default)]
pub struct CallerLimit {
    methods: Mutex<HashMap<String, Arc<DefaultKeyedRateLimiter<String>>>>,
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
