//! Who calls: passwords, signed access tokens, opaque refresh tokens, and the caller they make.

mod identity;
mod password;
mod secret;
mod keys;
mod keyring;
mod token;
mod revocations;

pub use identity::{Caller, Identity};
pub use keyring::Keyring;
pub use keys::{generate_key, import_key};
pub use password::{PASSWORD_RULE, Passwords, keeps_password_rule};
pub use revocations::Revocations;
pub use secret::{Secret, hash_secret};
pub use token::{AUDIENCE, ISSUER, IssuedToken, TokenDraft, TokenHolder, Tokens};
