//! Changes of the keys that sign tokens.

use crate::model::StoredKey;

/// A change of the signing keys.
#[derive(Debug)]
pub enum KeyChange {
    /// Adds a key, unless another process has added one since.
    Add {
        /// The key.
        key: StoredKey,
        /// Id of the newest key so far; none before the first.
        after: Option<String>,
    },
    /// Deletes keys.
    Forget {
        /// Which keys.
        ids: Vec<String>,
    },
}
