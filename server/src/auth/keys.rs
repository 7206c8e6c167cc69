//! A key pair that signs and verifies tokens.

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::{StoredKey, Time};

/// An Ed25519 key pair, ready for use.
#[derive(Debug)]
pub(super) struct SigningKey {
    pub(super) id: String,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    pub(super) public: Jwk,
    /// It signs from this time on, until its successor does.
    pub(super) signs: Time,
}

impl SigningKey {
    pub(super) fn new(key: &StoredKey) -> Result<Self> {
        Self::read(&key.pem, key.signs).map_err(Error::internal)
    }

    fn read(pem: &SecretString, signs: Time) -> jsonwebtoken::errors::Result<Self> {
        let encoding = EncodingKey::from_ed_pem(pem.expose_secret().as_bytes())?;
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA)?;
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(serde_json::to_vec(&public.algorithm)?)[..12]);
        public.common.key_id = Some(id.clone());
        public.common.key_algorithm = Some(KeyAlgorithm::EdDSA);
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { id, decoding: DecodingKey::from_jwk(&public)?, encoding, public, signs })
    }
}

/// Makes a key that signs from a time on.
///
/// # Errors
/// When the system gives no randomness.
pub fn generate_key(signs: Time) -> Result<StoredKey> {
    let pair = Ed25519KeyPair::generate().map_err(Error::internal)?;
    let document = pair.to_pkcs8v1().map_err(Error::internal)?;
    let body = STANDARD.encode(document.as_ref());
    import_key(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n").into(), signs)
}

/// A key of PKCS #8 in PEM that signs from a time on.
///
/// # Errors
/// When the text is something else.
pub fn import_key(pem: SecretString, signs: Time) -> Result<StoredKey> {
    let SigningKey { id, .. } = SigningKey::read(&pem, signs).map_err(Error::internal)?;
    Ok(StoredKey { id, pem, signs, created: Time::now() })
}
