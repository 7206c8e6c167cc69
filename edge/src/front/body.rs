//! Reads request bodies: bounded in size and time, and JSON.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::config::LimitsConfig;
use crate::error::{Code, Error, Result};

/// A body that is refused is read on for a while, or its sender would see a reset instead of the answer.
const DRAINED_BYTES: usize = 16 * 1024 * 1024;
const DRAINED_TIME: Duration = Duration::from_secs(2);

/// # Errors
/// 413 above the limit, 415 for what is no plain JSON, 408 when it takes too long.
pub async fn read_body(limits: &LimitsConfig, headers: &HeaderMap, body: Body) -> Result<Bytes> {
    let body = read_bytes(limits, headers, body).await?;
    if !body.is_empty() {
        check_kind(headers)?;
    }
    Ok(body)
}

/// # Errors
/// 413 above the limit, 408 when it takes too long.
pub async fn read_bytes(limits: &LimitsConfig, headers: &HeaderMap, body: Body) -> Result<Bytes> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.body_bytes as u64) {
        return Err(too_large(limits, body));
    }
    match timeout(limits.body_timeout, collect(limits, body)).await {
        Ok(body) => body,
        Err(_) => {
            let error =
                Error::new(Code::DeadlineExceeded, "BODY_TIMEOUT", "The body took too long to arrive.");
            Err(error.status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

async fn collect(limits: &LimitsConfig, mut body: Body) -> Result<Bytes> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Error::new(Code::InvalidArgument, "BODY_CUT", "The body was cut short."))?;
        let Ok(data) = frame.into_data() else { continue };
        if collected.len() + data.len() > limits.body_bytes {
            return Err(too_large(limits, body));
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

fn too_large(limits: &LimitsConfig, mut rest: Body) -> Error {
    tokio::spawn(timeout(DRAINED_TIME, async move {
        let mut drained = 0;
        while let Some(Ok(frame)) = rest.frame().await
            && drained < DRAINED_BYTES
        {
            drained += frame.data_ref().map_or(0, Bytes::len);
        }
    }));
    let message = format!("The body is larger than {} bytes.", limits.body_bytes);
    Error::new(Code::ResourceExhausted, "BODY_TOO_LARGE", message)
        .status(StatusCode::PAYLOAD_TOO_LARGE)
        .header(header::CONNECTION, HeaderValue::from_static("close"))
}

fn check_kind(headers: &HeaderMap) -> Result<()> {
    let kind = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let media = kind.map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let is_json =
        media.as_deref().is_none_or(|media| media == "application/json" || media.ends_with("+json"));
    let is_plain = headers.get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    let refuse = |message: &str, name, accepted| {
        Error::new(Code::InvalidArgument, "CONTENT_TYPE_UNSUPPORTED", message)
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .header(name, HeaderValue::from_static(accepted))
    };
    match (is_json, is_plain) {
        (true, true) => Ok(()),
        (false, _) => {
            let message = "Send the body as JSON, with `Content-Type: application/json`.";
            Err(refuse(message, header::ACCEPT, "application/json"))
        }
        (true, false) => {
            let message = "Send the body uncompressed: application/json without `Content-Encoding`.";
            Err(refuse(message, header::ACCEPT_ENCODING, "identity"))
        }
    }
}
