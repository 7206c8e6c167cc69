//! Opaque random secrets, such as refresh tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A fresh secret of 256 random bits.
#[derive(Debug)]
pub struct Secret {
    /// What the holder gets.
    pub text: String,
    /// What the server keeps. A fast hash will do: nobody guesses 256 bits.
    pub hash: [u8; 32],
}

impl Secret {
    /// Makes a secret.
    pub fn generate() -> Self {
        let text = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        Self { hash: hash_secret(&text), text }
    }
}

/// The hash under which a secret is known.
pub fn hash_secret(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
