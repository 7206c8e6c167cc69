//! What the body of a request gives to its message: JSON to be read, or bytes that are encoded already.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use prost_reflect::{FieldDescriptor, Kind};

use crate::error::{Code, Error, Result};
use crate::schema::Binding;
use crate::schema::method::Body;

use super::encode;
use super::well_formed::well_formed;
use super::wire::{Malformed, Wire, WireType};

/// The body of a request.
#[derive(Debug, Clone)]
pub enum Payload {
    /// JSON text that is not read yet; empty when there is none.
    Json(Bytes),
    /// The part of the request message that the body gives, encoded.
    Encoded(Bytes),
}

impl Default for Payload {
    fn default() -> Self {
        Self::Json(Bytes::new())
    }
}

impl Payload {
    /// A body in protobuf: the whole request, or the message in the field that the binding names.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field that is not of the request's type.
    pub fn protobuf(binding: &Binding, body: Bytes) -> Result<Self> {
        let encoded = match &binding.body {
            Body::None => return Ok(Self::Json(body)),
            Body::All => body,
            Body::Field(field) if is_message(field) => part(field.number(), &body).into(),
            Body::Field(field) => return Err(only_json(field)),
        };
        let method = &binding.method;
        well_formed(&method.plan, method.input, &encoded).map_err(|misfit| {
            let error = Error::field(misfit.field, format!("in protobuf: {}", misfit.problem));
            error.reason("PROTOBUF_INVALID")
        })?;
        Ok(Self::Encoded(encoded))
    }

    /// A body of any kind, as the google.api.HttpBody that the binding names.
    pub fn raw(binding: &Binding, content_type: Option<&str>, data: &[u8]) -> Self {
        let mut encoded = Vec::with_capacity(data.len() + 64);
        if let Some(content_type) = content_type {
            field(1, content_type.as_bytes(), &mut encoded);
        }
        if !data.is_empty() {
            field(2, data, &mut encoded);
        }
        Self::Encoded(match &binding.body {
            Body::Field(field) => part(field.number(), &encoded).into(),
            Body::All | Body::None => encoded.into(),
        })
    }
}

/// The content type and the data of an encoded google.api.HttpBody.
pub fn http_body(message: &Bytes) -> Result<(String, Bytes), Malformed> {
    let (mut content_type, mut data) = (String::new(), Bytes::new());
    let mut wire = Wire::new(message);
    while let Some(tag) = wire.tag()? {
        let mut value = wire;
        wire.skip(tag)?;
        match tag.number {
            1 => {
                let text = std::str::from_utf8(value.message(tag)?);
                text.map_err(|_| Malformed("is not valid UTF-8"))?.clone_into(&mut content_type);
            }
            2 => data = message.slice_ref(value.message(tag)?),
            _ => {}
        }
    }
    Ok((content_type, data))
}

fn is_message(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(_)) && !field.is_list() && !field.is_map()
}

fn only_json(field: &FieldDescriptor) -> Error {
    let message = format!("The body is the field `{}`, which is no message: send it as JSON.", field.name());
    Error::new(Code::InvalidArgument, "CONTENT_TYPE_UNSUPPORTED", message)
        .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
}

fn part(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len() + 10);
    field(number, bytes, &mut encoded);
    encoded
}

fn field(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode::tag(out, number, WireType::Length);
    encode::bytes(out, bytes);
}
