//! How a call ended, as gRPC's trailers tell it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lastmile_proto::google::rpc::bad_request::FieldViolation;
use lastmile_proto::google::rpc::{BadRequest, ErrorInfo, RetryInfo, Status};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};
use prost::Message;
use prost_types::Any;

use crate::base64_forms::METADATA;
use crate::ending::Ending;
use crate::error::{Code, Error};
use crate::upstream::envelope::{TRAILERS, envelope};
use crate::upstream::{discreet, metadata};

pub const STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
pub const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// Printable ASCII but `%` stays as it is (gRPC over HTTP/2, "Responses").
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');
/// Who made an error, in its ErrorInfo.
const DOMAIN: &str = "lastmile.edge.v1";

/// The status and what may pass of the rest. With `reveal`, backends' own faults pass in their own words.
pub fn passed(trailers: &HeaderMap, allowed: &[HeaderName], reveal: bool) -> HeaderMap {
    let mut passed = metadata::show(trailers, allowed);
    for name in [STATUS, MESSAGE, DETAILS] {
        if let Some(value) = trailers.get(&name) {
            passed.insert(name, value.clone());
        }
    }
    if is_ok(trailers) {
        return passed;
    }
    let told = discreet(&status(trailers));
    if !reveal {
        // Nobody can say what these hold.
        if details_of(trailers).is_none() {
            passed.remove(DETAILS);
        }
        if let Some(told) = told {
            tell(&mut passed, &told);
        }
    }
    passed
}

/// Whether they say that the call went well.
pub fn is_ok(trailers: &HeaderMap) -> bool {
    trailers.get(STATUS).is_some_and(|status| status == "0")
}

/// What they say, for the access log.
pub fn ending(trailers: &HeaderMap) -> Ending {
    Ending::told(if is_ok(trailers) { "OK" } else { code(trailers).name() })
}

fn code(trailers: &HeaderMap) -> Code {
    let number = trailers.get(STATUS).and_then(|status| status.to_str().ok()?.parse().ok());
    Code::from_number(number.unwrap_or(Code::Unknown as i32))
}

/// Code, message and details that trailers tell of a call that failed.
pub fn status(trailers: &HeaderMap) -> Status {
    let code = code(trailers) as i32;
    let message = trailers.get(MESSAGE).map(|message| percent_decode(message.as_bytes()).decode_utf8_lossy());
    let message = message.unwrap_or_default().into_owned();
    Status { code, message, details: details_of(trailers).unwrap_or_default() }
}

fn details_of(trailers: &HeaderMap) -> Option<Vec<Any>> {
    let bytes = METADATA.decode(trailers.get(DETAILS)?).ok()?;
    Some(Status::decode(bytes.as_slice()).ok()?.details)
}

/// An error of the edge itself, with what it knows as `google.rpc` details.
pub fn of_error(error: &Error) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from(error.code() as u16));
    let (code, message) = (error.code() as i32, error.message().to_owned());
    tell(&mut trailers, &Status { code, message, details: details(error) });
    trailers
}

/// Puts this message and these details in place of those there are.
fn tell(trailers: &mut HeaderMap, status: &Status) {
    let message = utf8_percent_encode(&status.message, ESCAPED).to_string();
    let details = STANDARD_NO_PAD.encode(status.encode_to_vec());
    for (name, text, is_empty) in
        [(MESSAGE, message, status.message.is_empty()), (DETAILS, details, status.details.is_empty())]
    {
        trailers.remove(&name);
        if let Ok(value) = HeaderValue::try_from(text)
            && !is_empty
        {
            trailers.insert(name, value);
        }
    }
}

fn details(error: &Error) -> Vec<Any> {
    let info =
        ErrorInfo { reason: error.reason_text().into(), domain: DOMAIN.into(), ..ErrorInfo::default() };
    let mut details = vec![any("ErrorInfo", &info)];
    if !error.violations().is_empty() {
        let field_violations = error.violations().iter().map(|violation| FieldViolation {
            field: violation.field.clone(),
            description: violation.message.clone(),
            ..FieldViolation::default()
        });
        details.push(any("BadRequest", &BadRequest { field_violations: field_violations.collect() }));
    }
    let retry_after = error.headers().iter().find(|(name, _)| *name == header::RETRY_AFTER);
    if let Some(seconds) = retry_after.and_then(|(_, value)| value.to_str().ok()?.parse().ok()) {
        let retry_delay = Some(prost_types::Duration { seconds, nanos: 0 });
        details.push(any("RetryInfo", &RetryInfo { retry_delay }));
    }
    details
}

fn any(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value: message.encode_to_vec() }
}

/// The last frame of gRPC-Web, which holds the trailers as text.
pub fn frame(trailers: &HeaderMap) -> Bytes {
    let mut text = Vec::new();
    for (name, value) in trailers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    envelope(TRAILERS, &text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_error_of_the_edge_has_details_that_programs_read() {
        let error = Error::field("user.näme", "100 %\nwrong").retry_after(Duration::from_millis(1500));
        let trailers = of_error(&error);
        assert_eq!(trailers[STATUS], "3");
        assert_eq!(trailers[MESSAGE], "user.n%C3%A4me: 100 %25%0Awrong");
        let details = STANDARD_NO_PAD.decode(trailers[DETAILS].as_bytes()).unwrap();
        let status = Status::decode(details.as_slice()).unwrap();
        assert_eq!((status.code, status.message.as_str()), (3, "user.näme: 100 %\nwrong"));
        let names: Vec<&str> = status.details.iter().map(|any| &any.type_url[31..]).collect();
        assert_eq!(names, ["ErrorInfo", "BadRequest", "RetryInfo"]);
        let delay = RetryInfo::decode(status.details[2].value.as_slice()).unwrap().retry_delay;
        assert_eq!(delay.unwrap().seconds, 2);
    }

    #[test]
    fn only_the_status_and_the_list_pass() {
        let mut trailers = of_error(&Error::new(Code::Aborted, "R", "m"));
        for name in ["x-cost", "x-secret", "grpc-other"] {
            trailers.insert(name, "1".parse().unwrap());
        }
        let passed = passed(&trailers, &["x-cost".parse().unwrap(), "grpc-other".parse().unwrap()], false);
        let mut names: Vec<&str> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["grpc-message", "grpc-status", "grpc-status-details-bin", "x-cost"]);
    }

    #[test]
    fn the_frame_of_grpc_web_holds_them_as_lines() {
        let mut trailers = HeaderMap::new();
        trailers.insert(STATUS, "0".parse().unwrap());
        trailers.append("x-cost", "1".parse().unwrap());
        trailers.append("x-cost", "2".parse().unwrap());
        assert_eq!(frame(&trailers), &b"\x80\0\0\0\x23grpc-status:0\r\nx-cost:1\r\nx-cost:2\r\n"[..]);
    }
}
