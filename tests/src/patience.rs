//! How long a test waits for something that must happen.

use std::future::Future;
use std::time::Duration;

/// The limit of every wait. Reached only by a failure, so it may be generous.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Awaits `event`; panics with `what` when it does not come.
///
/// # Panics
/// After [`LIMIT`].
pub async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited {LIMIT:?} for {what}"),
    }
}

/// Asks again and again until the answer is `Some`: for states that cannot be subscribed to.
///
/// # Panics
/// After [`LIMIT`].
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    soon(what, async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}
