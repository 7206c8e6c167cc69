//! Calls a method by its name with a message that is known only when the test runs.

use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost_reflect::DynamicMessage;
use tonic::Status;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;

use super::harness::with_token;

/// A client of every service.
pub(crate) struct Dynamic {
    grpc: Grpc<Channel>,
}

impl Dynamic {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { grpc: Grpc::new(channel) }
    }

    /// Begins a call of any kind with one message; whether it was refused before the first answer.
    pub(crate) async fn begin(
        &mut self,
        method: &str,
        message: &DynamicMessage,
        token: &str,
    ) -> Result<(), Status> {
        self.grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
        let message = tokio_stream::once(message.encode_to_vec());
        let request =
            if token.is_empty() { tonic::Request::new(message) } else { with_token(message, token) };
        let path = format!("/{method}").parse().map_err(|_| Status::unknown("no path"))?;
        self.grpc.streaming(request, path, Plain).await.map(drop)
    }
}

/// Messages as the bytes they are.
#[derive(Debug, Clone, Copy)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}
