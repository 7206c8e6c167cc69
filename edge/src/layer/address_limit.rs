//! Request rates by client address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{HeaderValue, header};

use crate::error::{Code, Error, Result};

use super::peer::{Crowded, Peer, client_ip, network};
use super::rate::exhausted;

/// Counts the requests of each address.
#[derive(Debug)]
pub struct AddressLimit {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    trusted: Vec<IpAddr>,
}

/// The client's address as the guards see it, put into the request's extensions; of IPv6 the network, because one
/// client has a whole one (RFC 6177).
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

impl AddressLimit {
    pub fn new(per_second: u32, burst: u32, trusted: Vec<IpAddr>) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
        Self { limiter: RateLimiter::keyed(quota), trusted }
    }

    /// Counts a request that is none of HTTP.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when the address asks too often.
    pub fn check(&self, address: IpAddr) -> Result<()> {
        self.limiter.check_key(&address).map_err(|refused| {
            let quota = refused.quota();
            let wait = refused.wait_time_from(DefaultClock::default().now());
            exhausted(wait, quota.burst_size().get(), quota.burst_size_replenished_in().as_secs())
        })
    }

    /// Forgets addresses that have been quiet.
    pub fn tidy(&self) {
        self.limiter.retain_recent();
    }
}

/// Refuses an address that asks too often; tells what is behind who the client is.
pub async fn address_limit<'a, F>(
    limit: &AddressLimit,
    request: &'a mut Request,
    next: impl FnOnce(&'a mut Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    if request.extensions().get::<Crowded>().is_some() {
        return crowded().into_response();
    }
    // In process there is no peer: such a caller is ourselves.
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([127, 0, 0, 1]), |peer| peer.0.ip());
    let address = network(client_ip(peer, request.headers(), &limit.trusted));
    request.extensions_mut().insert(ClientAddress(address));
    match limit.check(address) {
        Ok(()) => next(request).await,
        Err(error) => error.into_response(),
    }
}

fn crowded() -> Error {
    let message = "This network address has as many connections open as `limits.connections_per_address` of the edge \
         allows. Close some, or send several requests over one.";
    Error::new(Code::ResourceExhausted, "CONNECTIONS_EXHAUSTED", message)
        .retry_after(Duration::from_secs(5))
        .header(header::CONNECTION, HeaderValue::from_static("close"))
}
