//! Asks a backend for its descriptors by gRPC reflection, v1 first, then v1alpha.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::uri::PathAndQuery;
use prost::Message;
use prost_types::FileDescriptorProto;
use tokio::time::Instant;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::error::{Code, Error, Result};

use super::call::Call;
use super::connect::Upstream;

/// The versions have the same messages, so only the paths differ.
const VERSIONS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
/// A backend whose descriptors take longer is not well.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// What a backend tells of itself.
#[derive(Debug)]
pub struct Reflected {
    /// The encoded files of all services and what they import.
    pub files: Vec<Bytes>,
    pub services: Vec<String>,
}

/// Fetches what the backend tells of itself; imports that it lacks are left out.
pub async fn fetch(upstream: &Upstream) -> Result<Reflected> {
    let mut refused = None;
    for version in VERSIONS {
        let session = Reflection {
            upstream,
            path: PathAndQuery::from_static(version),
            deadline: Instant::now() + TIMEOUT,
        };
        match session.files().await {
            // Some backends say UNKNOWN or NOT_FOUND for a service they do not have.
            Err(error) if matches!(error.code(), Code::Unimplemented | Code::Unknown | Code::NotFound) => {
                refused = Some(error);
            }
            other => return other,
        }
    }
    let cause = refused.map(|error| error.message().to_owned()).unwrap_or_default();
    let message =
        format!("The backend does not serve reflection ({cause}). Give --descriptors FILE instead.");
    Err(Error::new(Code::Unimplemented, "REFLECTION_MISSING", message))
}

struct Reflection<'a> {
    upstream: &'a Upstream,
    path: PathAndQuery,
    deadline: Instant,
}

impl Reflection<'_> {
    async fn files(&self) -> Result<Reflected> {
        let MessageResponse::ListServicesResponse(services) =
            self.ask(MessageRequest::ListServices(String::new())).await?
        else {
            return Err(unexpected());
        };
        let services = services.service.into_iter().map(|service| service.name);
        let mut services: Vec<String> =
            services.filter(|name| !name.starts_with("grpc.reflection.")).collect();
        // Not every backend lists them in the same order each time.
        services.sort_unstable();
        let mut wanted: VecDeque<MessageRequest> =
            services.iter().cloned().map(MessageRequest::FileContainingSymbol).collect();
        let mut asked = HashSet::new();
        let mut held = HashSet::new();
        let mut files = Vec::new();
        while let Some(request) = wanted.pop_front() {
            let is_import = matches!(request, MessageRequest::FileByFilename(_));
            let found = match self.ask(request).await {
                Ok(MessageResponse::FileDescriptorResponse(found)) => found.file_descriptor_proto,
                Ok(_) => return Err(unexpected()),
                Err(error) if is_import && error.code() == Code::NotFound => continue,
                Err(error) => return Err(error),
            };
            for file in found {
                let parsed = FileDescriptorProto::decode(file.as_slice()).map_err(|_| unexpected())?;
                if held.insert(parsed.name().to_owned()) {
                    files.push(Bytes::from(file));
                    let imports = parsed.dependency.into_iter().filter(|import| asked.insert(import.clone()));
                    wanted.extend(imports.map(MessageRequest::FileByFilename));
                }
            }
            wanted.retain(
                |request| !matches!(request, MessageRequest::FileByFilename(name) if held.contains(name)),
            );
        }
        Ok(Reflected { files, services })
    }

    async fn ask(&self, request: MessageRequest) -> Result<MessageResponse> {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let call = Call {
            path: self.path.clone(),
            metadata: HeaderMap::new(),
            deadline: Some(self.deadline),
            plan: None,
            max_message: MAX_MESSAGE,
        };
        let answer = self.upstream.exchange(call, request.encode_to_vec().into()).await?;
        let answer = answer.and_then(|answer| ServerReflectionResponse::decode(answer).ok());
        match answer.and_then(|answer| answer.message_response) {
            Some(MessageResponse::ErrorResponse(error)) => {
                Err(Error::new(Code::from_number(error.error_code), "REFLECTION_FAILED", error.error_message))
            }
            Some(answer) => Ok(answer),
            None => Err(unexpected()),
        }
    }
}

fn unexpected() -> Error {
    Error::new(Code::Internal, "REFLECTION_FAILED", "The backend's reflection answer cannot be understood.")
}
