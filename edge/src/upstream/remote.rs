//! All backends: each call goes to the one that serves its service.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};
use tonic::{Code, Status};

use super::backend::{Backend, Tried};
use super::body::Outgoing;
use super::endpoint::Counted;
use super::news::News;

/// All backends, in the order of the settings.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) backends: Vec<Arc<Backend>>,
    pub(super) news: News,
    served: ArcSwap<Served>,
}

/// What the schema says of the backends.
#[derive(Debug, Default)]
pub struct Served {
    /// Which backend serves a service, by its full name.
    pub services: HashMap<String, usize>,
    /// The paths of methods that change nothing, or the same however often they are called.
    pub repeatable: HashSet<String>,
}

impl Remote {
    pub(super) fn new(backends: Vec<Arc<Backend>>, news: News) -> Self {
        Self { backends, news, served: ArcSwap::default() }
    }

    pub(super) fn serve(&self, served: Served) {
        self.served.store(Arc::new(served));
    }

    pub(super) fn is_repeatable(&self, path: &str) -> bool {
        self.served.load().repeatable.contains(path)
    }

    /// The backend that serves `/package.Service/Method`.
    pub(super) fn find(&self, path: &str) -> Option<&Arc<Backend>> {
        match self.backends.as_slice() {
            [only] => Some(only),
            several => several.get(*self.served.load().services.get(service_of(path))?),
        }
    }

    /// `tried` leaves out where the call was already tried.
    pub(super) async fn send(
        &self,
        request: Request<Outgoing>,
        tried: Option<&mut Tried>,
    ) -> Result<Response<Counted>, Status> {
        let uri = request.uri().clone();
        let Some(backend) = self.find(uri.path()) else {
            return Err(Status::unimplemented(format!("no upstream serves `{}`", service_of(uri.path()))));
        };
        let response = backend.send(request, tried).await?;
        if says_unimplemented(&response) && self.is_served(uri.path()) {
            self.news.tell();
        }
        Ok(response)
    }

    fn is_served(&self, path: &str) -> bool {
        self.served.load().services.contains_key(service_of(path))
    }
}

fn service_of(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').map_or(path, |(service, _)| service)
}

/// A server that does not know a method says so in the headers.
fn says_unimplemented(response: &Response<Counted>) -> bool {
    let status = response.headers().get("grpc-status").and_then(|status| status.to_str().ok());
    status.and_then(|status| status.parse().ok()) == Some(Code::Unimplemented as i32)
}
