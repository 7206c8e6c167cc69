//! Who calls: passwords, signed access tokens, opaque refresh tokens, and the caller they make.

mod identity;
mod password;
mod secret;
mod keys;
mod token;

pub use identity::{Caller, Identity};
pub use keys::SigningKey;
pub use password::{PASSWORD_RULE, Passwords, keeps_password_rule};
pub use secret::{Secret, hash_secret};
pub use token::{AUDIENCE, ISSUER, IssuedToken, Tokens};
