//! One request through the inner guards: match, credentials, rate by caller, body, then its face.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use http::{HeaderValue, Method, StatusCode, header};

use crate::error::{Code, Error, Result};
use crate::layer::{Cookies, RouteName, StaleCookie, advise, challenge};
use crate::schema::routes::Found;
use crate::schema::{Binding, Schema};

use super::accept::{Face, face};
use super::admit::admit;
use super::body::read_body;
use super::console::console;
use super::exchange::Exchange;
use super::rpc::Kind;
use super::state::Shared;
use super::{own, poll, rest, rpc, stream};

/// Answers every request that is not for a path of the edge itself.
pub async fn dispatch(State(front): State<Shared>, request: Request) -> Response {
    // Even where the template of a binding would match.
    if own::is_reserved(&front.config.paths, request.uri().path()) {
        return not_found(request.uri().path()).into_response();
    }
    let Some(schema) = front.schema.load_full() else {
        return console(request.method(), request.uri().path())
            .unwrap_or_else(|| not_ready().into_response());
    };
    let method = request.method().as_str();
    let path = request.uri().path();
    if let Some((kind, name)) = rpc::called(&front.config.paths, &schema, &request) {
        return rpc::serve(front, schema, kind, &name, request).await;
    }
    let found = match schema.routes.find(if method == "HEAD" { "GET" } else { method }, path) {
        Ok(found) => found,
        Err(error) => {
            return Error::field("path", error.to_string()).reason("PATH_INVALID").into_response();
        }
    };
    match found {
        Found::Route(route) => {
            let (binding, variables) = (Arc::clone(route.value), route.variables);
            let name = RouteName(format!("{} {}", binding.http_method, binding.template));
            let mut response = answer(front, schema, binding, variables, request).await;
            response.extensions_mut().insert(name);
            response
        }
        Found::OtherMethods(methods) => wrong_method(&methods, request.method() == Method::OPTIONS),
        Found::Nothing if schema.methods.contains_key(path.trim_start_matches('/')) => {
            by_grpc(path).into_response()
        }
        Found::Nothing if Kind::of(&request).is_some() => rpc::unknown(path).into_response(),
        Found::Nothing => console(request.method(), path).unwrap_or_else(|| not_found(path).into_response()),
    }
}

async fn answer(
    front: Shared,
    schema: Arc<Schema>,
    binding: Arc<Binding>,
    variables: Vec<String>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let caller = match admit(&front, &schema, &binding.method, &head).await {
        Ok(caller) => caller,
        Err(error) => return advise(&front.config.auth, error).into_response(),
    };
    let body = match read_body(&front.config.limits, &head.headers, body).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let exchange = Exchange { front, schema, binding, variables, head, body, caller };
    let mut response = match call(&exchange).await {
        Ok(response) => response,
        Err(error) => {
            let error = challenge(exchange.explain(error));
            // Who is logging in need not be told how.
            let is_login = !exchange.binding.method.auth.set_cookie.is_empty();
            let error = if is_login { error } else { advise(&exchange.front.config.auth, error) };
            error.into_response()
        }
    };
    if exchange.caller.stale_cookie == Some(StaleCookie::Invalid) {
        let auth = &exchange.front.config.auth;
        let cleared = Cookies { secure: auth.secure_cookies }.clear(&auth.cookie);
        response.headers_mut().extend(cleared.map(|cookie| (header::SET_COOKIE, cookie)));
    }
    response
}

async fn call(exchange: &Exchange) -> Result<Response> {
    let method = &exchange.binding.method;
    if method.descriptor.is_client_streaming() {
        let message =
            format!("{} streams requests, which REST cannot carry yet. Call it by gRPC.", method.name());
        return Err(Error::new(Code::Unimplemented, "CLIENT_STREAMING", message));
    }
    let face = face(method, &exchange.head.headers)?;
    match (&method.stream, face) {
        (Some(_), _) if exchange.head.method == Method::HEAD => Ok(StatusCode::OK.into_response()),
        (Some(rule), Face::Poll(wait)) => poll::poll(exchange, rule, wait).await,
        (Some(rule), face) => stream::stream(exchange, rule, face).await,
        (None, _) => rest::unary(exchange).await,
    }
}

fn wrong_method(methods: &[&str], is_options: bool) -> Response {
    let mut allowed: Vec<&str> = methods.to_vec();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    allowed.push("OPTIONS");
    let text = allowed.join(", ");
    let allow = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    if is_options {
        return (StatusCode::NO_CONTENT, [(header::ALLOW, allow)]).into_response();
    }
    Error::new(Code::Unimplemented, "METHOD_NOT_ALLOWED", format!("This path answers {text}."))
        .status(StatusCode::METHOD_NOT_ALLOWED)
        .header(header::ALLOW, allow)
        .into_response()
}

fn by_grpc(path: &str) -> Error {
    let message =
        format!("`{path}` is a gRPC method. Call it by gRPC, gRPC-Web, Connect, or by its REST path.");
    Error::new(Code::Unimplemented, "GRPC_NOT_SERVED", message)
}

fn not_found(path: &str) -> Error {
    Error::new(Code::NotFound, "ROUTE_NOT_FOUND", format!("No method is bound to `{path}`."))
}

fn not_ready() -> Error {
    Error::new(
        Code::Unavailable,
        "SCHEMA_UNAVAILABLE",
        "The backend has not been reached yet. Try again in a moment.",
    )
    .retry_after(std::time::Duration::from_secs(1))
}
