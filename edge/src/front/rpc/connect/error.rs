//! Connect's own form of failures and of the end of a stream (Connect protocol, "Error Codes", "Error End-Stream").

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;
use prost_types::Any;
use serde_json::{Map, Value, json};

use crate::error::Code;
use crate::schema::Plan;
use crate::transcode::write_json;
use crate::upstream::envelope::{END_STREAM, envelope};
use crate::upstream::type_name;

use super::super::trailers::{DETAILS, MESSAGE, STATUS, is_ok, status};

/// The code that trailers tell of a call that failed.
pub fn code(trailers: &HeaderMap) -> Code {
    Code::from_number(status(trailers).code)
}

/// `{code, message, details}` of trailers that tell of a failure; `plan` knows the types of details.
pub fn error_json(trailers: &HeaderMap, plan: Option<&Plan>) -> Value {
    let status = status(trailers);
    let mut error = Map::new();
    error.insert("code".into(), name(Code::from_number(status.code)).into());
    if !status.message.is_empty() {
        error.insert("message".into(), status.message.into());
    }
    if !status.details.is_empty() {
        let details = status.details.iter().map(|detail| detail_json(detail, plan));
        error.insert("details".into(), details.collect());
    }
    Value::Object(error)
}

/// The last envelope of a stream.
pub fn end_stream(trailers: &HeaderMap, plan: Option<&Plan>) -> Bytes {
    let mut end = Map::new();
    if !is_ok(trailers) {
        end.insert("error".into(), error_json(trailers, plan));
    }
    let mut metadata = Map::new();
    for name in trailers.keys().filter(|name| ![STATUS, MESSAGE, DETAILS].contains(name)) {
        let values = trailers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        metadata.insert(name.as_str().into(), values.collect());
    }
    if !metadata.is_empty() {
        end.insert("metadata".into(), Value::Object(metadata));
    }
    envelope(END_STREAM, Value::Object(end).to_string().as_bytes())
}

fn name(code: Code) -> String {
    match code {
        Code::Cancelled => "canceled".into(),
        other => other.name().to_ascii_lowercase(),
    }
}

/// A detail whatever its type, and as JSON too where the type is known.
fn detail_json(detail: &Any, plan: Option<&Plan>) -> Value {
    let name = type_name(detail);
    let mut fields = json!({ "type": name, "value": STANDARD_NO_PAD.encode(&detail.value) });
    let mut debug = Vec::new();
    let is_known = plan.and_then(|plan| Some((plan, plan.find(name)?)));
    if let Some((plan, id)) = is_known
        && write_json(plan, id, &detail.value, &mut debug).is_ok()
        && let Ok(debug) = serde_json::from_slice::<Value>(&debug)
    {
        fields["debug"] = debug;
    }
    fields
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::super::super::trailers::of_error;
    use super::*;
    use crate::error::Error;
    use lastmile_proto::google::rpc::Status;
    use prost::Message;

    fn trailers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let pairs =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn every_code_has_connects_name_for_it() {
        for (status, expected) in [
            ("1", "canceled"),
            ("2", "unknown"),
            ("3", "invalid_argument"),
            ("4", "deadline_exceeded"),
            ("9", "failed_precondition"),
            ("16", "unauthenticated"),
            ("17", "unknown"),
            ("-1", "unknown"),
            ("x", "unknown"),
        ] {
            let error = error_json(&trailers(&[("grpc-status", status)]), None);
            assert_eq!(error, json!({ "code": expected }), "{status}");
        }
    }

    #[test]
    fn details_are_kept_whatever_their_type() {
        let any = Any { type_url: "type.googleapis.com/no.Such".into(), value: vec![255, 1] };
        let status = Status { code: 5, message: String::new(), details: vec![any] };
        for encoded in [
            STANDARD_NO_PAD.encode(status.encode_to_vec()),
            base64::engine::general_purpose::STANDARD.encode(status.encode_to_vec()),
        ] {
            let trailers = trailers(&[
                ("grpc-status", "5"),
                ("grpc-message", "no%20%C3%A4"),
                ("grpc-status-details-bin", &encoded),
            ]);
            let expected = json!({ "code": "not_found", "message": "no ä", "details": [{ "type": "no.Such", "value": "/wE" }] });
            assert_eq!(error_json(&trailers, None), expected);
        }
    }

    #[test]
    fn the_end_of_a_stream_tells_status_and_metadata() {
        let ok = trailers(&[("grpc-status", "0"), ("x-a", "1"), ("x-a", "2")]);
        assert_eq!(end_stream(&HeaderMap::new(), None)[0], END_STREAM);
        assert_eq!(&end_stream(&ok, None)[5..], br#"{"metadata":{"x-a":["1","2"]}}"#);
        assert_eq!(&end_stream(&trailers(&[("grpc-status", "0")]), None)[5..], b"{}");
        let failed = end_stream(&of_error(&Error::new(Code::Aborted, "R", "m")), None);
        let failed: Value = serde_json::from_slice(&failed[5..]).unwrap();
        assert_eq!((&failed["error"]["code"], &failed["error"]["message"]), (&json!("aborted"), &json!("m")));
    }
}
