//! A native EventSource, and the little page code around it.

use std::time::Duration;

use rand::Rng;

use crate::history::Seen;

use super::reader::{Reader, is_of_token};
use super::sse;

/// What a browser waits before a server tells it otherwise.
const RETRY: Duration = Duration::from_secs(1);

/// Makes one EventSource after the other, for ever.
pub(super) async fn attend(reader: &mut Reader) {
    loop {
        while reader.credential.is_missing() && !reader.renew().await {
            reader.pause(Duration::from_millis(300)).await;
        }
        // The page's own URL: its cursor stays what it was, however far the EventSource has come since.
        let cursor = reader.cursor.as_ref().map(|cursor| format!("&cursor={cursor}"));
        let path = format!("{}&heartbeat=event{}", reader.path(), cursor.unwrap_or_default());
        live(reader, &path).await;
        // It has given up for good: the page makes a new one after a while.
        reader.renew().await;
        reader.pause(Duration::from_secs(1)).await;
    }
}

/// One EventSource, until it gives up (HTML, section 9.2.3).
async fn live(reader: &mut Reader, path: &str) {
    let mut retry = RETRY;
    let mut is_first = true;
    loop {
        let (edge, base) = reader.edge();
        let cursor = reader.cursor.clone();
        let mut request = reader.get(&format!("{base}{path}")).header("accept", "text/event-stream");
        if let Some(cursor) = cursor.as_ref().filter(|_| !std::mem::take(&mut is_first)) {
            request = request.header("last-event-id", cursor);
        }
        is_first = false;
        reader.see(Seen::Asked { edge, cursor: cursor.map(Into::into) });
        if let Some(response) = reader.send(request).await {
            let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
            let is_stream = content_type.is_some_and(|value| value.starts_with("text/event-stream"));
            if response.status() != 200 || !is_stream {
                reader.refused(response).await;
                return;
            }
            let finished = sse::read(reader, response).await;
            retry = finished.retry.unwrap_or(retry);
            // The page hears of it, and the cookie is renewed while the EventSource waits.
            if finished.reason.is_some_and(|reason| is_of_token(&reason)) {
                reader.renew().await;
            }
        }
        tokio::time::sleep(retry).await;
        if reader.random.random_bool(0.5) {
            reader.nap().await;
        }
    }
}
