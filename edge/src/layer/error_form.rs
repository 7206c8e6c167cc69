//! Writes every error in the form that its caller reads (RFC 9457, google.rpc.Status or the envelope).

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use prost::Message;
use serde_json::json;

use crate::config::rest::{Envelope, ErrorForm};
use crate::error::Error;
use crate::error_style::ErrorStyle;
use crate::rpc_status;

use super::vary::vary;
use super::weights::{best_media, members};

const PROBLEM: &str = "application/problem+json";
/// Has no registered name; this one says what it is.
const STATUS: &str = "application/vnd.google.rpc.status+json";
const JSON: &str = "application/json; charset=utf-8";

/// What only errors are written in: naming it says nothing of other answers.
pub const ERROR_MEDIA: [&str; 2] = [PROBLEM, STATUS];

/// What an error becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Problem,
    /// With this content type.
    Status(&'static str),
    Envelope,
    Protobuf(&'static str),
}

/// Rewrites an answer that is an [`Error`]; its status and headers stay.
pub async fn error_form<'a, F>(
    style: ErrorStyle,
    request: &'a mut Request,
    next: impl FnOnce(&'a mut Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let mut lines = request.headers().get_all(header::ACCEPT).iter().cloned();
    // Nearly always there is one: then this allocates nothing.
    let (first, others) = (lines.next(), lines.collect::<Vec<_>>());
    let mut response = next(request).await;
    let Some(error) = response.extensions_mut().remove::<Error>() else { return response };
    let form = form(style, first.iter().chain(&others));
    let (content_type, body) = write(&style.known(&error), form);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.remove(header::CONTENT_LENGTH);
    vary(headers, "Accept");
    *response.body_mut() = Body::from(body);
    response
}

/// A form that is named is given. Else protobuf for those who read that rather than JSON, and for the rest the edge's own.
fn form<'a>(style: ErrorStyle, accept: impl IntoIterator<Item = &'a HeaderValue>) -> Form {
    let accepted = members(accept);
    let named = [(PROBLEM, Form::Problem), (STATUS, Form::Status(STATUS))];
    let is_named = |(media, _): &&(&str, Form)| accepted.iter().any(|range| range.is(media));
    let named: Vec<_> = named.iter().filter(is_named).copied().collect();
    if let Some(form) = best_media(&accepted, &named) {
        return form;
    }
    let own = match (style.envelope, style.form) {
        (Envelope::CodeData, _) => Form::Envelope,
        (Envelope::None, ErrorForm::Problem) => Form::Problem,
        (Envelope::None, ErrorForm::Status) => Form::Status(JSON),
    };
    let protobuf =
        ["application/x-protobuf", "application/protobuf"].map(|media| (media, Form::Protobuf(media)));
    best_media(&accepted, &[&[("application/json", own)], &protobuf[..]].concat()).unwrap_or(own)
}

fn write(error: &Error, form: Form) -> (&'static str, Bytes) {
    match form {
        Form::Problem => (PROBLEM, error.to_problem().to_string().into()),
        Form::Status(content_type) => (content_type, rpc_status::json(error).to_string().into()),
        Form::Protobuf(content_type) => (content_type, rpc_status::message(error).encode_to_vec().into()),
        Form::Envelope => {
            let body = json!({ "code": error.code() as i32, "message": error.message(), "data": null });
            (JSON, body.to_string().into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_one_asked_for() {
        let problem = ErrorStyle::default();
        let status = ErrorStyle { form: ErrorForm::Status, ..problem };
        let envelope = ErrorStyle { envelope: Envelope::CodeData, ..problem };
        for (style, accept, expected) in [
            (problem, "", Form::Problem),
            (problem, "text/html, */*;q=0.8", Form::Problem),
            (problem, "text/event-stream", Form::Problem),
            (problem, "application/json, application/vnd.google.rpc.status+json", Form::Status(STATUS)),
            (
                problem,
                "application/vnd.google.rpc.status+json;q=0.5, application/problem+json",
                Form::Problem,
            ),
            (problem, "application/vnd.google.rpc.status+json;q=0, */*", Form::Problem),
            (status, "", Form::Status(JSON)),
            (status, "application/json", Form::Status(JSON)),
            (status, "application/json, application/problem+json", Form::Problem),
            (status, "application/x-protobuf", Form::Protobuf("application/x-protobuf")),
            (status, "application/protobuf, application/json;q=0.5", Form::Protobuf("application/protobuf")),
            (status, "application/json, application/x-protobuf;q=0.5", Form::Status(JSON)),
            (envelope, "", Form::Envelope),
            (envelope, "application/problem+json", Form::Problem),
        ] {
            assert_eq!(form(style, &[accept.parse().unwrap()]), expected, "{style:?} {accept}");
        }
    }
}
