//! Who says hello, as each call of the session will say it again.

use std::sync::Arc;

use http::request::Parts;

use crate::hub::Reading;
use crate::identity::Standing;

/// Who a session is for, verified where tokens are verified here.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The head that began the connection, with the token in `Authorization`: calls are made as if it had asked for each.
    pub head: Arc<Parts>,
    /// The same for all connections of a session.
    pub identity: Reading,
    pub standing: Standing,
    /// When the token is over, in seconds since 1970; 0 when that is not known.
    pub expires: u64,
    /// Tells callers apart where their places are counted.
    pub name: Option<String>,
}
