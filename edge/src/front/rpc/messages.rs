//! Messages of Connect between the client's codec and protobuf.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Code, Error, Result};
use crate::schema::Method;
use crate::transcode::{ReadOptions, read_input, write_json};

use super::kind::Codec;

/// The codec of one call; `proto` is never looked into.
#[derive(Debug, Clone)]
pub enum Messages {
    Proto,
    Json(Arc<Method>, ReadOptions),
}

impl Messages {
    /// # Errors
    /// UNIMPLEMENTED for JSON of a method that the schema does not have.
    pub fn new(codec: Codec, method: Option<&Arc<Method>>, options: ReadOptions) -> Result<Self> {
        match (codec, method) {
            (Codec::Proto, _) => Ok(Self::Proto),
            (Codec::Json, Some(method)) => Ok(Self::Json(Arc::clone(method), options)),
            (Codec::Json, None) => {
                let message = "The schema does not have this service: call it with protobuf, not with JSON.";
                Err(Error::new(Code::Unimplemented, "CODEC_UNSUPPORTED", message))
            }
        }
    }

    pub fn read(&self, message: Bytes) -> Result<Bytes> {
        match self {
            Self::Proto => Ok(message),
            Self::Json(method, options) => read_input(method, *options, &message).map(Bytes::from),
        }
    }

    pub fn write(&self, message: Bytes) -> Result<Bytes> {
        let Self::Json(method, _) = self else { return Ok(message) };
        let mut json = Vec::new();
        match write_json(&method.plan, method.output, &message, &mut json) {
            Ok(()) => Ok(json.into()),
            Err(cause) => {
                tracing::error!(%cause, "the backend's message cannot be written as JSON");
                let message = "The backend sent a message that cannot be written as JSON.";
                Err(Error::new(Code::Internal, "UPSTREAM_MESSAGE_INVALID", message)
                    .status(http::StatusCode::BAD_GATEWAY))
            }
        }
    }
}
