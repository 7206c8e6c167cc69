//! Finds out who says hello, by token, ticket, header or cookie.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use crate::error::{Code, Error, Result};
use crate::hub::Reading;
use crate::identity::{Claims, Rights, Standing};
use crate::layer::{ClientAddress, holder, page, pass_on_last_words, tickets};
use crate::session::frame::Credential;

use super::super::lobby::Credentials;
use super::super::state::Front;

/// Verifies the credential of a hello, or that of the request which began the connection.
///
/// # Errors
/// UNAUTHENTICATED where one is given that is no good: it never becomes nobody. A cookie that cannot be read is passed over,
/// as on public methods.
pub async fn verify(front: &Front, head: &Parts, credential: Option<&Credential>) -> Result<Credentials> {
    let schema = front.loaded()?;
    front.keys.check_known(&schema)?;
    if !front.keys.verifies(&schema) {
        return match credential {
            // No ticket was ever sealed here.
            Some(Credential::Ticket(_)) => Err(tickets::invalid()),
            Some(Credential::Token(token)) => Ok(credentials(head, Some(bearer(token)?), None, front)),
            None => Ok(credentials(head, head.headers.get(header::AUTHORIZATION).cloned(), None, front)),
        };
    }
    let token = match credential {
        Some(Credential::Token(token)) => token.clone(),
        Some(Credential::Ticket(ticket)) => front.tickets.open(ticket, &page(&head.headers, &head.uri))?,
        None => {
            let by_cookie = !head.headers.contains_key(header::AUTHORIZATION);
            return match holder(&front.keys, &front.config.auth, head).await {
                Ok(holder) => {
                    let authorization = bearer(&holder.token)?;
                    Ok(credentials(head, Some(authorization), Some(holder.claims), front))
                }
                Err(error) if error.reason_text() == "TOKEN_MISSING" => {
                    Ok(credentials(head, None, None, front))
                }
                Err(error) if by_cookie && error.reason_text() == "TOKEN_INVALID" => {
                    Ok(credentials(head, None, None, front))
                }
                Err(error) => Err(error),
            };
        }
    };
    let claims = front.keys.verify(&token).await?;
    Ok(credentials(head, Some(bearer(&token)?), Some(claims), front))
}

fn credentials(
    head: &Parts,
    authorization: Option<HeaderValue>,
    claims: Option<Claims>,
    front: &Front,
) -> Credentials {
    // What the cookie says was found out, and refresh tokens in others may be old by the time of a call; the rest is nobody's
    // business, and takes memory as long as the session lasts.
    let is_kept = |name: &HeaderName| {
        front.request_headers.contains(name)
            || [header::HOST, header::ORIGIN].contains(name)
            || name == "traceparent"
    };
    let (mut kept, ()) = Request::new(()).into_parts();
    let headers: Vec<_> = head.headers.iter().filter(|(name, _)| is_kept(name)).collect();
    // With room for the token and no more: it is there for as long as the session.
    kept.headers = HeaderMap::with_capacity(headers.len() + 1);
    kept.headers.extend(headers.into_iter().map(|(name, value)| (name.clone(), own(value))));
    if let Some(address) = head.extensions.get::<ClientAddress>() {
        kept.extensions.insert(*address);
    }
    pass_on_last_words(&head.extensions, &mut kept.extensions);
    let identity = match &claims {
        // A session stays its holder's, whatever the present token allows.
        Some(claims) => Reading::Caller {
            issuer: claims.iss.clone(),
            subject: claims.sub.clone(),
            rights: Rights::default(),
        },
        None => Reading::of_credential(authorization.as_ref()),
    };
    if let Some(authorization) = authorization {
        kept.headers.insert(header::AUTHORIZATION, own(&authorization));
    }
    let (expires, name) = claims.as_ref().map_or((0, None), |claims| (claims.exp, Some(claims.name())));
    let standing = claims.map_or_else(Standing::default, |claims| {
        Standing::of(Arc::new(claims), front.keys.revocations().clone())
    });
    Credentials { head: Arc::new(kept), identity, standing, expires, name }
}

/// A value with bytes of its own: those of a request are pieces of all that was read of the connection, 8 KiB.
fn own(value: &HeaderValue) -> HeaderValue {
    let copied = HeaderValue::from_bytes(value.as_bytes());
    let mut own = copied.unwrap_or_else(|_| value.clone());
    own.set_sensitive(value.is_sensitive());
    own
}

fn bearer(token: &str) -> Result<HeaderValue> {
    let malformed =
        |_| Error::new(Code::Unauthenticated, "TOKEN_INVALID", "The token has letters that no token has.");
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(malformed)?;
    value.set_sensitive(true);
    Ok(value)
}
