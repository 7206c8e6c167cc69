//! A client that polls, and follows the link that each answer carries.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::history::Seen;

use super::reader::{PATIENCE, Reader};

/// Asks, again and again, for ever.
pub(super) async fn attend(reader: &mut Reader) {
    let mut link: Option<String> = None;
    loop {
        while reader.credential.is_missing() && !reader.renew().await {
            reader.pause(Duration::from_millis(300)).await;
        }
        match ask(reader, link.as_deref()).await {
            Some(next) => {
                link = Some(next);
                reader.pause(Duration::from_millis(30)).await;
            }
            None => reader.pause(Duration::from_millis(500)).await,
        }
        reader.nap().await;
    }
}

/// One answer; its link, when it came whole.
async fn ask(reader: &mut Reader, link: Option<&str>) -> Option<String> {
    let (edge, base) = reader.edge();
    let url = link.map_or_else(|| format!("{base}{}", reader.path()), |link| format!("{base}{link}"));
    let request = reader.get(&url).header("accept", "application/json").header("prefer", "wait=5");
    let cursor = link.and_then(|link| link.split_once("cursor=")).map(|(_, cursor)| cursor.into());
    reader.see(Seen::Asked { edge, cursor });
    let response = reader.send(request).await?;
    let status = response.status().as_u16();
    let next = response.headers().get("link").and_then(|value| value.to_str().ok()).map(String::from);
    if status != 200 && status != 204 {
        if let (401, _) = reader.refused(response).await {
            reader.renew().await;
        }
        return None;
    }
    let Ok(Ok(body)) = timeout(PATIENCE, response.text()).await else {
        // Half an array is none: the same question is asked again.
        reader.see(Seen::Cut);
        return None;
    };
    let Some(next) = next.as_deref().and_then(target) else {
        reader.see(Seen::Malformed { what: format!("{status} without a link to what comes next") });
        return None;
    };
    if status == 200 {
        take(reader, &body);
    }
    let token = next.split_once("cursor=").map(|(_, cursor)| cursor);
    if let Some(token) = token {
        reader.see(Seen::Stands { token: token.into() });
    }
    Some(next)
}

fn take(reader: &mut Reader, body: &str) {
    let elements: Vec<Value> = match serde_json::from_str(body) {
        Ok(elements) => elements,
        Err(error) => return reader.see(Seen::Malformed { what: format!("{error} in {body}") }),
    };
    for element in elements {
        if element["@open"].is_object() {
            reader.opened(&element["@open"].to_string());
        } else if element["@skipped"].is_object() {
            reader.see(Seen::Skipped { reason: element.to_string() });
        } else {
            reader.event(&element.to_string(), None);
        }
    }
}

/// The target of `<…>; rel="next"`.
fn target(link: &str) -> Option<String> {
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    rest.contains("rel=\"next\"").then(|| target.to_owned())
}
