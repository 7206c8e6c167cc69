//! An error of the edge in the form that a client understands.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::error::Error;

use super::kind::Kind;
use super::{connect, grpc, grpc_web, trailers};

pub fn refuse(kind: Kind, error: &Error) -> Response {
    let trailers = trailers::of_error(error);
    let status = error.http_status();
    let mut response = match kind {
        // Whoever gets these does not speak the protocol yet.
        Kind::Grpc | Kind::GrpcWeb { .. } if is_about_http(status) => return error.clone().into_response(),
        Kind::Grpc => grpc::ended(trailers),
        Kind::GrpcWeb { text } => grpc_web::ended(trailers, text),
        Kind::ConnectStream(codec) if !is_about_http(status) => {
            connect::stream::ended(&trailers, codec, None)
        }
        _ => connect::unary::failed(&trailers, status, None),
    };
    for (name, value) in error.headers() {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

fn is_about_http(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::HTTP_VERSION_NOT_SUPPORTED
    )
}
