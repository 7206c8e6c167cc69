//! Who calls: finds the credential of a request, verifies it, and says what reaches the backend.

use http::{HeaderMap, HeaderValue, Method, header};

use crate::config::AuthConfig;
use crate::error::{Code, Error, Result};

use super::cookies::Cookies;
use super::keys::{Claims, Keys};

/// Who calls.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Verified; `None` for anonymous callers, and where the backend decides.
    pub claims: Option<Claims>,
    /// What the backend gets as `authorization`, however the credential came.
    pub authorization: Option<HeaderValue>,
    /// The request carried a cookie that is no good; it was ignored and is to be cleared.
    pub stale_cookie: Option<&'static str>,
}

impl Caller {
    /// Tells callers apart for rate limits; `None` for anonymous ones.
    pub fn name(&self) -> Option<String> {
        self.claims.as_ref().map(|claims| format!("{} {}", claims.iss, claims.sub))
    }
}

/// Finds and verifies the credential of a request.
///
/// A header beats a cookie. `public` methods need none: then a bad cookie is ignored, but a bad header is refused.
///
/// # Errors
/// UNAUTHENTICATED with `TOKEN_MISSING`, `TOKEN_EXPIRED` or `TOKEN_INVALID` and `WWW-Authenticate` (RFC 6750, section
/// 3); PERMISSION_DENIED with `CROSS_SITE` for a cookie that another site makes the browser send.
pub async fn identify(
    keys: Option<&Keys>,
    config: &AuthConfig,
    headers: &HeaderMap,
    method: &Method,
    public: bool,
) -> Result<Caller> {
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
    let cookies = Cookies { secure: config.secure_cookies };
    let Some(token) = cookies.get(headers, &config.cookie) else {
        let message = "This call needs a token: send `Authorization: Bearer …` or log in.";
        let missing = Error::new(Code::Unauthenticated, "TOKEN_MISSING", message);
        return if public { Ok(Caller::default()) } else { Err(challenge(missing)) };
    };
    match keys.verify(&token).await {
        Ok(claims) => {
            refuse_cross_site(headers, method)?;
            let authorization = HeaderValue::from_str(&format!("Bearer {token}")).ok().map(|mut value| {
                value.set_sensitive(true);
                value
            });
            Ok(Caller { claims: Some(claims), authorization, stale_cookie: None })
        }
        Err(error) if error.code() == Code::Unauthenticated && public => {
            let reason =
                if error.reason_text() == "TOKEN_EXPIRED" { "TOKEN_EXPIRED" } else { "TOKEN_INVALID" };
            Ok(Caller { stale_cookie: Some(reason), ..Caller::default() })
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
        "TOKEN_INVALID" => r#"Bearer realm="lastmile", error="invalid_token""#,
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
fn refuse_cross_site(headers: &HeaderMap, method: &Method) -> Result<()> {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    // An allowed `Origin` was checked before; this is for requests that carry none.
    if method.is_safe()
        || headers.contains_key(header::ORIGIN)
        || !matches!(site, Some("cross-site" | "same-site"))
    {
        return Ok(());
    }
    let message = "Another site made the browser send this. Send the token in `Authorization` instead.";
    Err(Error::new(Code::PermissionDenied, "CROSS_SITE", message))
}
