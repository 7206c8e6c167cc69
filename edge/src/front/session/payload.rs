//! Messages as frames carry them, and as backends do.

use bytes::Bytes;

use crate::error::{Code, Error, Result};
use crate::schema::{MessageId, Method};
use crate::session::{Encoding, Payload};
use crate::transcode::well_formed::well_formed;
use crate::transcode::{ReadOptions, read_json, request::read_input, write_json};

/// Encodes what a client sent; nothing is an empty message.
///
/// # Errors
/// INVALID_ARGUMENT naming the fields that are not of the request's type.
pub fn read(method: &Method, options: ReadOptions, payload: Option<&Payload>) -> Result<Bytes> {
    match payload {
        None => Ok(Bytes::new()),
        Some(Payload::Json(json)) => read_input(method, options, json).map(Bytes::from),
        Some(Payload::Proto(bytes)) => {
            well_formed(&method.plan, method.input, bytes).map_err(|misfit| {
                let error = Error::field(misfit.field, format!("in protobuf: {}", misfit.problem));
                error.reason("PROTOBUF_INVALID")
            })?;
            Ok(bytes.clone())
        }
    }
}

/// Writes what a backend answered.
///
/// # Errors
/// INTERNAL when it is not of the type that the backend declares.
pub fn write(method: &Method, encoding: Encoding, message: &Bytes) -> Result<Payload> {
    if encoding == Encoding::Proto {
        return Ok(Payload::Proto(message.clone()));
    }
    let mut json = Vec::new();
    write_json(&method.plan, method.output, message, &mut json).map_err(|cause| {
        tracing::error!(method = method.name(), %cause, "the backend's answer cannot be read");
        let message = "The backend sent an answer that is not of the type it declares.";
        Error::new(Code::Internal, "UPSTREAM_MESSAGE_INVALID", message)
    })?;
    Ok(Payload::Json(json.into()))
}

/// The protobuf of an event, which is kept as JSON. Fields that the descriptors do not have are not in it.
pub fn of_event(method: &Method, json: &[u8]) -> Option<Payload> {
    let id: MessageId = match method.stream.as_ref().and_then(|stream| stream.data.as_ref()) {
        Some((_, id)) => *id,
        None => method.output,
    };
    let mut bytes = Vec::new();
    read_json(&method.plan, id, ReadOptions::default(), json, &mut bytes).ok()?;
    Some(Payload::Proto(bytes.into()))
}
