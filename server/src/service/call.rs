//! What every method asks of its request.

use tonic::Request;

use crate::auth::{Caller, Identity};
use crate::error::Result;

/// Who makes the call; the layer in front has verified it.
pub(super) fn caller<T>(request: &Request<T>) -> Caller {
    request.extensions().get().cloned().unwrap_or(Caller::Anonymous)
}

/// Caller and message of a call; who may not make it hears so before the message is looked at.
pub(super) fn admitted<T>(
    request: Request<T>,
    admit: impl FnOnce(&Caller) -> Result<&Identity>,
) -> Result<(Caller, T)> {
    let caller = caller(&request);
    admit(&caller)?;
    Ok((caller, request.into_inner()))
}
