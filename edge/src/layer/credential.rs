//! Who calls: finds the credential of a request, verifies it, and says what reaches the backend.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::request::Parts;
use http::{HeaderValue, header};

use tokio::time::Instant;

use crate::config::AuthConfig;
use crate::error::{Code, Error, Result};
use crate::schema::Method;

use super::cookies::Cookies;
use super::keys::{Claims, Keys};

/// How long a stream outlives its token.
const EXPIRY_GRACE: Duration = Duration::from_secs(25);

/// Who calls.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Verified; `None` for anonymous callers, and where the backend decides.
    pub claims: Option<Claims>,
    /// What the backend gets as `authorization`, however the credential came.
    pub authorization: Option<HeaderValue>,
    /// The request carried a cookie that is no good, and it was ignored.
    pub stale_cookie: Option<StaleCookie>,
}

/// Why a cookie was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleCookie {
    /// It stays in the browser: a stream that it opens must be told that it has expired.
    Expired,
    /// It is cleared.
    Invalid,
}

impl Caller {
    /// When a stream of this caller must end: a while after its token expires, so that clients have time to renew it.
    pub fn expires_at(&self) -> Option<Instant> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let left = Duration::from_secs(self.claims.as_ref()?.exp).saturating_sub(now);
        Instant::now().checked_add(left + EXPIRY_GRACE)
    }

    /// Tells callers apart for rate limits; `None` for anonymous ones.
    pub fn name(&self) -> Option<String> {
        self.claims.as_ref().map(|claims| format!("{} {}", claims.iss, claims.sub))
    }
}

/// Finds and verifies the credential of a request.
///
/// A header beats a cookie. Public methods need none: then a bad cookie is ignored, but a bad header is refused. So is an
/// expired cookie where a stream is asked for: anonymous, it would silently show less than before.
///
/// # Errors
/// UNAUTHENTICATED with `TOKEN_MISSING`, `TOKEN_EXPIRED` or `TOKEN_INVALID` and `WWW-Authenticate` (RFC 6750, section
/// 3); PERMISSION_DENIED with `CROSS_SITE` for a cookie that another site makes the browser send.
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
        return Ok(Caller { claims: Some(claims), authorization: Some(value.clone()), stale_cookie: None });
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
            Ok(Caller { claims: Some(claims), authorization, stale_cookie: None })
        }
        Err(error) if error.code() == Code::Unauthenticated && method.auth.public => {
            let is_expired = error.reason_text() == "TOKEN_EXPIRED";
            match is_expired {
                true if method.stream.is_some() => Err(challenge(error)),
                true => Ok(Caller { stale_cookie: Some(StaleCookie::Expired), ..Caller::default() }),
                false => Ok(Caller { stale_cookie: Some(StaleCookie::Invalid), ..Caller::default() }),
            }
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
