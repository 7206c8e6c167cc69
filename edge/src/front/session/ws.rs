//! `/ws`: the handshake of a WebSocket (RFC 6455, section 4.2).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

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
    let (form, headers) = match shake(request.headers()) {
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
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response();
    response.extensions_mut().insert(RouteName("GET /ws".into()));
    response
}

/// What both sides agree upon.
fn shake(given: &HeaderMap) -> Result<(Form, HeaderMap)> {
    let has = |name: HeaderName, word: &str| {
        given
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
    };
    if !has(header::UPGRADE, "websocket") || !has(header::CONNECTION, "upgrade") {
        let message = "This path takes WebSockets: connect with `new WebSocket(url, \"lastmile.v1.json\")`.";
        return Err(Error::new(Code::FailedPrecondition, "UPGRADE_REQUIRED", message)
            .status(StatusCode::UPGRADE_REQUIRED)
            .header(header::UPGRADE, HeaderValue::from_static("websocket"))
            .header(header::CONNECTION, HeaderValue::from_static("upgrade")));
    }
    let text = |name: HeaderName| given.get(name).and_then(|value| value.to_str().ok());
    if text(header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(invalid("Speak version 13 of the protocol.")
            .header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let accepted = text(header::SEC_WEBSOCKET_KEY).and_then(accept_key);
    let accepted = accepted.and_then(|accepted| HeaderValue::try_from(accepted).ok());
    let accepted = accepted.ok_or_else(|| invalid("`Sec-WebSocket-Key` must be 16 bytes in base64."))?;
    let is_offered = |(name, _): &&(&str, Form)| has(header::SEC_WEBSOCKET_PROTOCOL, name);
    let (protocol, form) = Form::SUBPROTOCOLS.iter().find(is_offered).ok_or_else(|| {
        invalid(
            "Offer the subprotocol `lastmile.v1.json` or `lastmile.v1.proto` in `Sec-WebSocket-Protocol`.",
        )
    })?;
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accepted),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol)),
    ];
    Ok((*form, headers.into_iter().collect()))
}

fn invalid(message: &str) -> Error {
    Error::new(Code::InvalidArgument, "HANDSHAKE_INVALID", message)
}
