//! `POST /stream/{session}`: frames of the client beside its event stream.
//!
//! `?first=N` is the number of the first counted frame in the body. Frames that the session has already are passed over, so
//! a request that may have arrived is sent again without harm.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::{Code, Error, Result};
use crate::layer::{RouteName, advise, challenge};
use crate::session::{ClientFrame, read_text};
use crate::transcode::{Pieces, query};

use super::super::lobby::{Mail, Refused};
use super::super::state::Shared;
use super::verify::verify;

/// Hands the frames of the body to their session.
pub async fn serve(State(front): State<Shared>, Path(session): Path<String>, request: Request) -> Response {
    let answered = answer(&front, &session, request).await;
    let mut response = match answered {
        Ok(received) => Json(json!({ "received": received })).into_response(),
        Err(error) => advise(&front.config.auth, challenge(error)).into_response(),
    };
    response.extensions_mut().insert(RouteName("POST /stream/{session}".into()));
    response
}

async fn answer(front: &Shared, session: &str, request: Request) -> Result<u32> {
    let (head, body) = request.into_parts();
    let first = first(head.uri.query().unwrap_or_default())?;
    let credentials = verify(front, &head, None).await?;
    let found = front.sessions.find(session, &credentials.identity).ok_or_else(unknown)?;
    let limits = &front.config.limits;
    let body = timeout(limits.body_timeout, collect(body, limits.body_bytes)).await.unwrap_or_else(|_| {
        let error = Error::new(Code::DeadlineExceeded, "BODY_TIMEOUT", "The body took too long to arrive.");
        Err(error.status(StatusCode::REQUEST_TIMEOUT))
    })?;
    let frames = frames(&head.headers, &body)?;
    let (answer, answered) = oneshot::channel();
    found.0.send(Mail::Post { first, frames, answer }).map_err(|_| unknown())?;
    // A session that ends meanwhile lets go of it.
    answered.await.map_err(|_| unknown())?.map_err(refused)
}

fn first(text: &str) -> Result<u32> {
    let parameters = query::parse(text)?;
    let first = parameters.iter().find(|parameter| parameter.name == "first");
    let first =
        first.ok_or_else(|| Error::field("first", "must be the number of the first frame in the body"))?;
    let number = first.value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Error::field("first", "must be a whole number from 1"))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("The body is larger than {limit} bytes. Send fewer frames at once.");
            let error = Error::new(Code::ResourceExhausted, "BODY_TOO_LARGE", message);
            Err(error.status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Err(_) => {
            Err(Error::new(Code::InvalidArgument, "BODY_CUT", "The body ended before it was complete."))
        }
    }
}

/// One frame, an array of them, or one a line.
fn frames(headers: &HeaderMap, body: &Bytes) -> Result<Vec<ClientFrame>> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let mut pieces = if media.contains("ndjson") { Pieces::lines() } else { Pieces::document() };
    pieces.feed(body);
    let mut frames = Vec::new();
    while let Some(piece) = pieces.next(true)? {
        frames.push(read(&piece)?);
    }
    Ok(frames)
}

fn read(piece: &Bytes) -> Result<ClientFrame> {
    read_text::read(piece).map_err(|violation| refused(Refused::Violation(violation.message)))
}

/// No session of this name is here for this caller.
pub fn unknown() -> Error {
    let message = "No such session is on this edge. Begin a new one: streams go on by their cursors.";
    Error::new(Code::NotFound, "SESSION_UNKNOWN", message)
}

fn refused(why: Refused) -> Error {
    match why {
        Refused::Ahead(received) => {
            let message = format!("The session has frames up to {received}: send those that follow.");
            Error::new(Code::Aborted, "FRAMES_AHEAD", message)
        }
        Refused::Superseded => {
            let message = "Another connection carries this session: send frames there.";
            Error::new(Code::Aborted, "SESSION_SUPERSEDED", message)
        }
        Refused::Violation(message) => Error::new(Code::InvalidArgument, "FRAME_INVALID", message),
    }
}
