//! A client that reads NDJSON, and resumes by the cursor in the last line it has.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

use crate::history::Seen;

use super::reader::{Reader, is_of_token};

/// Connects, again and again, for ever.
pub(super) async fn attend(reader: &mut Reader) {
    loop {
        while reader.credential.is_missing() && !reader.renew().await {
            reader.pause(Duration::from_millis(300)).await;
        }
        connect(reader).await;
        reader.pause(Duration::from_millis(400)).await;
        reader.nap().await;
    }
}

async fn connect(reader: &mut Reader) {
    let (edge, base) = reader.edge();
    let cursor = reader.cursor.clone();
    let query = cursor.as_ref().map(|cursor| format!("&cursor={cursor}"));
    let url = format!("{base}{}{}", reader.path(), query.unwrap_or_default());
    let request = reader.get(&url).header("accept", "application/x-ndjson");
    reader.see(Seen::Asked { edge, cursor: cursor.map(Into::into) });
    let Some(response) = reader.send(request).await else { return };
    if response.status() != 200 {
        if let (401, _) = reader.refused(response).await {
            reader.renew().await;
        }
        return;
    }
    let reason = read(reader, response).await;
    if reason.is_some_and(|reason| is_of_token(&reason)) {
        reader.renew().await;
    }
}

/// Reads whole lines to the end; returns why it ended, if that was said.
async fn read(reader: &mut Reader, mut response: Response) -> Option<String> {
    let (mut pending, mut reason) = (Vec::new(), None);
    while let Ok(Ok(Some(bytes))) = timeout(reader.watchdog(), response.chunk()).await {
        pending.extend_from_slice(&bytes);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                reason = take(reader, line.trim()).or(reason);
            }
        }
    }
    if reason.is_none() {
        reader.see(Seen::Cut);
    }
    reason
}

/// Takes a line; returns why the stream ends, if that is what it says.
fn take(reader: &mut Reader, line: &str) -> Option<String> {
    if !line.starts_with("{\"@") {
        reader.cursor = reader.event(line, None).or(reader.cursor.take());
        return None;
    }
    let control: Value = serde_json::from_str(line).unwrap_or_default();
    let Some((name, value)) = control.as_object().and_then(|object| object.iter().next()) else {
        reader.see(Seen::Malformed { what: line.to_owned() });
        return None;
    };
    if let Some(cursor) = value["cursor"].as_str() {
        reader.cursor = Some(cursor.to_owned());
    }
    let reason = value["reason"].as_str().unwrap_or_default().to_owned();
    match name.as_str() {
        "@open" => {
            reader.opened(&value.to_string());
            stand(reader, value);
        }
        "@position" => stand(reader, value),
        "@skipped" => reader.see(Seen::Skipped { reason }),
        "@close" => {
            stand(reader, value);
            reader.see(Seen::Closed { reason: reason.clone() });
            return Some(reason);
        }
        "@error" => {
            reader.see(Seen::Failed { reason: reason.clone() });
            return Some(reason);
        }
        "@end" => {
            reader.see(Seen::Ended);
            return Some("ended".to_owned());
        }
        _ => reader.see(Seen::Malformed { what: line.to_owned() }),
    }
    None
}

fn stand(reader: &mut Reader, value: &Value) {
    if let Some(token) = value["cursor"].as_str() {
        reader.see(Seen::Stands { token: token.into() });
    }
}
