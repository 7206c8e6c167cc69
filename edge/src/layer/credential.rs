//! Who calls: finds the credential of a request, verifies it, and says what reaches the backend.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use crate::config::AuthConfig;
use crate::error::{Code, Error, Result};
use crate::identity::{Claims, Revocations, Standing};
use crate::schema::Method;

use super::cookies::Cookies;
use super::cors::page;
use super::keys::Keys;
use super::tickets::{self, Tickets};

/// Who calls.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Verified; `None` for anonymous callers, and where the backend decides.
    pub claims: Option<Arc<Claims>>,
    /// What the backend gets as `authorization`, however the credential came.
    pub authorization: Option<HeaderValue>,
    /// The request carried a cookie that is no good, and it was ignored.
    pub stale_cookie: Option<StaleCookie>,
    /// Of its issuer; none where there are no claims.
    revocations: Option<Revocations>,
}

/// Why a cookie was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleCookie {
    /// It stays in the browser: a stream that it opens must be told that it has expired.
    Expired,
    /// It stays too: without it the browser's next stream would be anonymous.
    Revoked,
    /// It is cleared.
    Invalid,
}

impl Caller {
    fn of(keys: &Keys, claims: Claims, authorization: Option<HeaderValue>) -> Self {
        let revocations = Some(keys.revocations().clone());
        Self { claims: Some(Arc::new(claims)), authorization, stale_cookie: None, revocations }
    }

    fn from_holder(keys: &Keys, Holder { token, claims }: Holder) -> Self {
        let authorization = HeaderValue::from_str(&format!("Bearer {token}")).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self::of(keys, claims, authorization)
    }

    /// How long a stream of this caller may go on.
    pub fn standing(&self) -> Standing {
        match (&self.claims, &self.revocations) {
            (Some(claims), Some(revocations)) => Standing::of(Arc::clone(claims), revocations.clone()),
            _ => Standing::default(),
        }
    }

    /// Tells callers apart for rate limits; `None` for anonymous ones.
    pub fn name(&self) -> Option<String> {
        self.claims.as_ref().map(|claims| claims.name())
    }
}

/// A verified token.
#[derive(Debug)]
pub struct Holder {
    pub token: String,
    pub claims: Claims,
}

/// Finds and verifies the credential of a request; `ticket` was taken out of it.
///
/// A header or a ticket beats a cookie. Public methods need none: then a bad cookie is ignored, but a bad header or ticket
/// is refused. So is a cookie that has expired or was revoked where a stream is asked for: anonymous, it would silently
/// show less than before.
///
/// # Errors
/// UNAUTHENTICATED with `TOKEN_MISSING`, `TOKEN_EXPIRED`, `TOKEN_REVOKED`, `TOKEN_INVALID` or a reason of [`Tickets`], and
/// `WWW-Authenticate` (RFC 6750, section 3); PERMISSION_DENIED with `CROSS_SITE` for a cookie that another site makes the
/// browser send.
pub async fn identify(
    keys: Option<&Keys>,
    tickets: &Tickets,
    config: &AuthConfig,
    head: &Parts,
    method: &Method,
    ticket: Option<&str>,
) -> Result<Caller> {
    let headers = &head.headers;
    if !method.auth.from_cookie.is_empty() && headers.contains_key(header::COOKIE) {
        refuse_cross_site(head)?;
    }
    let authorization = authorization(headers).map_err(challenge)?;
    let keys = match (keys, ticket) {
        (Some(keys), _) => keys,
        (None, None) => return Ok(Caller { authorization: authorization.cloned(), ..Caller::default() }),
        // No ticket was ever sealed here.
        (None, Some(_)) => return Err(challenge(tickets::invalid())),
    };
    let verified = match (authorization, ticket) {
        (Some(_), Some(_)) => return Err(challenge(tickets::invalid())),
        (Some(value), None) => {
            let holder = by_header(keys, value).await.map_err(challenge)?;
            return Ok(Caller::of(keys, holder.claims, Some(value.clone())));
        }
        (None, Some(ticket)) => {
            let holder = by_ticket(keys, tickets, head, ticket).await.map_err(challenge)?;
            return Ok(Caller::from_holder(keys, holder));
        }
        (None, None) => by_cookie(keys, config, head).await,
    };
    match verified {
        Ok(Some(holder)) => Ok(Caller::from_holder(keys, holder)),
        Ok(None) if method.auth.public => Ok(Caller::default()),
        Ok(None) => Err(challenge(missing())),
        Err(error) if error.code() == Code::Unauthenticated && method.auth.public => {
            let stale = match error.reason_text() {
                "TOKEN_EXPIRED" => StaleCookie::Expired,
                "TOKEN_REVOKED" => StaleCookie::Revoked,
                _ => StaleCookie::Invalid,
            };
            if method.stream.is_some() && stale != StaleCookie::Invalid {
                return Err(challenge(error));
            }
            Ok(Caller { stale_cookie: Some(stale), ..Caller::default() })
        }
        Err(error) => Err(challenge(error)),
    }
}

/// Whoever sends a request of the edge's own, by header or cookie.
///
/// # Errors
/// As for a method that is not public.
pub async fn holder(keys: &Keys, config: &AuthConfig, head: &Parts) -> Result<Holder> {
    let held = match authorization(&head.headers).map_err(challenge)? {
        Some(value) => by_header(keys, value).await.map(Some),
        None => by_cookie(keys, config, head).await,
    };
    held.and_then(|holder| holder.ok_or_else(missing)).map_err(challenge)
}

async fn by_header(keys: &Keys, value: &HeaderValue) -> Result<Holder> {
    let token = bearer(value).ok_or_else(malformed)?;
    Ok(Holder { claims: keys.verify(token).await?, token: token.to_owned() })
}

async fn by_ticket(keys: &Keys, tickets: &Tickets, head: &Parts, ticket: &str) -> Result<Holder> {
    let token = tickets.open(ticket, &page(&head.headers, &head.uri))?;
    Ok(Holder { claims: keys.verify(&token).await?, token })
}

/// Only a good cookie can do harm when another site has it sent.
async fn by_cookie(keys: &Keys, config: &AuthConfig, head: &Parts) -> Result<Option<Holder>> {
    let token = match (Cookies { secure: config.secure_cookies }).get(&head.headers, &config.cookie) {
        Ok(Some(token)) => token,
        Ok(None) => return Ok(None),
        Err(_) => {
            let message = "The cookie of the token is given twice. Log in again.";
            return Err(Error::new(Code::Unauthenticated, "TOKEN_INVALID", message));
        }
    };
    let claims = keys.verify(&token).await?;
    refuse_cross_site(head)?;
    Ok(Some(Holder { token, claims }))
}

fn authorization(headers: &HeaderMap) -> Result<Option<&HeaderValue>> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (Some(_), Some(_)) => Err(malformed()),
        (only, _) => Ok(only),
    }
}

/// Adds the challenge to a 401 (RFC 9110, section 11.6.1).
pub fn challenge(error: Error) -> Error {
    if error.code() != Code::Unauthenticated {
        return error;
    }
    let value = match error.reason_text() {
        "TOKEN_EXPIRED" => r#"Bearer realm="lastmile", error="invalid_token", error_description="expired""#,
        // Revoked, reused, or whatever else became of one that was sent.
        reason
            if reason.starts_with("TICKET_") || reason.starts_with("TOKEN_") && reason != "TOKEN_MISSING" =>
        {
            r#"Bearer realm="lastmile", error="invalid_token""#
        }
        _ => r#"Bearer realm="lastmile""#,
    };
    error.header(header::WWW_AUTHENTICATE, HeaderValue::from_static(value))
}

/// Adds to a 401 how to log in, where that is configured.
pub fn advise(config: &AuthConfig, error: Error) -> Error {
    match &config.hint {
        Some(hint) if error.code() == Code::Unauthenticated => error.hint(hint),
        _ => error,
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}

fn missing() -> Error {
    let message = "This call needs a token: send `Authorization: Bearer …` or log in.";
    Error::new(Code::Unauthenticated, "TOKEN_MISSING", message)
}

fn malformed() -> Error {
    Error::new(
        Code::Unauthenticated,
        "TOKEN_INVALID",
        "Send one `Authorization` header, of the form `Bearer TOKEN`.",
    )
}

/// A cookie goes along with requests that other sites start; those must not change anything.
fn refuse_cross_site(head: &Parts) -> Result<()> {
    let site = head.headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let is_foreign = matches!(site, Some("cross-site" | "same-site"));
    // An allowed `Origin` was checked before; this is for requests that carry none.
    if head.method.is_safe() || head.headers.contains_key(header::ORIGIN) || !is_foreign {
        return Ok(());
    }
    let message = "Another site made the browser send this. Send the token in `Authorization` instead.";
    Err(Error::new(Code::PermissionDenied, "CROSS_SITE", message))
}
