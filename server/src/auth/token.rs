//! Access tokens: JSON Web Tokens signed with EdDSA.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::identity::Identity;
use super::keyring::Keyring;
use crate::error::{Error, Result};
use crate::model::{Role, Time};

/// The `iss` claim of every token.
pub const ISSUER: &str = "lastmile";

/// The `aud` claim of every token.
pub const AUDIENCE: &str = "lastmile";

/// Issues and verifies access tokens.
#[derive(Debug, Clone)]
pub struct Tokens {
    keys: Keyring,
    validation: Arc<Validation>,
    lifetime: Duration,
}

/// A token that was just issued.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The token.
    pub text: String,
    /// When it expires.
    pub expires: Time,
}

/// Id and times of a token that is about to be issued: the store has to know them before anybody has the token.
#[derive(Debug, Clone)]
pub struct TokenDraft {
    /// The `jti` claim.
    pub id: String,
    /// When it is issued.
    pub issued: Time,
    /// When it expires.
    pub expires: Time,
}

impl TokenDraft {
    /// A token that is valid from now on for a lifetime; the claims count in seconds.
    pub fn new(lifetime: Duration) -> Self {
        let issued = Time::now();
        let expires = from_seconds(issued.plus(lifetime).seconds());
        Self { id: Uuid::new_v4().to_string(), issued, expires }
    }
}

/// Whom a token speaks for.
#[derive(Debug)]
pub struct TokenHolder {
    /// The `sub` claim.
    pub subject: String,
    /// Name for people.
    pub name: String,
    /// What the holder is.
    pub role: Role,
    /// The topics that the token is for; none when it is for everything its role may do.
    pub topics: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    jti: String,
    role: String,
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    topics: Vec<String>,
}

impl Tokens {
    /// Tokens signed by the keys of a ring; access tokens are valid for a lifetime.
    pub fn new(keys: Keyring, lifetime: Duration) -> Self {
        Self { keys, validation: Arc::new(validation()), lifetime }
    }

    /// The next access token of a session.
    pub fn draft(&self) -> TokenDraft {
        TokenDraft::new(self.lifetime)
    }

    /// Issues a token.
    ///
    /// # Errors
    /// Only by a fault of the server.
    pub fn issue(&self, draft: TokenDraft, holder: TokenHolder) -> Result<IssuedToken> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: holder.subject,
            aud: AUDIENCE.to_owned(),
            exp: draft.expires.seconds(),
            iat: draft.issued.seconds(),
            jti: draft.id,
            role: holder.role.as_str().to_owned(),
            name: holder.name,
            topics: holder.topics,
        };
        let key = self.keys.signing(draft.issued)?;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) };
        let text = encode(&header, &claims, &key.encoding).map_err(Error::internal)?;
        Ok(IssuedToken { text, expires: draft.expires })
    }

    /// Whom a token speaks for.
    ///
    /// # Errors
    /// `TokenExpired` when it was good once, else `TokenInvalid`.
    pub fn verify(&self, token: &str) -> Result<Identity> {
        let header = decode_header(token).map_err(|_| Error::TokenInvalid)?;
        // The library reads over `crit`: extensions that must be understood (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(Error::TokenInvalid);
        }
        let key = header.kid.and_then(|id| self.keys.find(&id)).ok_or(Error::TokenInvalid)?;
        let claims = decode::<Claims>(token, &key.decoding, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => Error::TokenExpired,
                _ => Error::TokenInvalid,
            })?
            .claims;
        if claims.sub.is_empty() {
            return Err(Error::TokenInvalid);
        }
        Ok(Identity {
            role: claims.role.parse().map_err(|_| Error::TokenInvalid)?,
            subject: claims.sub,
            name: claims.name,
            expires: from_seconds(claims.exp),
            token: claims.jti,
            issued: from_seconds(claims.iat),
            topics: claims.topics,
        })
    }

    /// The public keys as JSON text of a JSON Web Key Set.
    ///
    /// # Errors
    /// Only by a fault of the server.
    pub fn jwks(&self) -> Result<String> {
        self.keys.jwks()
    }
}

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    validation.validate_nbf = true;
    validation.leeway = 0;
    validation
}

fn from_seconds(seconds: u64) -> Time {
    Time::from_micros(i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::keys::generate_key;

    fn tokens() -> Tokens {
        let key = generate_key(Time::from_micros(0)).unwrap();
        Tokens::new(Keyring::new(&[key]).unwrap(), Duration::from_secs(60))
    }

    fn claims() -> Value {
        let now = Time::now().seconds();
        json!({"iss": ISSUER, "sub": "1", "aud": AUDIENCE, "exp": now + 60, "iat": now, "jti": "a", "role": "user",
               "name": "alice"})
    }

    fn sign(tokens: &Tokens, change: impl FnOnce(&mut Header, &mut Value)) -> String {
        let key = tokens.keys.signing(Time::now()).unwrap();
        let mut header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) };
        let mut claims = claims();
        change(&mut header, &mut claims);
        encode(&header, &claims, &key.encoding).unwrap()
    }

    #[test]
    fn issued_tokens_are_verified() {
        let tokens = tokens();
        let (subject, name, topics) = ("7".to_owned(), "bob".to_owned(), vec!["news".to_owned()]);
        let draft = tokens.draft();
        let holder = TokenHolder { subject, name, role: Role::Admin, topics };
        let issued = tokens.issue(draft.clone(), holder).unwrap();
        let identity = tokens.verify(&issued.text).unwrap();
        assert_eq!((identity.subject.as_str(), identity.role), ("7", Role::Admin));
        assert_eq!((identity.expires, identity.token), (issued.expires, draft.id));
        assert_eq!(identity.issued.seconds(), draft.issued.seconds());
        assert_eq!(identity.topics, ["news"]);
        assert!(tokens.verify(&sign(&tokens, |_, _| {})).is_ok());
    }

    #[test]
    fn expired_token_says_so() {
        let tokens = tokens();
        let token = sign(&tokens, |_, claims| claims["exp"] = json!(Time::now().seconds() - 1));
        assert!(matches!(tokens.verify(&token), Err(Error::TokenExpired)));
    }

    #[test]
    fn tokens_with_wrong_claims_or_headers_are_invalid() {
        let tokens = tokens();
        type Twist = fn(&mut Header, &mut Value);
        let twists: [(&str, Twist); 11] = [
            ("foreign iss", |_, claims| claims["iss"] = json!("other")),
            ("foreign aud", |_, claims| claims["aud"] = json!("other")),
            ("empty sub", |_, claims| claims["sub"] = json!("")),
            ("sub of another type", |_, claims| claims["sub"] = json!(1)),
            ("no exp", |_, claims| drop(claims.as_object_mut().map(|each| each.remove("exp")))),
            ("exp as text", |_, claims| claims["exp"] = json!("tomorrow")),
            ("nbf to come", |_, claims| claims["nbf"] = json!(Time::now().seconds() + 60)),
            ("unknown role", |_, claims| claims["role"] = json!("king")),
            ("crit", |header, _| header.crit = Some(vec!["exp".to_owned()])),
            ("foreign kid", |header, _| header.kid = Some("other".to_owned())),
            ("no kid", |header, _| header.kid = None),
        ];
        for (name, twist) in twists {
            let token = sign(&tokens, twist);
            assert!(matches!(tokens.verify(&token), Err(Error::TokenInvalid)), "{name}");
        }
    }

    #[test]
    fn forged_tokens_are_invalid() {
        let (ours, theirs) = (tokens(), tokens());
        let kid = ours.keys.signing(Time::now()).unwrap().id.clone();
        let good = sign(&ours, |_, _| {});
        let (head, _) = good.rsplit_once('.').unwrap();
        let (_, payload) = head.split_once('.').unwrap();
        let none = |alg: &str| {
            let header = json!({"alg": alg, "kid": kid}).to_string();
            format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(header))
        };
        let foreign = sign(&theirs, |header, _| header.kid = Some(kid.clone()));
        let unsigned = format!("{head}.");
        for token in
            [foreign, unsigned, none("none"), none("None"), none("HS256"), "a.b.c".into(), String::new()]
        {
            assert!(matches!(ours.verify(&token), Err(Error::TokenInvalid)), "{token}");
        }
    }
}
