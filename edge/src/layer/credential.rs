//! Who calls: finds the credential of a request, verifies it, and says what reaches the backend.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, header};

use crate::config::AuthConfig;
use crate::error::{Code, Error, Result};
use crate::identity::{Claims, Revocations, Standing};
use crate::schema::Method;

use super::cookies::Cookies;
use super::keys::Keys;

/// Who calls.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Verified; `None` for anonymous callers, and where the backend decides.
    pub claims: Option<Arc<Claims>>,
    /// What the backend gets as `authorization`, however the credential came.
    pub authorization: Option<HeaderValue>,
    /// The request carried a cookie that is no good, and it was ignored.
    pub stale_cookie: Option<StaleCookie>,
    revocations: Revocations,
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
        let revocations = keys.revocations().clone();
        Self { claims: Some(Arc::new(claims)), authorization, stale_cookie: None, revocations }
    }

    /// How long a stream of this caller may go on.
    pub fn standing(&self) -> Standing {
        match &self.claims {
            Some(claims) => Standing::of(Arc::clone(claims), self.revocations.clone()),
            None => Standing::default(),
        }
    }

    /// Tells callers apart for rate limits; `None` for anonymous ones.
    pub fn name(&self) -> Option<String> {
        self.claims.as_ref().map(|claims| format!("{} {}", claims.iss, claims.sub))
    }
}

/// Finds and verifies the credential of a request.
///
/// A header beats a cookie. Public methods need none: then a bad cookie is ignored, but a bad header is refused. So is a
/// cookie that has expired or was revoked where a stream is asked for: anonymous, it would silently show less than before.
///
/// # Errors
/// UNAUTHENTICATED with `TOKEN_MISSING`, `TOKEN_EXPIRED`, `TOKEN_REVOKED` or `TOKEN_INVALID` and `WWW-Authenticate` (RFC
/// 6750, section 3); PERMISSION_DENIED with `CROSS_SITE` for a cookie that another site makes the browser send.
pub async fn identify(
    keys: Option<&Keys>,
    config: &AuthConfig,
    head: &Parts,
    method: &Method,
) -> Result<Caller> {
    let headers = &head.headers;
    if !method.auth.from_cookie.is_empty() && headers.contains_key(header::COOKIE) {
        refuse_cross_site(head)?;
    }
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let authorization = match (given.next(), given.next()) {
        (Some(_), Some(_)) => return Err(challenge(malformed())),
        (only, _) => only,
    };
    let Some(keys) = keys else {
        return Ok(Caller { authorization: authorization.cloned(), ..Caller::default() });
    };
    if let Some(value) = authorization {
        let token = bearer(value).ok_or_else(|| challenge(malformed()))?;
        let claims = keys.verify(token).await.map_err(challenge)?;
        return Ok(Caller::of(keys, claims, Some(value.clone())));
    }
    let verified = match (Cookies { secure: config.secure_cookies }).get(headers, &config.cookie) {
        Ok(Some(token)) => keys.verify(&token).await.map(|claims| (token, claims)),
        Ok(None) if method.auth.public => return Ok(Caller::default()),
        Ok(None) => {
            let message = "This call needs a token: send `Authorization: Bearer …` or log in.";
            return Err(challenge(Error::new(Code::Unauthenticated, "TOKEN_MISSING", message)));
        }
        Err(_) => {
            let message = "The cookie of the token is given twice. Log in again.";
            Err(Error::new(Code::Unauthenticated, "TOKEN_INVALID", message))
        }
    };
    match verified {
        Ok((token, claims)) => {
            refuse_cross_site(head)?;
            let authorization = HeaderValue::from_str(&format!("Bearer {token}")).ok().map(|mut value| {
                value.set_sensitive(true);
                value
            });
            Ok(Caller::of(keys, claims, authorization))
        }
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

/// Adds the challenge to a 401 (RFC 9110, section 11.6.1).
pub fn challenge(error: Error) -> Error {
    if error.code() != Code::Unauthenticated {
        return error;
    }
    let value = match error.reason_text() {
        "TOKEN_EXPIRED" => r#"Bearer realm="lastmile", error="invalid_token", error_description="expired""#,
        // Revoked, reused, or whatever else became of one that was sent.
        reason if reason.starts_with("TOKEN_") && reason != "TOKEN_MISSING" => {
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
