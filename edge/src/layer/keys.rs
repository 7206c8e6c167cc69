//! The keys that verify tokens: from the backend's EdgeIdentityService or a JWKS file (RFC 7517).

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use http::uri::PathAndQuery;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use lastmile_proto::edge::v1::{GetJwksRequest, GetJwksResponse};
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use prost::Message;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::config::AuthConfig;
use crate::error::{Code, Error, Result};
use crate::identity::{Claims, Revocations};
use crate::schema::Schema;
use crate::upstream::{Call, Upstream};

use super::revocations::{self, follow};

const SERVICE: &str = "lastmile.edge.v1.EdgeIdentityService";
const GET_JWKS: &str = "/lastmile.edge.v1.EdgeIdentityService/GetJwks";
/// An unknown key is looked up again, but not more often than this.
const RETRY: Duration = Duration::from_secs(5);
const MAX_AGE: Duration = Duration::from_secs(300);
/// Clocks differ.
const LEEWAY_SECONDS: u64 = 5;

/// Verifies tokens.
#[derive(Debug)]
pub struct Keys {
    config: AuthConfig,
    upstream: Upstream,
    set: ArcSwapOption<KeySet>,
    /// When the keys were last asked for.
    asked: Mutex<Option<Instant>>,
    /// The issuer was there once.
    has_verified: AtomicBool,
    revocations: Revocations,
    /// Whether the issuer tells what it revokes.
    tells: watch::Sender<bool>,
}

struct KeySet {
    issuer: Option<String>,
    audience: Option<String>,
    keys: Vec<Key>,
    /// The public ones, as text.
    jwks: String,
    max_age: Duration,
    fetched: Instant,
}

/// One algorithm a key: a token does not choose its own.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Keys {
    /// # Errors
    /// A sentence when the JWKS file cannot be used, or nothing says whose tokens it verifies.
    pub fn new(config: AuthConfig, upstream: Upstream) -> Result<Self, String> {
        let set = match config.keys.as_str() {
            "auto" | "none" => None,
            _ if config.issuer.is_none() => {
                return Err(
                    "auth.keys is a file, so auth.issuer must say which `iss` its tokens carry".into()
                );
            }
            file => {
                let jwks =
                    std::fs::read_to_string(file).map_err(|error| format!("auth.keys: {file}: {error}"))?;
                let set = KeySet::parse(&jwks, None, None, MAX_AGE)
                    .map_err(|error| format!("auth.keys: {file}: {error}"))?;
                Some(Arc::new(set.with(&config)))
            }
        };
        Ok(Self {
            config,
            upstream,
            set: ArcSwapOption::new(set),
            asked: Mutex::new(None),
            has_verified: AtomicBool::new(false),
            revocations: Revocations::default(),
            tells: watch::Sender::new(false),
        })
    }

    /// Whether tokens are verified here; else they pass through and the backend decides.
    pub fn verifies(&self, schema: &Schema) -> bool {
        match self.config.keys.as_str() {
            "none" => false,
            "auto" => {
                // Once tokens were verified, an issuer that goes away makes no caller trusted.
                if schema.pool.get_service_by_name(SERVICE).is_some() {
                    self.has_verified.store(true, Ordering::Relaxed);
                }
                self.has_verified.load(Ordering::Relaxed)
            }
            _ => true,
        }
    }

    /// # Errors
    /// UNAVAILABLE while the upstream that issues the tokens may be one that has not been heard of.
    pub fn check_known(&self, schema: &Schema) -> Result<()> {
        if schema.is_whole || self.config.keys != "auto" || self.verifies(schema) {
            return Ok(());
        }
        let message = "An upstream that may issue the tokens has not been reached yet. Try again in a moment, or say \
                       with `auth.keys` who issues them.";
        Err(Error::new(Code::Unavailable, "ISSUER_UNKNOWN", message).retry_after(Duration::from_secs(1)))
    }

    /// Takes note of what the issuer offers.
    pub fn learn(&self, schema: &Schema) {
        let tells = self.config.keys == "auto" && schema.methods.contains_key(revocations::METHOD);
        self.tells.send_if_modified(|told| std::mem::replace(told, tells) != tells);
    }

    /// Follows what the issuer revokes, as soon and as long as it tells. Never ends.
    pub async fn follow_revocations(&self) {
        let mut tells = self.tells.subscribe();
        loop {
            // The sender lives as long as these keys.
            let _ = tells.wait_for(|tells| *tells).await;
            tokio::select! {
                () = follow(&self.upstream, &self.revocations) => {}
                _ = tells.wait_for(|tells| !*tells) => {}
            }
        }
    }

    /// The tokens that are refused though they have not expired.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// The public keys as a JWKS document.
    pub async fn jwks(&self) -> Result<String> {
        self.current().await.map(|set| set.jwks.clone())
    }

    /// Checks signature, issuer, audience and times, and that it is not revoked.
    ///
    /// # Errors
    /// UNAUTHENTICATED with `TOKEN_EXPIRED`, `TOKEN_REVOKED` or `TOKEN_INVALID`; UNAVAILABLE when the keys cannot be had.
    pub async fn verify(&self, token: &str) -> Result<Claims> {
        let header = decode_header(token).map_err(|_| invalid())?;
        if header.crit.is_some() {
            return Err(invalid());
        }
        let find = |set: &KeySet| {
            set.keys.iter().position(|key| key.id == header.kid && key.algorithm == header.alg)
        };
        let mut set = self.current().await?;
        if find(&set).is_none() {
            set = self.fetch(RETRY).await?;
        }
        let key = find(&set).map(|index| &set.keys[index]).ok_or_else(invalid)?;

        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;

        match &set.issuer {
            Some(issuer) => validation.set_issuer(&[issuer]),
            None => return Err(invalid()),
        }
        match &set.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.set_required_spec_claims(&["aud", "exp", "iss", "sub"]);
            }
            None => {
                validation.validate_aud = false;
                validation.set_required_spec_claims(&["exp", "iss", "sub"]);
            }
        }
        let claims: Claims = match decode(token, &key.key, &validation) {
            Ok(token) => token.claims,
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => return Err(expired()),
            Err(_) => return Err(invalid()),
        };
        match () {
            () if claims.sub.is_empty() => Err(invalid()),
            () if self.revocations.cover(&claims) => Err(revoked()),
            () => Ok(claims),
        }
    }

    async fn current(&self) -> Result<Arc<KeySet>> {
        let Some(set) = self.set.load_full() else { return self.fetch(Duration::ZERO).await };
        // Old keys are better than none, or than waiting while someone else asks for new ones.
        let is_stale = self.config.keys == "auto" && set.fetched.elapsed() > set.max_age;
        if is_stale && self.asked.try_lock().is_ok() { self.fetch(RETRY).await.or(Ok(set)) } else { Ok(set) }
    }

    /// Asks the backend for its keys, one caller at a time, at most once in `pause`.
    async fn fetch(&self, pause: Duration) -> Result<Arc<KeySet>> {
        let mut asked = self.asked.lock().await;
        if let Some(set) = self.set.load_full()
            && (self.config.keys != "auto" || asked.is_some_and(|asked| asked.elapsed() < pause))
        {
            return Ok(set);
        }
        *asked = Some(Instant::now());
        let call = Call {
            path: PathAndQuery::from_static(GET_JWKS),
            metadata: HeaderMap::new(),
            deadline: Some(Instant::now() + RETRY),
            plan: None,
            max_message: 1024 * 1024,
        };
        // Shared by all callers, so no part of the trace of the one that happens to wait for it.
        let reply = self.upstream.unary(call, GetJwksRequest {}.encode_to_vec().into());
        // It belongs to no request, even when one waits for it. Boxed: requests hardly ever need room for it.
        let reply = Box::pin(reply.with_context(Context::new()));
        let reply = reply.await.map_err(|error| {
            tracing::warn!(%error, "the keys that verify tokens cannot be fetched");
            Error::new(
                Code::Unavailable,
                "KEYS_UNAVAILABLE",
                "Tokens cannot be verified just now. Try again in a moment.",
            )
            .retry_after(Duration::from_secs(1))
        })?;
        let answer = GetJwksResponse::decode(reply.message).map_err(Error::internal)?;
        let max_age = answer.max_age.and_then(|age| Duration::try_from(age).ok()).unwrap_or(MAX_AGE);
        let named = |text: String| Some(text).filter(|text| !text.is_empty());
        let set = KeySet::parse(&answer.jwks, named(answer.issuer), named(answer.audience), max_age);
        let set = Arc::new(set.map_err(Error::internal)?.with(&self.config));
        self.set.store(Some(Arc::clone(&set)));
        Ok(set)
    }
}

impl KeySet {
    fn parse(
        text: &str,
        issuer: Option<String>,
        audience: Option<String>,
        max_age: Duration,
    ) -> Result<Self, String> {
        let mut set: JwkSet = serde_json::from_str(text).map_err(|error| format!("not a JWKS: {error}"))?;
        set.keys.retain(|jwk| Key::new(jwk).is_some());
        if set.keys.is_empty() {
            return Err("a JWKS without a public key that can be used".into());
        }
        let keys = set.keys.iter().filter_map(Key::new).collect();
        // Written anew from what was understood: the text may hold private members.
        let jwks = serde_json::to_string(&set).map_err(|error| error.to_string())?;
        Ok(Self { issuer, audience, keys, jwks, max_age, fetched: Instant::now() })
    }

    /// What is configured wins over what the backend says.
    fn with(mut self, config: &AuthConfig) -> Self {
        self.issuer = config.issuer.clone().or(self.issuer);
        self.audience = config.audience.clone().or(self.audience);
        self
    }
}

impl Key {
    fn new(jwk: &Jwk) -> Option<Self> {
        let named = jwk.common.key_algorithm.and_then(|name| Algorithm::from_str(&name.to_string()).ok());
        let algorithm = match &jwk.algorithm {
            // A shared secret is no public key.
            AlgorithmParameters::OctetKey(_) => return None,
            AlgorithmParameters::OctetKeyPair(_) => named.or(Some(Algorithm::EdDSA)),
            _ => named,
        };
        Some(Self {
            id: jwk.common.key_id.clone(),
            algorithm: algorithm?,
            key: DecodingKey::from_jwk(jwk).ok()?,
        })
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet")
            .field("issuer", &self.issuer)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// Says nothing of what is wrong with it: that would help only a forger.
fn invalid() -> Error {
    Error::new(Code::Unauthenticated, "TOKEN_INVALID", "The token is not valid here.")
}

fn expired() -> Error {
    Error::new(Code::Unauthenticated, "TOKEN_EXPIRED", "The token has expired. Refresh it and try again.")
}

fn revoked() -> Error {
    Error::new(Code::Unauthenticated, "TOKEN_REVOKED", "The token has been revoked. Log in again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_keys_are_taken_and_told() {
        let text = r#"{"keys":[
            {"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"secret"},
            {"kty":"oct","kid":"b","k":"c2VjcmV0","alg":"HS256"}
        ]}"#;
        let set = KeySet::parse(text, None, None, MAX_AGE).unwrap();
        assert_eq!(set.keys.len(), 1);
        assert!(!set.jwks.contains("secret") && !set.jwks.contains("c2VjcmV0"), "{}", set.jwks);
        assert!(set.jwks.contains("11qYAYKxCrfVS"), "{}", set.jwks);
        assert!(KeySet::parse(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, None, None, MAX_AGE).is_err());
    }
}
