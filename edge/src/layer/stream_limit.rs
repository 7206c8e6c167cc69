//! Whether one more stream may be opened: how many are open of its caller and its address, how fast all are opened.
//!
//! Only newcomers are refused; who reads already is never touched.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Extensions;
use rand::Rng;
use tokio::time::Instant;

use crate::config::{LimitsConfig, StreamsConfig};
use crate::error::{Code, Error, Result};

use super::address_limit::ClientAddress;
use super::credential::Caller;
use super::opens::Opens;
use super::places::{Place, Places};

/// When a place may have become free.
const PAUSE: Duration = Duration::from_secs(5);

/// Counts the open streams of an edge.
#[derive(Debug)]
pub struct StreamLimit {
    callers: Arc<Places>,
    addresses: Arc<Places>,
    opens: Mutex<Opens>,
    per_caller: usize,
    per_address: usize,
}

/// The place of one stream; held as long as it is open.
#[derive(Debug)]
pub struct StreamPlace {
    _caller: Option<Place>,
    _address: Option<Place>,
}

impl StreamLimit {
    pub fn new(limits: &LimitsConfig, streams: &StreamsConfig) -> Self {
        let opens = Opens::new(streams.opens_per_second, streams.opens_burst, Instant::now());
        Self {
            callers: Arc::default(),
            addresses: Arc::default(),
            opens: Mutex::new(opens),
            per_caller: limits.streams_per_caller,
            per_address: limits.streams_per_address,
        }
    }

    /// A place for one more stream of this caller; `extensions` are those of its request.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when the caller, or its address, has too many; UNAVAILABLE when too many are opened just now.
    /// Both say when to come back.
    pub fn admit(&self, caller: &Caller, extensions: &Extensions) -> Result<StreamPlace> {
        let caller = match caller.name() {
            Some(name) => Some(
                self.callers
                    .take(&name, self.per_caller)
                    .ok_or_else(|| too_many("This caller", "caller", self.per_caller))?,
            ),
            None => None,
        };
        let address = match extensions.get::<ClientAddress>() {
            Some(address) => Some(
                self.addresses
                    .take(&address.0, self.per_address)
                    .ok_or_else(|| too_many("This network address", "address", self.per_address))?,
            ),
            None => None,
        };
        let mut opens = self.opens.lock().unwrap_or_else(PoisonError::into_inner);
        opens.open(Instant::now()).map_err(overload)?;
        Ok(StreamPlace { _caller: caller, _address: address })
    }
}

fn too_many(who: &str, setting: &str, most: usize) -> Error {
    let message = format!(
        "{who} has {most} streams open, as many as `limits.streams_per_{setting}` of the edge allows. Close those that \
         nobody reads, or let the tabs of a browser share one."
    );
    let error = Error::new(Code::ResourceExhausted, "STREAMS_EXHAUSTED", message);
    error.retry_after(jittered(PAUSE))
}

fn overload(wait: Duration) -> Error {
    let message = "Too many streams are opened at once, more than `streams.opens_per_second` of the edge. Connect again \
         as `Retry-After` says: it is this client's own turn.";
    Error::new(Code::Unavailable, "OVERLOAD", message).retry_after(jittered(wait))
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.8..=1.2))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::identity::Claims;

    fn limit(per_caller: usize, per_address: usize, opens: u32) -> StreamLimit {
        let limits = LimitsConfig {
            streams_per_caller: per_caller,
            streams_per_address: per_address,
            ..LimitsConfig::default()
        };
        let streams = StreamsConfig { opens_per_second: 1, opens_burst: opens, ..StreamsConfig::default() };
        StreamLimit::new(&limits, &streams)
    }

    fn caller(sub: &str) -> Caller {
        let claims = Claims { iss: "issuer".into(), sub: sub.into(), ..Claims::default() };
        let mut caller = Caller::default();
        caller.claims = Some(claims.into());
        caller
    }

    fn from(address: &str) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(ClientAddress(address.parse::<IpAddr>().unwrap()));
        extensions
    }

    #[test]
    fn callers_and_addresses_are_counted_each_for_itself() {
        let limit = limit(2, 3, 100);
        let (home, work) = (from("192.0.2.1"), from("192.0.2.2"));
        let mut held = vec![limit.admit(&caller("alice"), &home).unwrap()];
        held.push(limit.admit(&caller("alice"), &work).unwrap());
        let third = limit.admit(&caller("alice"), &home).unwrap_err();
        assert_eq!((third.http_status().as_u16(), third.reason_text()), (429, "STREAMS_EXHAUSTED"));
        assert!(third.message().contains("limits.streams_per_caller") && third.retry_delay().is_some());
        held.push(limit.admit(&caller("bob"), &home).unwrap());
        held.push(limit.admit(&Caller::default(), &home).unwrap());
        let full = limit.admit(&caller("carol"), &home).unwrap_err();
        assert!(full.message().contains("limits.streams_per_address"), "{full}");
        assert!(limit.admit(&caller("carol"), &work).is_ok());
        held.clear();
        assert!(limit.admit(&caller("alice"), &home).is_ok());
    }

    #[test]
    fn who_is_refused_takes_no_place() {
        let limit = limit(1, 1, 1);
        let held = limit.admit(&caller("alice"), &from("192.0.2.1")).unwrap();
        drop(held);
        for _ in 0..3 {
            let error = limit.admit(&caller("alice"), &from("192.0.2.1")).unwrap_err();
            assert_eq!((error.http_status().as_u16(), error.reason_text()), (503, "OVERLOAD"));
        }
    }
}
