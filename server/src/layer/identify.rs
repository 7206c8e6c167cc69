//! Turns the token of a call into its caller.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::auth::{Caller, Tokens};
use crate::error::Error;

/// Puts the [`Caller`] into the extensions of every request; refuses bad tokens.
#[derive(Debug, Clone)]
pub struct IdentifyLayer {
    tokens: Tokens,
}

impl IdentifyLayer {
    /// Verifies with these keys.
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens }
    }
}

impl<S> Layer<S> for IdentifyLayer {
    type Service = Identify<S>;

    fn layer(&self, inner: S) -> Identify<S> {
        Identify { inner, tokens: self.tokens.clone() }
    }
}

/// See [`IdentifyLayer`].
#[derive(Debug, Clone)]
pub struct Identify<S> {
    inner: S,
    tokens: Tokens,
}

impl<S> Service<Request<Body>> for Identify<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match identify(&self.tokens, request.headers()) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Either::Left(self.inner.call(request))
            }
            Err(error) => Either::Right(ready(Ok(Status::from(error).into_http()))),
        }
    }
}

fn identify(tokens: &Tokens, headers: &HeaderMap) -> Result<Caller, Error> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(Caller::Anonymous),
        (Some(value), None) => {
            let token = value.to_str().ok().and_then(bearer).ok_or(Error::TokenInvalid)?;
            tokens.verify(token).map(Caller::Known)
        }
        // Two credentials: nobody knows which one was meant.
        (Some(_), Some(_)) => Err(Error::TokenInvalid),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
