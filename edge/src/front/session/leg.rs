//! `GET /stream?fallback=1`: the same session as an event stream, for those who cannot keep a WebSocket.
//!
//! With `topics=…` (the repeated field by which a stream is split) a native EventSource reads such a stream without saying
//! anything: its call is opened for it, and its ids are cursors.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde_json::json;

use crate::deliver::{Lasting, stream_headers};
use crate::ending::Ending;
use crate::error::{Code, Error, Result};
use crate::layer::{RouteName, advise, challenge, draining};
use crate::schema::{Method, Schema};
use crate::session::frame::Credential;
use crate::session::{Hello, Open, Payload};
use crate::transcode::{Parameter, query};

use super::super::lobby::{Carrier, Form, pipe};
use super::super::state::{Front, Shared};
use super::begin::{settle, start_with, who};

/// Answers with the frames of a session.
pub async fn serve(State(front): State<Shared>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let answered = answer(&front, &head).await;
    let mut response = answered.unwrap_or_else(|error| {
        front.sessions.counts.refused.up();
        advise(&front.config.auth, challenge(error)).into_response()
    });
    response.extensions_mut().insert(RouteName("GET /stream".into()));
    response
}

async fn answer(front: &Shared, head: &Parts) -> Result<Response> {
    if front.drain.begun().is_cancelled() {
        return Err(draining());
    }
    let parameters = query::parse(head.uri.query().unwrap_or_default())?;
    let (mut hello, rest) = hello(&parameters)?;
    // Here a refusal has a status that can be read.
    let credentials = who(front, head, &mut hello).await?;
    let bare = bare(front, head, &rest)?;
    front.sessions.counts.legs.up();
    let (pipe, body) = pipe(Form::Events { with_ids: bare.is_some() });
    let carrier = Carrier::Leg(pipe);
    match bare {
        Some(open) => start_with(front, carrier, credentials, open)?,
        // Dropping what is unsettled ends the stream, behind what was said.
        None => drop(settle(front, credentials, carrier, hello, None)),
    }
    let mut response = (stream_headers("text/event-stream; charset=utf-8"), body).into_response();
    response.extensions_mut().insert(Ending::default());
    response.extensions_mut().insert(Lasting);
    Ok(response)
}

/// What `hello` would say, and the parameters that are left.
fn hello(parameters: &[Parameter]) -> Result<(Hello, Vec<&Parameter>)> {
    let (mut hello, mut rest) = (Hello::default(), Vec::new());
    for parameter in parameters {
        let value = parameter.value.clone();
        match parameter.name.as_str() {
            "fallback" => {}
            "session" => hello.session = value,
            "ticket" => hello.credential = Some(Credential::Ticket(value)),
            "received" => {
                let number =
                    value.parse().map_err(|_| Error::field("received", "must be a number of a frame"))?;
                hello.received = number;
            }
            _ => rest.push(parameter),
        }
    }
    Ok((hello, rest))
}

/// The call that a native EventSource asks for; none when it speaks for itself.
fn bare(front: &Front, head: &Parts, parameters: &[&Parameter]) -> Result<Option<Open>> {
    let mut parameters = parameters.to_vec();
    let given = |name: &str, parameters: &mut Vec<&Parameter>| {
        let at = parameters.iter().position(|parameter| parameter.name == name)?;
        Some(parameters.remove(at).value.clone())
    };
    let method = given("method", &mut parameters);
    let in_query = given("cursor", &mut parameters).unwrap_or_default();
    let Some(first) = parameters.first() else { return Ok(None) };
    let (name, schema) = (first.name.as_str(), front.loaded()?);
    let found = splitting(&schema, name, method.as_deref())?;
    if let Some(other) = parameters.iter().find(|parameter| parameter.name != name) {
        return Err(Error::field(other.name.as_str(), "is no parameter of this path"));
    }
    let values: Vec<&str> = parameters.iter().map(|parameter| parameter.value.as_str()).collect();
    let id = head.headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    Ok(Some(Open {
        call: 1,
        method: found.name().to_owned(),
        payload: Some(Payload::Json(json!({ name: values }).to_string().into())),
        // EventSource repeats its first URL: what it saw last is newer.
        cursor: if id.is_empty() { in_query } else { id.to_owned() },
        credit: u32::MAX,
        encoding: None,
        timeout_ms: 0,
        headers: BTreeMap::new(),
    }))
}

/// The method whose streams are split by this field.
fn splitting<'a>(schema: &'a Schema, field: &str, method: Option<&str>) -> Result<&'a Method> {
    let splits = |method: &Method| {
        let split = method.stream.as_ref().and_then(|stream| stream.split.as_ref());
        split.is_some_and(|split| split.many.name() == field || split.many.json_name() == field)
    };
    let is_meant = |name: &str| method.is_none_or(|method| method == name);
    let mut found: Vec<&Method> = schema
        .methods
        .values()
        .map(AsRef::as_ref)
        .filter(|method| is_meant(method.name()) && splits(method))
        .collect();
    found.sort_by_key(|method| method.name());
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(Error::field(field, "is no parameter of this path, and splits no stream of the backend")),
        several => {
            let names: Vec<&str> = several.iter().map(|method| method.name()).collect();
            let message = format!(
                "Several streams are split by `{field}`: add `method=` with one of {}.",
                names.join(", ")
            );
            Err(Error::new(Code::InvalidArgument, "FIELD_INVALID", message))
        }
    }
}
