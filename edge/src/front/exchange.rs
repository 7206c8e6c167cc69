//! A matched request with its caller: what each face turns into a call.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, header};
use tokio::time::Instant;

use crate::config::rest::Compat;
use crate::error::{Code, Error, Result};
use crate::layer::{Caller, StaleCookie};
use crate::schema::{Binding, Schema};
use crate::transcode::{self, Parameter, Payload, ReadOptions, Target, query};
use crate::upstream::{Call, deadline, metadata};

use super::cookie_rules;
use super::head::conditions::{self, from_headers};
use super::state::Shared;

/// A matched request with its caller.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub front: Shared,
    pub schema: Arc<Schema>,
    pub binding: Arc<Binding>,
    pub variables: Vec<String>,
    pub head: Parts,
    /// Empty where the body is streamed.
    pub body: Payload,
    pub caller: Caller,
}

impl Exchange {
    pub fn parameters(&self) -> Result<Vec<Parameter>> {
        query::parse(self.head.uri.query().unwrap_or_default())
    }

    /// The encoded request: path, query, body, and cookies and headers that stand in for empty fields.
    pub fn message(&self, parameters: &[Parameter]) -> Result<Vec<u8>> {
        self.message_with(parameters, &self.body)
    }

    /// The same with another body.
    pub fn message_with(&self, parameters: &[Parameter], body: &Payload) -> Result<Vec<u8>> {
        let parts = transcode::Parts { variables: &self.variables, query: parameters, body };
        let options = ReadOptions::from(&self.front.config.rest);
        let message = transcode::request(&self.binding, &self.head.method, &parts, options)?;
        let method = &self.binding.method;
        let (headers, fields) = (&self.head.headers, &self.binding.headers);
        let mut message = Vec::from(cookie_rules::fill(&self.front, method, headers, message.into()));
        for (path, value) in from_headers(fields, &self.head)? {
            if let Some(target) = Target::of(&method.plan, method.input, path) {
                target.fill_text(&mut message, &value);
            }
        }
        Ok(message)
    }

    /// The call to make. A unary call always has a deadline; a stream only when its caller asks for one.
    pub fn call(&self, unary: bool) -> Result<Call> {
        let config = &self.front.config;
        let requested = deadline::requested(&self.head.headers)?;
        let timeout = if unary {
            Some(requested.map_or(config.calls.timeout, |requested| requested.min(config.calls.timeout)))
        } else {
            requested
        };
        Ok(Call {
            path: self.binding.method.path.clone(),
            metadata: self.metadata()?,
            deadline: timeout.map(|timeout| Instant::now() + timeout),
            plan: Some(Arc::clone(&self.schema.plan)),
            max_message: config.limits.message_bytes,
        })
    }

    fn metadata(&self) -> Result<HeaderMap> {
        let (headers, allowed) = (&self.head.headers, &self.front.request_headers);
        let mut passed = metadata::pass(headers, allowed)?;
        if self.front.config.rest.compat == Compat::GrpcGateway {
            passed.extend(metadata::from_gateway(headers, allowed)?);
        }
        if let Some(authorization) = &self.caller.authorization {
            passed.insert(header::AUTHORIZATION, authorization.clone());
        }
        Ok(passed)
    }

    /// An anonymous caller whose cookie was ignored is told that, not that a token is missing. Logging in and refreshing
    /// are refused for reasons of their own.
    pub fn explain(&self, error: Error) -> Error {
        let error = conditions::explain(&self.binding.headers, &self.head, error);
        let auth = &self.binding.method.auth;
        let is_session = !auth.set_cookie.is_empty() || !auth.from_cookie.is_empty();
        match self.caller.stale_cookie {
            Some(stale) if error.code() == Code::Unauthenticated && !is_session => {
                error.reason(match stale {
                    StaleCookie::Expired => "TOKEN_EXPIRED",
                    StaleCookie::Revoked => "TOKEN_REVOKED",
                    StaleCookie::Invalid => "TOKEN_INVALID",
                })
            }
            _ => error,
        }
    }
}
