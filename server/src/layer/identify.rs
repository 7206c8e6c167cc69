//! Turns the token of a call into its caller.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::auth::{Caller, Revocations, Tokens};
use crate::error::Error;

/// Methods whose credential is in the request: a session goes on, or ends, though its access token is over.
const WITHOUT_CALLER: [&str; 3] =
    ["/lastmile.v1.AuthService/Login", "/lastmile.v1.AuthService/Refresh", "/lastmile.v1.AuthService/Logout"];

/// Marks, in the extensions of a request, a call of the edge in this process. Nothing that comes from a network can carry
/// it.
#[derive(Debug, Clone, Copy)]
pub struct OwnEdge;

/// Puts the [`Caller`] into the extensions of every request; refuses bad tokens.
#[derive(Debug, Clone)]
pub struct IdentifyLayer {
    tokens: Tokens,
    revocations: Revocations,
}

impl IdentifyLayer {
    /// Verifies with the keys of `tokens`, and refuses what is revoked.
    pub fn new(tokens: Tokens, revocations: Revocations) -> Self {
        Self { tokens, revocations }
    }
}

impl<S> Layer<S> for IdentifyLayer {
    type Service = Identify<S>;

    fn layer(&self, inner: S) -> Identify<S> {
        Identify { inner, guard: self.clone() }
    }
}

/// See [`IdentifyLayer`].
#[derive(Debug, Clone)]
pub struct Identify<S> {
    inner: S,
    guard: IdentifyLayer,
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
        let identified = match self.guard.identify(request.headers()) {
            _ if request.extensions().get::<OwnEdge>().is_some() => Ok(Caller::own_edge()),
            Err(Error::TokenRevoked | Error::TokenExpired)
                if WITHOUT_CALLER.contains(&request.uri().path()) =>
            {
                Ok(Caller::Anonymous)
            }
            identified => identified,
        };
        match identified {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Either::Left(self.inner.call(request))
            }
            Err(error) => Either::Right(ready(Ok(Status::from(error).into_http()))),
        }
    }
}

impl IdentifyLayer {
    fn identify(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Caller::Anonymous),
            (Some(value), None) => {
                let token = value.to_str().ok().and_then(bearer).ok_or(Error::TokenInvalid)?;
                let identity = self.tokens.verify(token)?;
                self.revocations.check(&identity)?;
                Ok(Caller::Known(identity))
            }
            // Two credentials: nobody knows which one was meant.
            (Some(_), Some(_)) => Err(Error::TokenInvalid),
        }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
