//! The keys that sign tokens.

use secrecy::SecretString;

use super::time::Time;

/// A key pair that signs tokens.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// The `kid` of the tokens it signs.
    pub id: String,
    /// PKCS #8 in PEM.
    pub pem: SecretString,
    /// It signs from this time on, until its successor does.
    pub signs: Time,
    /// When it was made.
    pub created: Time,
}
