//! One call by one of these faces: what it is for, who makes it, and how it reaches the backend.

use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::Instant;

use crate::ending::Ending;
use crate::error::Result;
use crate::error_style::ErrorStyle;
use crate::identity::Standing;
use crate::layer::{Caller, draining, last_words};
use crate::schema::{Method, Schema};
use crate::upstream::{Forward, Sending, deadline, metadata};

use super::super::state::Shared;
use super::clocks::{Clocks, Leave};
use super::download::Download;
use super::fault::Fault;

/// What is called.
#[derive(Debug, Clone)]
pub enum Target {
    Method(Arc<Method>),
    /// A service of every backend, which the schema need not know: health and reflection.
    Common(PathAndQuery),
}

impl Target {
    pub fn method(&self) -> Option<&Arc<Method>> {
        match self {
            Self::Method(method) => Some(method),
            Self::Common(_) => None,
        }
    }

    fn path(&self) -> &PathAndQuery {
        match self {
            Self::Method(method) => &method.path,
            Self::Common(path) => path,
        }
    }

    /// Whether it streams; unknown of what the schema does not have.
    pub fn streams(&self) -> Option<bool> {
        let descriptor = &self.method()?.descriptor;
        Some(descriptor.is_client_streaming() || descriptor.is_server_streaming())
    }

    fn is_unary(&self) -> bool {
        self.streams() == Some(false)
    }
}

/// A call with its caller.
#[derive(Debug)]
pub struct Call {
    pub front: Shared,
    pub schema: Arc<Schema>,
    pub target: Target,
    pub head: Parts,
    pub caller: Caller,
    pub deadline: Option<Instant>,
}

impl Call {
    /// A unary call always has a deadline; a stream only when its caller asks for one.
    pub fn new(
        front: Shared,
        schema: Arc<Schema>,
        target: Target,
        head: Parts,
        caller: Caller,
    ) -> Result<Self> {
        let requested = deadline::requested(&head.headers)?;
        let timeout = match target.is_unary() {
            true => {
                let limits = [Some(front.config.calls.timeout), front.upstream.limit(target.path().path())];
                limits.into_iter().flatten().chain(requested).min()
            }
            false => requested,
        };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(Self { front, schema, target, head, caller, deadline })
    }

    /// Sends the call; completes with the head of the answer. Of the headers, `own` come from the face.
    pub async fn forward(&self, own: HeaderMap, sending: Sending, fault: Fault) -> Result<Download> {
        let mut headers = metadata::pass(&self.head.headers, &self.front.request_headers)?;
        headers.extend(own);
        if let Some(authorization) = &self.caller.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let place = match self.target.is_unary() {
            true => None,
            false if self.front.drain.begun().is_cancelled() => return Err(draining()),
            false => Some(self.front.stream_limit.admit(&self.caller, &self.head.extensions)?),
        };
        let upload = fault.until_over();
        let clocks = self.clocks(fault);
        let path = self.target.path().clone();
        let forward = Forward { path, headers, deadline: self.deadline };
        let answer = clocks.within(self.front.upstream.forward(forward, sending)).await?;
        let (allowed, reveal) =
            (self.front.response_headers.clone(), ErrorStyle::of(&self.front.config).reveal);
        Ok(Download { answer, clocks, allowed, reveal, upload, ending: Ending::default(), place })
    }

    /// Does what comes before the call, such as reading its body, in the call's own time.
    pub async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.clocks(Fault::default()).within(work).await
    }

    /// A unary call is brought to its end: the caller's token does not interrupt it, a shutdown only when it cannot wait
    /// any longer. A stream goes on in a shutdown until its turn comes.
    fn clocks(&self, fault: Fault) -> Clocks {
        let (standing, leave) = match self.target.is_unary() {
            true => (Standing::default(), Leave::At(last_words(&self.head.extensions))),
            false => (self.caller.standing(), Leave::InTurn(self.front.drain.one())),
        };
        Clocks { deadline: self.deadline, standing, leave, fault }
    }

    /// The request headers of these names, which a face passes on as they are.
    pub fn given(&self, names: &[HeaderName]) -> HeaderMap {
        let values =
            |name: &HeaderName| self.head.headers.get(name).map(|value| (name.clone(), value.clone()));
        names.iter().filter_map(values).collect()
    }
}

/// `application/grpc` and the codec that a content type names behind `+`.
pub fn grpc_content_type(media: &str) -> HeaderValue {
    let plain = HeaderValue::from_static("application/grpc");
    match media.split_once('+') {
        Some((_, codec)) => HeaderValue::try_from(format!("application/grpc+{codec}")).unwrap_or(plain),
        None => plain,
    }
}
