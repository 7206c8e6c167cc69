//! What every method asks of its request.

use tonic::Request;

use crate::auth::Caller;

/// Who makes the call; the layer in front has verified it.
pub(super) fn caller<T>(request: &Request<T>) -> Caller {
    request.extensions().get().cloned().unwrap_or(Caller::Anonymous)
}
