//! The key that signs access tokens, kept in the data folder.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Name of the key's file in the data folder: PKCS #8 in PEM.
const FILE: &str = "signing-key.pem";

/// An Ed25519 key pair with its key id.
#[derive(Debug, Clone)]
pub struct SigningKey {
    pub(super) id: String,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    public: Jwk,
}

impl SigningKey {
    /// Loads the key from the data folder; makes one at the first start, readable by the server's user only.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(pem) => {
                Self::from_pem(&pem).map_err(|error| Error::internal(format!("{}: {error}", path.display())))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let pem = generate()?;
                write_private(&path, pem.as_bytes())
                    .map_err(|error| Error::internal(format!("{}: {error}", path.display())))?;
                Self::from_pem(pem.as_bytes()).map_err(Error::internal)
            }
            Err(error) => Err(Error::internal(format!("{}: {error}", path.display()))),
        }
    }

    fn from_pem(pem: &[u8]) -> jsonwebtoken::errors::Result<Self> {
        let encoding = EncodingKey::from_ed_pem(pem)?;
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA)?;
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(serde_json::to_vec(&public.algorithm)?)[..12]);
        public.common.key_id = Some(id.clone());
        public.common.key_algorithm = Some(KeyAlgorithm::EdDSA);
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { id, decoding: DecodingKey::from_jwk(&public)?, encoding, public })
    }

    /// The public half as JSON text of a JSON Web Key Set (RFC 7517).
    ///
    /// # Errors
    /// Only by a fault of the server.
    pub fn jwks(&self) -> Result<String> {
        serde_json::to_string(&JwkSet { keys: vec![self.public.clone()] }).map_err(Error::internal)
    }
}

fn generate() -> Result<String> {
    let pair = Ed25519KeyPair::generate().map_err(Error::internal)?;
    let document = pair.to_pkcs8v1().map_err(Error::internal)?;
    let body = STANDARD.encode(document.as_ref());
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
}

fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn key_is_private_and_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let first = SigningKey::load(folder.path()).unwrap();
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = SigningKey::load(folder.path()).unwrap();
        assert_eq!(first.id, again.id);
        let jwks = again.jwks().unwrap();
        assert!(jwks.contains("Ed25519") && !jwks.contains("\"d\""), "{jwks}");
    }

    #[test]
    fn broken_key_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "nonsense").unwrap();
        let error = SigningKey::load(folder.path()).unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains(FILE));
    }
}
