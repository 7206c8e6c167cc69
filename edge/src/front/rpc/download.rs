//! The backend's answer on its way to the client: pulled, never queued, and ended in so many words.

use std::convert::Infallible;
use std::future::ready;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderMap, HeaderName};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio_util::sync::DropGuard;

use crate::ending::Ending;
use crate::error::Error;
use crate::layer::StreamPlace;
use crate::upstream::Answer;

use super::clocks::Clocks;
use super::framing::{Failed, Outbound, answer_cut};
use super::trailers;

/// What comes next of an answer.
#[derive(Debug)]
pub enum Part {
    Data(Bytes),
    /// The trailers; nothing follows.
    End(HeaderMap),
}

/// An answer that ends when its clocks say so; dropping it cancels the call.
#[derive(Debug)]
pub struct Download {
    pub answer: Answer,
    pub clocks: Clocks,
    /// Metadata that may pass.
    pub allowed: Vec<HeaderName>,
    /// Backends' own faults are told in their own words.
    pub reveal: bool,
    /// Ends the upload too.
    pub upload: DropGuard,
    /// For the access log.
    pub ending: Ending,
    /// Of a stream among all.
    pub place: Option<StreamPlace>,
}

impl Download {
    /// The trailers of an answer that is over with its head ("Trailers-Only").
    pub fn trailers_only(&self) -> Option<HeaderMap> {
        let given = &self.answer.headers;
        given.contains_key(trailers::STATUS).then(|| trailers::passed(given, &self.allowed, self.reveal))
    }

    pub async fn next(&mut self) -> Part {
        let Self { answer, clocks, allowed, reveal, .. } = self;
        let frame = match clocks.within(answer.frame()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return ended(&answer_cut()),
            Err(error) => return ended(&error),
        };
        match frame.into_data() {
            Ok(chunk) => Part::Data(chunk),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) if trailers.contains_key(trailers::STATUS) => {
                    Part::End(trailers::passed(&trailers, allowed, *reveal))
                }
                _ => ended(&answer_cut()),
            },
        }
    }

    /// The response, which has no headers yet.
    pub fn into_response(self, outbound: Box<dyn Outbound>) -> Response {
        let ending = self.ending.clone();
        let writer = Writer { ending: ending.clone(), state: State::Open(Box::new(self)), outbound };
        let mut response =
            Response::new(Body::new(StreamBody::new(unfold(writer, |mut writer| async move {
                let frame = writer.step().await?;
                Some((Ok::<_, Infallible>(frame), writer))
            }))));
        response.extensions_mut().insert(ending);
        response
    }
}

struct Writer {
    ending: Ending,
    state: State,
    outbound: Box<dyn Outbound>,
}

enum State {
    Open(Box<Download>),
    Ending(HeaderMap),
    Ended,
}

impl Writer {
    async fn step(&mut self) -> Option<Frame<Bytes>> {
        loop {
            let part = match &mut self.state {
                State::Open(download) => {
                    match download.clocks.within(ready(Ok(self.outbound.next()))).await {
                        Ok(Ok(Some(chunk))) => return Some(Frame::data(chunk)),
                        Ok(Ok(None)) => download.next().await,
                        Ok(Err(Failed { before, error })) => {
                            self.state = State::Ending(trailers::of_error(&error));
                            if before.is_empty() {
                                continue;
                            }
                            return Some(Frame::data(before));
                        }
                        Err(error) => ended(&error),
                    }
                }
                State::Ending(trailers) => Part::End(std::mem::take(trailers)),
                State::Ended => return None,
            };
            match part {
                Part::Data(chunk) => self.outbound.push(chunk),
                Part::End(trailers) => {
                    let is_cut = trailers::is_ok(&trailers) && !self.outbound.is_between();
                    let trailers = if is_cut { trailers::of_error(&answer_cut()) } else { trailers };
                    // The call is dropped at once, also when the client is slow to read its end.
                    self.state = State::Ended;
                    self.ending.tell(trailers::ending(&trailers).text().to_owned());
                    return Some(self.outbound.end(&trailers));
                }
            }
        }
    }
}

fn ended(error: &Error) -> Part {
    tracing::debug!(%error, "a call failed");
    Part::End(trailers::of_error(error))
}
