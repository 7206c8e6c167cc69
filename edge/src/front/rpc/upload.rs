//! The request body on its way to the backend: pulled, never queued.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http_body_util::BodyExt;

use crate::error::{Error, Result};

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
}

/// A body of gRPC frames. It has no length that could be told: what the client announced is of its own form.
pub fn upload(body: Body, inbound: Box<dyn Inbound>, fault: Fault) -> Body {
    let upload = Upload { body, inbound, fault };
    Body::from_stream(try_unfold(upload, |mut upload| async move {
        let fault = upload.fault.clone();
        let next = tokio::select! {
            biased;
            () = fault.over() => return Err(Stopped),
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
                self.inbound.push(chunk)?;
            }
        }
        self.inbound.end()?;
        Ok(None)
    }
}
