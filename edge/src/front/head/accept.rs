//! Which face a request asks for, by `Accept` and `Prefer`, decided once.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use prost_reflect::Kind;

use crate::config::rest::Compat;
use crate::error::{Code, Error, Result};
use crate::layer::{ERROR_MEDIA, best_media, weighted};
use crate::schema::Binding;
use crate::schema::method::Stream;

/// Longest a long poll waits.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// One JSON value, of a unary call.
    Json,
    /// The encoded message of a unary call, under the content type that was asked for.
    Protobuf(&'static str),
    /// What google.api.HttpBody holds, whatever `Accept` says.
    Raw,
    Sse,
    Lines,
    /// Lines as grpc-gateway writes them.
    GatewayLines,
    Array,
    /// A JSON array of what comes within this time.
    Poll(Duration),
}

/// # Errors
/// 406 naming the faces there are.
pub fn face(binding: &Binding, compat: Compat, headers: &HeaderMap) -> Result<Face> {
    if binding.raw_answer {
        return Ok(Face::Raw);
    }
    let mut accepted = weighted(headers, &header::ACCEPT);
    accepted.retain(|range| !ERROR_MEDIA.iter().any(|media| range.is(media)));
    let offers = match &binding.method.stream {
        Some(stream) => of_stream(stream, compat, preferred_wait(headers)),
        None => of_unary(binding),
    };
    best_media(&accepted, &offers).ok_or_else(|| not_acceptable(&offers, binding.method.stream.is_some()))
}

fn of_unary(binding: &Binding) -> Vec<(&'static str, Face)> {
    let mut offers = vec![("application/json", Face::Json)];
    // A part of the answer is a message of its own only where it is one.
    let is_message = |field: &prost_reflect::FieldDescriptor| {
        matches!(field.kind(), Kind::Message(_)) && !field.is_list() && !field.is_map()
    };
    if binding.response_body.as_ref().is_none_or(is_message) {
        let protobuf = ["application/x-protobuf", "application/protobuf"];
        offers.extend(protobuf.map(|media| (media, Face::Protobuf(media))));
    }
    offers
}

fn of_stream(stream: &Stream, compat: Compat, wait: Option<Duration>) -> Vec<(&'static str, Face)> {
    let mut offers = Vec::new();
    let json = "application/json";
    match (wait, compat) {
        (Some(wait), _) => offers.push((json, Face::Poll(wait))),
        (None, Compat::GrpcGateway) => offers.push((json, Face::GatewayLines)),
        (None, Compat::None) => {}
    }
    offers.extend(
        ["application/x-ndjson", "application/ndjson", "application/jsonl"].map(|media| (media, Face::Lines)),
    );
    if offers[0].0 != json && stream.finite {
        offers.push((json, Face::Array));
    }
    offers.push(("text/event-stream", Face::Sse));
    offers
}

fn not_acceptable(offers: &[(&str, Face)], is_stream: bool) -> Error {
    let media: Vec<String> = offers.iter().map(|(media, _)| format!("`{media}`")).collect();
    let polling = match is_stream && !offers.iter().any(|(media, _)| *media == "application/json") {
        true => "; for `application/json` also send `Prefer: wait=SECONDS`",
        false => "",
    };
    let message = format!("Ask with `Accept` for one of {}{polling}.", media.join(", "));
    Error::new(Code::InvalidArgument, "NOT_ACCEPTABLE", message).status(StatusCode::NOT_ACCEPTABLE)
}

/// `Prefer: wait=N` (RFC 7240, section 4.3). The first of a name counts, and what cannot be read is no preference.
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
    let preferences = lines.flat_map(|line| line.split(',')).map(|text| {
        let preference = text.split(';').next().unwrap_or_default();
        preference.split_once('=').unwrap_or((preference, ""))
    });
    let mut waits = preferences.filter(|(name, _)| name.trim().eq_ignore_ascii_case("wait"));
    let seconds = waits.next()?.1.trim().trim_matches('"');
    let wait = Duration::from_secs(seconds.parse::<u32>().ok()?.into());
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_wait_preference() {
        for (text, expected) in [
            ("respond-async, wait=5", Some(5)),
            ("WAIT = \"5\"; a=b", Some(5)),
            ("wait=0", Some(0)),
            ("wait=9999", Some(60)),
            ("wait=3, wait=4", Some(3)),
            ("other; wait=5", None),
            ("wait=x", None),
            ("wait=-1", None),
            ("wait=1.5", None),
            ("wait", None),
            ("waiting=5", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", text.parse().unwrap());
            assert_eq!(preferred_wait(&headers).map(|wait| wait.as_secs()), expected, "{text}");
        }
    }
}
