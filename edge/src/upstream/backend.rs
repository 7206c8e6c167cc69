//! One backend: equal endpoints that share its calls, found again and again under its names.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Request, Response};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tonic::Status;

use super::body::Outgoing;
use super::budget::Budget;
use super::endpoint::{Counted, Endpoint};
use super::failure::{Failure, NoAddress};
use super::manner::Manner;
use super::resolve::Names;
use super::target::Target;

/// A name that was not found, or is asked for because an endpoint failed, is looked up again after this.
const LOOKUP_PAUSE: Duration = Duration::from_secs(1);

/// One backend.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) manner: Arc<Manner>,
    /// Longest a unary call may take.
    pub(super) timeout: Option<Duration>,
    pub(super) budget: Budget,
    targets: Vec<Target>,
    names: Names,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    /// When names were last looked up, and what went wrong.
    looked_up: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
    /// An endpoint failed: perhaps the name has other addresses by now.
    doubt: Notify,
}

/// The endpoints that one call was tried on.
#[derive(Debug, Default)]
pub(super) struct Tried(Vec<Arc<Endpoint>>);

impl Backend {
    /// Keeps looking names up as long as the backend is held.
    pub(super) fn start(
        manner: Manner,
        timeout: Option<Duration>,
        targets: Vec<Target>,
        names: Names,
    ) -> Arc<Self> {
        let manner = Arc::new(manner);
        let has_names = targets.iter().any(|target| target.name().is_some());
        let fixed = targets.iter().filter(|target| target.name().is_none());
        let fixed = fixed.map(|target| Endpoint::new(Arc::clone(&manner), target.clone(), None));
        let fixed: Vec<_> = fixed.map(Arc::new).collect();
        let backend = Arc::new(Self {
            manner,
            timeout,
            budget: Budget::new(),
            targets,
            names,
            endpoints: ArcSwap::from_pointee(fixed),
            looked_up: tokio::sync::Mutex::default(),
            doubt: Notify::new(),
        });
        if has_names {
            tokio::spawn(follow(Arc::downgrade(&backend)));
        }
        backend
    }

    pub(super) fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    pub(super) async fn send(
        &self,
        request: Request<Outgoing>,
        tried: Option<&mut Tried>,
    ) -> Result<Response<Counted>, Status> {
        let endpoint = self.pick(tried).await?;
        let outcome = endpoint.send(request).await;
        if outcome.as_ref().is_err_and(|status| Failure::of_status(status).is_of_endpoint()) {
            self.doubt.notify_one();
        }
        outcome
    }

    /// The endpoint for a call: of those that can be reached and were not tried yet, the less loaded of two.
    pub(super) async fn pick(&self, tried: Option<&mut Tried>) -> Result<Arc<Endpoint>, Status> {
        if self.endpoints.load().is_empty() {
            self.find_first().await.map_err(|error| Status::from_error(Box::new(NoAddress(error))))?;
        }
        let endpoints = self.endpoints.load();
        let picked = match tried {
            None => choose(&endpoints, &[]),
            Some(Tried(tried)) => {
                let picked = choose(&endpoints, tried);
                tried.extend(picked.clone());
                picked
            }
        };
        picked.ok_or_else(|| Status::from_error(Box::new(NoAddress("no endpoint is left".into()))))
    }

    /// One lookup for all calls that wait for a first address.
    async fn find_first(&self) -> Result<(), String> {
        let mut looked_up = self.looked_up.lock().await;
        match &*looked_up {
            _ if !self.endpoints.load().is_empty() => Ok(()),
            Some((at, Err(error))) if at.elapsed() < LOOKUP_PAUSE => Err(error.clone()),
            _ => {
                let outcome = self.find().await;
                *looked_up = Some((Instant::now(), outcome.clone()));
                outcome
            }
        }
    }

    async fn find_again(&self) {
        let mut looked_up = self.looked_up.lock().await;
        let outcome = self.find().await;
        let is_news = |error: &String| !matches!(&*looked_up, Some((_, Err(known))) if known == error);
        if let Some(error) = outcome.as_ref().err().filter(|error| is_news(error)) {
            tracing::warn!(upstream = self.manner.name, error, "a name is not found; known endpoints stay");
        }
        *looked_up = Some((Instant::now(), outcome));
    }

    /// Looks all names up. A name that is not found keeps the endpoints it had.
    async fn find(&self) -> Result<(), String> {
        let known = self.endpoints.load_full();
        let (mut found, mut outcome) = (Vec::new(), Ok(()));
        for target in &self.targets {
            let of_target = |endpoint: &&Arc<Endpoint>| endpoint.is_at(target);
            let Some((host, port)) = target.name() else {
                found.extend(known.iter().filter(of_target).cloned());
                continue;
            };
            match self.names.look_up(host, port).await {
                Ok(addresses) if !addresses.is_empty() => {
                    found.extend(self.endpoints_at(target, addresses, &known));
                }
                failed => {
                    let cause =
                        failed.err().map_or("it has no address".to_owned(), |error| error.to_string());
                    outcome = Err(format!("{host}: {cause}"));
                    found.extend(known.iter().filter(of_target).cloned());
                }
            }
        }
        self.replace(&known, found);
        outcome
    }

    fn endpoints_at(
        &self,
        target: &Target,
        mut addresses: Vec<SocketAddr>,
        known: &[Arc<Endpoint>],
    ) -> Vec<Arc<Endpoint>> {
        addresses.sort_unstable();
        addresses.dedup();
        let endpoint = |address| {
            let same = known.iter().find(|known| known.is_at(target) && known.address == Some(address));
            let new = || Endpoint::new(Arc::clone(&self.manner), target.clone(), Some(address));
            same.map_or_else(|| Arc::new(new()), Arc::clone)
        };
        addresses.into_iter().map(endpoint).collect()
    }

    /// Endpoints that are left out get no new calls; those under way hold them until they end.
    fn replace(&self, known: &[Arc<Endpoint>], found: Vec<Arc<Endpoint>>) {
        let holds =
            |list: &[Arc<Endpoint>], one: &Arc<Endpoint>| list.iter().any(|other| Arc::ptr_eq(other, one));
        for new in found.iter().filter(|one| !holds(known, one)) {
            tracing::info!(upstream = self.manner.name, endpoint = new.describe(), "an endpoint is found");
        }
        for gone in known.iter().filter(|one| !holds(&found, one)) {
            let (endpoint, calls) = (gone.describe(), gone.load());
            tracing::info!(
                upstream = self.manner.name,
                endpoint,
                calls,
                "an endpoint is gone; its calls end"
            );
        }
        self.endpoints.store(Arc::new(found));
    }
}

/// Looks names up until nobody holds the backend.
async fn follow(backend: Weak<Backend>) {
    loop {
        let Some(held) = backend.upgrade() else { return };
        held.find_again().await;
        let every = held.names.every;
        tokio::select! {
            () = sleep(every) => {}
            // Not more often than names are looked up at all, when a test says so.
            () = async { held.doubt.notified().await; sleep(LOOKUP_PAUSE.min(every)).await } => {}
        }
    }
}

fn choose(endpoints: &[Arc<Endpoint>], tried: &[Arc<Endpoint>]) -> Option<Arc<Endpoint>> {
    let is_new = |endpoint: &Arc<Endpoint>| !tried.iter().any(|other| Arc::ptr_eq(other, endpoint));
    // When all are set aside, all are asked: it cannot get worse. One whose breaker is open refuses by itself.
    less_loaded(endpoints, |endpoint| !endpoint.is_aside() && is_new(endpoint) && endpoint.is_open_to_calls())
        .or_else(|| less_loaded(endpoints, |endpoint| is_new(endpoint) && endpoint.is_open_to_calls()))
        .or_else(|| less_loaded(endpoints, |endpoint| !endpoint.is_aside() && endpoint.is_open_to_calls()))
        .or_else(|| less_loaded(endpoints, is_new))
        .or_else(|| less_loaded(endpoints, |endpoint| !endpoint.is_aside()))
        .or_else(|| less_loaded(endpoints, |_| true))
}

/// Two at random, and of those the one with fewer calls: nearly as even as the least of all, and calls do not all run to
/// an endpoint that has just come.
fn less_loaded(endpoints: &[Arc<Endpoint>], may: impl Fn(&Arc<Endpoint>) -> bool) -> Option<Arc<Endpoint>> {
    let count = endpoints.iter().filter(|endpoint| may(endpoint)).count();
    let nth = |place| endpoints.iter().filter(|endpoint| may(endpoint)).nth(place);
    let (first, second) = match count {
        0 => return None,
        1 => (nth(0), None),
        _ => {
            let first = rand::random_range(0..count);
            let second = (first + rand::random_range(1..count)) % count;
            (nth(first), nth(second))
        }
    };
    [first, second].into_iter().flatten().min_by_key(|endpoint| endpoint.load()).cloned()
}

impl Tried {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}
