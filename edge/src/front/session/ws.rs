//! `/ws`: the handshake of a WebSocket, by HTTP/1.1 (RFC 6455, section 4.2) or HTTP/2 (RFC 8441, section 5).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::ext::Protocol;

use crate::deliver::websocket::accept_key;
use crate::error::{Code, Error, Result};
use crate::layer::{ClientAddress, RouteName};

use super::super::lobby::{Carrier, Form, Socket};
use super::super::state::Shared;
use super::begin::begin;

/// What a frame may take around its message.
const AROUND: usize = 16 * 1024;

/// Answers the handshake; what is refused is refused behind it, in band.
pub async fn serve(State(front): State<Shared>, mut request: Request) -> Response {
    let agreed = match request.method() {
        &Method::CONNECT => connect(&request),
        _ => shake(request.headers()),
    };
    let (form, status, headers) = match agreed {
        Ok(agreed) => agreed,
        Err(error) => return error.into_response(),
    };
    let upgrading = hyper::upgrade::on(&mut request);
    let (head, _) = request.into_parts();
    let limit = front.config.limits.body_bytes.saturating_add(AROUND);
    let tasks = front.sessions.tasks.clone();
    tasks.spawn(async move {
        let Ok(upgraded) = upgrading.await else { return };
        let address = head.extensions.get::<ClientAddress>();
        let client = address.map_or_else(String::new, |address| address.0.to_string());
        let carrier = Carrier::Socket(Box::new(Socket::new(upgraded, form, limit)));
        begin(front, head, carrier, client).await;
    });
    let mut response = (status, headers, Body::empty()).into_response();
    response.extensions_mut().insert(RouteName("GET /ws".into()));
    response
}

/// What both sides agree upon, and how that is said.
type Agreed = (Form, StatusCode, HeaderMap);

/// On a stream of HTTP/2 the connection itself proves that a server of WebSockets answers: there is no key.
fn connect(request: &Request) -> Result<Agreed> {
    if request.extensions().get::<Protocol>().map(Protocol::as_str) != Some("websocket") {
        return Err(invalid("Ask for the protocol `websocket` (RFC 8441)."));
    }
    let given = request.headers();
    check_version(given)?;
    let (protocol, form) = subprotocol(given)?;
    let headers = [(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol))];
    Ok((form, StatusCode::OK, headers.into_iter().collect()))
}

fn has(given: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = given.get_all(name);
    let mut values = values.iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
}

fn text(given: &HeaderMap, name: HeaderName) -> Option<&str> {
    given.get(name).and_then(|value| value.to_str().ok())
}

fn check_version(given: &HeaderMap) -> Result<()> {
    if text(given, header::SEC_WEBSOCKET_VERSION) == Some("13") {
        return Ok(());
    }
    let version = HeaderValue::from_static("13");
    Err(invalid("Speak version 13 of the protocol.").header(header::SEC_WEBSOCKET_VERSION, version))
}

fn subprotocol(given: &HeaderMap) -> Result<(&'static str, Form)> {
    let is_offered = |(name, _): &&(&str, Form)| has(given, header::SEC_WEBSOCKET_PROTOCOL, name);
    Form::SUBPROTOCOLS.iter().find(is_offered).copied().ok_or_else(|| {
        invalid(
            "Offer the subprotocol `lastmile.v1.json` or `lastmile.v1.proto` in `Sec-WebSocket-Protocol`.",
        )
    })
}

fn shake(given: &HeaderMap) -> Result<Agreed> {
    if !has(given, header::UPGRADE, "websocket") || !has(given, header::CONNECTION, "upgrade") {
        let message = "This path takes WebSockets: connect with `new WebSocket(url, \"lastmile.v1.json\")`.";
        return Err(Error::new(Code::FailedPrecondition, "UPGRADE_REQUIRED", message)
            .status(StatusCode::UPGRADE_REQUIRED)
            .header(header::UPGRADE, HeaderValue::from_static("websocket"))
            .header(header::CONNECTION, HeaderValue::from_static("upgrade")));
    }
    check_version(given)?;
    let accepted = text(given, header::SEC_WEBSOCKET_KEY).and_then(accept_key);
    let accepted = accepted.and_then(|accepted| HeaderValue::try_from(accepted).ok());
    let accepted = accepted.ok_or_else(|| invalid("`Sec-WebSocket-Key` must be 16 bytes in base64."))?;
    let (protocol, form) = subprotocol(given)?;
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accepted),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol)),
    ];
    Ok((form, StatusCode::SWITCHING_PROTOCOLS, headers.into_iter().collect()))
}

fn invalid(message: &str) -> Error {
    Error::new(Code::InvalidArgument, "HANDSHAKE_INVALID", message)
}
