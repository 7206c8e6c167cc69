//! One request through the inner guards: match, credentials, rate by caller, body, then its face.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};

use http::{HeaderValue, Method, StatusCode, header};

use crate::error::{Code, Error, Result};
use crate::layer::{Cookies, RouteName, StaleCookie, advise, challenge};
use crate::schema::routes::Found;
use crate::schema::{Binding, Schema};
use crate::transcode::Payload;

use super::admit::admit;
use super::body::content::read_body;
use super::console::console;
use super::exchange::Exchange;
use super::head::{Face, face};
use super::rest::{self, download, upload};
use super::rpc::Kind;
use super::state::Shared;
use super::{own, poll, rpc, stream, tickets};

/// Answers every request that is not for a path of the edge itself.
pub async fn dispatch(front: Shared, request: Request) -> Response {
    let Some(schema) = front.schema.load_full() else {
        return console(request.method(), request.uri().path())
            .unwrap_or_else(|| not_ready().into_response());
    };
    let path = request.uri().path();
    if let Some((kind, name)) = rpc::called(&front.config.paths, &schema, &request) {
        // Boxed, or every other request would have room for it.
        return Box::pin(rpc::serve(front, schema, kind, &name, request)).await;
    }
    let is_method = |path: &&str| schema.methods.contains_key(path.get(1..).unwrap_or_default());
    let method_path = own::method_path(&front.config.paths, path).filter(is_method);
    if method_path.is_none() && is_method(&path) {
        // It has moved below `paths.prefix`.
        return own::not_found(path).into_response();
    }
    let found = schema.routes.find(request.method().as_str(), method_path.unwrap_or(path));
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            return Error::field("path", error.to_string()).reason("PATH_INVALID").into_response();
        }
    };
    match found {
        Found::Route(route) => {
            let (binding, variables) = (Arc::clone(route.value), route.variables);
            let name = RouteName(Arc::clone(&binding.route));
            let mut response = answer(front, schema, binding, variables, request).await;
            response.extensions_mut().insert(name);
            response
        }
        Found::OtherMethods(methods) => wrong_method(&methods, request.method() == Method::OPTIONS),
        Found::Nothing if Kind::of(&request).is_some() => rpc::unknown(path).into_response(),
        Found::Nothing => {
            console(request.method(), path).unwrap_or_else(|| own::not_found(path).into_response())
        }
    }
}

async fn answer(
    front: Shared,
    schema: Arc<Schema>,
    binding: Arc<Binding>,
    variables: Vec<String>,
    request: Request,
) -> Response {
    let (mut head, body) = request.into_parts();
    let ticket = tickets::take(&mut head, &binding.method);
    let caller = match admit(&front, &schema, &binding.method, &head, ticket.as_deref()).await {
        Ok(caller) => caller,
        Err(error) => return advise(&front.config.auth, error).into_response(),
    };
    let mut exchange = Exchange { front, schema, binding, variables, head, body: Payload::default(), caller };
    let mut response = match call(&mut exchange, body).await {
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

async fn call(exchange: &mut Exchange, body: Body) -> Result<Response> {
    if exchange.binding.method.descriptor.is_client_streaming() {
        return Box::pin(upload::upload(exchange, body)).await;
    }
    let limits = &exchange.front.config.limits;
    exchange.body = read_body(&exchange.binding, limits, &exchange.head.headers, body).await?;
    let method = &exchange.binding.method;
    let compat = exchange.front.config.rest.compat;
    let face = face(&exchange.binding, compat, &exchange.head.headers)?;
    // All but the unary call are boxed, or each of those would have room for them.
    match (&method.stream, face) {
        (Some(_), Face::Raw) => Box::pin(download::download(exchange)).await,
        (Some(_), _) if exchange.head.method == Method::HEAD => Ok(StatusCode::OK.into_response()),
        (Some(rule), Face::Poll(wait)) => Box::pin(poll::poll(exchange, rule, wait)).await,
        (Some(rule), face) => Box::pin(stream::stream(exchange, rule, face)).await,
        (None, face) => rest::unary(exchange, face).await,
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

fn not_ready() -> Error {
    Error::new(
        Code::Unavailable,
        "SCHEMA_UNAVAILABLE",
        "The backend has not been reached yet. Try again in a moment.",
    )
    .retry_after(std::time::Duration::from_secs(1))
}
