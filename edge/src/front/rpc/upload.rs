//! The request body on its way to the backend: pulled, never queued.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::config::LimitsConfig;
use crate::error::{Code, Error, Result};
use crate::front::body::too_slow;

use super::clocks::reached;
use super::fault::Fault;
use super::framing::{Inbound, cut};

/// Resets the call at the backend; the client is told why by the fault.
#[derive(Debug, thiserror::Error)]
#[error("the request body ends here")]
struct Stopped;

struct Upload {
    body: Body,
    inbound: Box<dyn Inbound>,
    fault: Fault,
    bounds: Bounds,
}

/// What one body may cost in all.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes that may come.
    left: Option<usize>,
    until: Option<Instant>,
}

impl Bounds {
    /// Of a body that begins now.
    pub fn of(limits: &LimitsConfig) -> Self {
        let until = limits.upload_timeout.and_then(|time| Instant::now().checked_add(time));
        Self { left: limits.stream_bytes, until }
    }

    fn take(&mut self, bytes: usize) -> Result<()> {
        match self.left.map(|left| left.checked_sub(bytes)) {
            None => Ok(()),
            Some(Some(left)) => {
                self.left = Some(left);
                Ok(())
            }
            Some(None) => Err(too_much()),
        }
    }
}

/// A body of gRPC frames. It has no length that could be told: what the client announced is of its own form.
pub fn upload(body: Body, inbound: Box<dyn Inbound>, fault: Fault, bounds: Bounds) -> Body {
    let upload = Upload { body, inbound, fault, bounds };
    Body::from_stream(try_unfold(upload, |mut upload| async move {
        let fault = upload.fault.clone();
        let next = tokio::select! {
            biased;
            () = fault.over() => return Err(Stopped),
            () = reached(upload.bounds.until) => Err(too_slow()),
            next = upload.next() => next,
        };
        match next {
            Ok(Some(frames)) => Ok(Some((frames, upload))),
            Ok(None) => Ok(None),
            Err(error) => {
                fault.raise(error);
                Err(Stopped)
            }
        }
    }))
}

impl Upload {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(frames) = self.inbound.next()? {
                return Ok(Some(frames));
            }
            let Some(frame) = self.body.frame().await else { break };
            if let Ok(chunk) = frame.map_err(|_| cut())?.into_data() {
                self.bounds.take(chunk.len())?;
                self.inbound.push(chunk)?;
            }
        }
        self.inbound.end()?;
        Ok(None)
    }
}

fn too_much() -> Error {
    let message = "The requests of this stream are more than `limits.stream_bytes` of the edge allows. Begin another call.";
    Error::new(Code::ResourceExhausted, "BODY_TOO_LARGE", message).status(http::StatusCode::PAYLOAD_TOO_LARGE)
}
