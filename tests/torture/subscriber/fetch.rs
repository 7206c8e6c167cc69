//! A client that reads SSE by `fetch`, with `Authorization` and a backoff of its own.

use std::time::Duration;

use rand::Rng;

use crate::history::Seen;

use super::reader::{Reader, is_of_token};
use super::sse;

const FIRST_PAUSE: Duration = Duration::from_millis(150);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Connects, again and again, for ever.
pub(super) async fn attend(reader: &mut Reader) {
    let mut pause = FIRST_PAUSE;
    loop {
        while reader.credential.is_missing() && !reader.renew().await {
            reader.pause(FIRST_PAUSE).await;
        }
        if connect(reader).await {
            pause = FIRST_PAUSE;
        } else {
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        reader.pause(pause).await;
        reader.nap().await;
    }
}

/// One answer to its end; whether there was a stream.
async fn connect(reader: &mut Reader) -> bool {
    let (edge, base) = reader.edge();
    let cursor = reader.cursor.clone();
    let in_query = reader.random.random_bool(0.5);
    let query = cursor.as_ref().filter(|_| in_query).map(|cursor| format!("&cursor={cursor}"));
    let url = format!("{base}{}{}", reader.path(), query.unwrap_or_default());
    let mut request = reader.get(&url).header("accept", "text/event-stream");
    if let Some(cursor) = cursor.as_ref().filter(|_| !in_query) {
        request = request.header("last-event-id", cursor);
    }
    reader.see(Seen::Asked { edge, cursor: cursor.map(Into::into) });
    let Some(response) = reader.send(request).await else { return false };
    if response.status() != 200 {
        if let (401, _) = reader.refused(response).await {
            reader.renew().await;
        }
        return false;
    }
    let finished = sse::read(reader, response).await;
    if finished.reason.is_some_and(|reason| is_of_token(&reason)) {
        reader.renew().await;
    }
    true
}
