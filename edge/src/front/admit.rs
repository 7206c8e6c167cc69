//! Lets a caller through to a method, or refuses it.

use http::request::Parts;

use crate::error::Result;
use crate::layer::{Caller, ClientAddress, identify};
use crate::schema::{Method, Schema};

use super::state::Front;

/// Who calls, and whether they may call again just now.
pub async fn admit(
    front: &Front,
    schema: &Schema,
    method: &Method,
    head: &Parts,
    ticket: Option<&str>,
) -> Result<Caller> {
    front.keys.check_known(schema)?;
    let keys = front.keys.verifies(schema).then_some(&front.keys);
    let caller = identify(keys, &front.tickets, &front.config.auth, head, method, ticket).await?;
    if let Some(per_minute) = method.auth.per_minute {
        let address =
            || head.extensions.get::<ClientAddress>().map_or_else(String::new, |ip| ip.0.to_string());
        front.caller_limit.check(method.name(), per_minute, &caller.name().unwrap_or_else(address))?;
    }
    Ok(caller)
}
