//! A call by gRPC, gRPC-Web or Connect through the inner guards: method, form, credentials, rate by caller.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method as HttpMethod, StatusCode, Version, header};

use crate::config::PathsConfig;
use crate::error::{Code, Error, Result};
use crate::layer::{Caller, Cookies, RouteName, StaleCookie, advise};
use crate::schema::method::Effects;
use crate::schema::{Method, Schema};

use super::super::admit::admit;
use super::super::state::{Front, Shared};
use super::call::{Call, Target};
use super::kind::Kind;
use super::refuse::refuse;
use super::{connect, grpc, grpc_web, grpc_web_cookies};

/// Served without a credential where developers are: what `/.well-known/lastmile/descriptors` tells, they tell too.
const COMMON: [&str; 3] = [
    "grpc.reflection.v1.ServerReflection/",
    "grpc.reflection.v1alpha.ServerReflection/",
    "grpc.health.v1.Health/",
];
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const UNARY: &str = "application/json, application/proto, application/grpc, application/grpc+proto, \
     application/grpc-web, application/grpc-web+proto, application/grpc-web-text, application/grpc-web-text+proto";
const STREAM: &str = "application/connect+json, application/connect+proto, application/grpc, \
     application/grpc+proto, application/grpc-web, application/grpc-web+proto, application/grpc-web-text, \
     application/grpc-web-text+proto";

/// Which method a request calls by one of these faces; `None` is left to the bindings of REST.
pub fn called(paths: &PathsConfig, schema: &Schema, request: &Request) -> Option<(Kind, String)> {
    let (kind, path) = (Kind::of(request)?, request.uri().path());
    let behind = path.strip_prefix(&paths.prefix).and_then(|rest| rest.strip_prefix('/'));
    let name = match (behind, kind) {
        (Some(name), _) => name,
        // Its clients know hosts, not prefixes.
        (None, Kind::Grpc) => path.strip_prefix('/').unwrap_or(path),
        (None, _) => path,
    };
    (kind.is_unmistakable() || schema.methods.contains_key(name)).then(|| (kind, name.to_owned()))
}

/// Answers a request for the method of this name, `package.Service/Method`.
pub async fn serve(front: Shared, schema: Arc<Schema>, kind: Kind, name: &str, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let route = schema.methods.get(name).map(|method| RouteName(format!("RPC {}", method.name()).into()));
    let auth = front.config.auth.clone();
    let answered = match begin(front, schema, kind, name, head).await {
        Ok(call) => answer(&call, kind, body).await.map(|response| clear_stale(&call, response)),
        Err(error) => Err(error),
    };
    let mut response = answered.unwrap_or_else(|error| refuse(kind, &advise(&auth, error)));
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

async fn begin(front: Shared, schema: Arc<Schema>, kind: Kind, name: &str, head: Parts) -> Result<Call> {
    if kind == Kind::Grpc && head.version < Version::HTTP_2 {
        return Err(needs_http2());
    }
    let target = target(&front, &schema, name).ok_or_else(|| unknown(name))?;
    check_form(kind, &target, &head)?;
    let caller = match &target {
        Target::Method(method) => admit(&front, &schema, method, &head, None).await?,
        Target::Common(_) => Caller::default(),
    };
    Call::new(front, schema, target, head, caller)
}

async fn answer(call: &Call, kind: Kind, body: Body) -> Result<Response> {
    match kind {
        Kind::Grpc => grpc::answer(call, body).await,
        Kind::GrpcWeb { text } if let Some(method) = with_cookies(call) => {
            grpc_web_cookies::answer(call, method, body, text).await
        }
        Kind::GrpcWeb { text } => grpc_web::answer(call, body, text).await,
        Kind::ConnectUnary(codec) => connect::unary::answer(call, body, codec).await,
        Kind::ConnectGet => connect::unary::answer_get(call).await,
        Kind::ConnectStream(codec) => connect::stream::answer(call, body, codec).await,
        Kind::ConnectUnknown => Err(wrong_content_type(&call.target)),
    }
}

fn with_cookies(call: &Call) -> Option<&Method> {
    let method = call.target.method().filter(|_| call.target.streams() == Some(false))?;
    grpc_web_cookies::are_needed(method).then_some(method)
}

fn target(front: &Front, schema: &Schema, name: &str) -> Option<Target> {
    if front.config.dev && COMMON.iter().any(|service| name.starts_with(service)) {
        return PathAndQuery::try_from(format!("/{name}")).ok().map(Target::Common);
    }
    schema.methods.get(name).map(|method| Target::Method(Arc::clone(method)))
}

/// Whether a request of this kind can carry a call of this method.
fn check_form(kind: Kind, target: &Target, head: &Parts) -> Result<()> {
    let is_safe = target.method().is_some_and(|method| method.effects == Effects::None);
    match kind {
        Kind::ConnectGet if is_safe => {}
        Kind::ConnectGet => return Err(only_by_post("Only methods without side effects are called by GET.")),
        _ if head.method == HttpMethod::POST => {}
        _ => return Err(only_by_post("Calls are made by POST.")),
    }
    let fits = match kind {
        Kind::ConnectUnary(_) | Kind::ConnectGet => target.streams() != Some(true),
        Kind::ConnectStream(_) => target.streams() != Some(false),
        Kind::ConnectUnknown => false,
        Kind::Grpc | Kind::GrpcWeb { .. } => true,
    };
    match head.headers.get("connect-protocol-version") {
        _ if !fits => Err(wrong_content_type(target)),
        Some(version) if version != "1" => {
            Err(Error::field("connect-protocol-version", "must be 1, the only version there is"))
        }
        _ => Ok(()),
    }
}

/// A cookie that is no good and was ignored is taken away.
fn clear_stale(call: &Call, mut response: Response) -> Response {
    if call.caller.stale_cookie == Some(StaleCookie::Invalid) {
        let auth = &call.front.config.auth;
        let cleared = Cookies { secure: auth.secure_cookies }.clear(&auth.cookie);
        response.headers_mut().extend(cleared.map(|cookie| (header::SET_COOKIE, cookie)));
    }
    response
}

/// A method that the backend does not have.
pub fn unknown(name: &str) -> Error {
    Error::new(Code::Unimplemented, "METHOD_UNKNOWN", format!("The backend has no method `{name}`."))
}

fn needs_http2() -> Error {
    let message = "gRPC needs HTTP/2. Over HTTP/1.1, call with `application/grpc-web`, `application/connect+proto` \
         or `application/json`.";
    Error::new(Code::Unimplemented, "HTTP2_NEEDED", message).status(StatusCode::HTTP_VERSION_NOT_SUPPORTED)
}

fn only_by_post(message: &str) -> Error {
    Error::new(Code::Unimplemented, "METHOD_NOT_ALLOWED", message)
        .status(StatusCode::METHOD_NOT_ALLOWED)
        .header(header::ALLOW, HeaderValue::from_static("POST"))
}

fn wrong_content_type(target: &Target) -> Error {
    let accepted = if target.streams() == Some(false) { UNARY } else { STREAM };
    let message =
        format!("This content type cannot carry a call of this method. It is called with {accepted}.");
    Error::new(Code::InvalidArgument, "CONTENT_TYPE_UNSUPPORTED", message)
        .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .header(ACCEPT_POST, HeaderValue::from_static(accepted))
}
