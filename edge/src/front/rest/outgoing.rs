//! Makes the messages of a streamed request out of its body, as it arrives.

use bytes::{Bytes, BytesMut};

use crate::error::Result;
use crate::schema::method::Body;
use crate::transcode::{Parameter, Payload, Pieces};

use super::super::body::content::{Content, content_type};
use super::super::body::{Incoming, too_large};
use super::super::exchange::Exchange;

/// Largest part of a raw body in one message; backends often take no more than 4 MiB.
const CHUNK: usize = 1024 * 1024;

/// The messages of a streamed request. Each message of JSON is a request of its own, with the fields of path and query in
/// it; of a raw body only the first has them, and the content type.
#[derive(Debug)]
pub struct Outgoing {
    exchange: Exchange,
    parameters: Vec<Parameter>,
    incoming: Incoming,
    form: Form,
    count: usize,
}

#[derive(Debug)]
enum Form {
    /// What has arrived of a raw body.
    Raw(Bytes),
    Pieces(Pieces),
    /// One message: of protobuf, or without a body.
    Single(Content),
    Done,
}

impl Outgoing {
    pub fn new(exchange: Exchange, content: Content, incoming: Incoming) -> Result<Self> {
        let form = match content {
            _ if exchange.binding.body == Body::None => Form::Single(Content::Json),
            Content::Raw => Form::Raw(Bytes::new()),
            Content::Json => Form::Pieces(Pieces::document()),
            Content::Lines => Form::Pieces(Pieces::lines()),
            Content::Protobuf => Form::Single(content),
        };
        let parameters = exchange.parameters()?;
        Ok(Self { exchange, parameters, incoming, form, count: 0 })
    }

    /// The next message, encoded; `None` when the body has ended.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let message = match &mut self.form {
            Form::Raw(_) => self.chunk().await,
            Form::Pieces(_) => self.piece().await,
            Form::Single(content) => {
                let content = *content;
                self.form = Form::Done;
                self.single(content).await.map(Some)
            }
            Form::Done => Ok(None),
        }?;
        self.count += usize::from(message.is_some());
        Ok(message)
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let Form::Raw(rest) = &mut self.form else { return Ok(None) };
        if rest.is_empty() {
            *rest = self.incoming.next().await?.unwrap_or_default();
        }
        let data = rest.split_to(rest.len().min(CHUNK));
        let binding = &self.exchange.binding;
        if self.count == 0 {
            // Even of an empty body: the backend learns what was to be filled.
            let kind = content_type(&self.exchange.head.headers);
            let first = Payload::raw(binding, kind, &data);
            return self.exchange.message_with(&self.parameters, &first).map(|message| Some(message.into()));
        }
        if data.is_empty() {
            return Ok(None);
        }
        match Payload::raw(binding, None, &data) {
            Payload::Encoded(chunk) | Payload::Json(chunk) => Ok(Some(chunk)),
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>> {
        let Form::Pieces(pieces) = &mut self.form else { return Ok(None) };
        let limit = self.exchange.front.config.limits.body_bytes;
        let mut has_ended = false;
        loop {
            let piece = pieces.next(has_ended)?;
            if piece.as_ref().map_or_else(|| pieces.waiting(), Bytes::len) > limit {
                return Err(too_large(limit).hint("in one message; several may be larger together"));
            }
            if let Some(piece) = piece {
                let message = self.exchange.message_with(&self.parameters, &Payload::Json(piece));
                let place = format!("in message {} of the body", self.count + 1);
                return message.map(|message| Some(message.into())).map_err(|error| error.hint(&place));
            }
            if has_ended {
                return Ok(None);
            }
            match self.incoming.next().await? {
                Some(data) => pieces.feed(&data),
                None => has_ended = true,
            }
        }
    }

    async fn single(&mut self, content: Content) -> Result<Bytes> {
        let limit = self.exchange.front.config.limits.body_bytes;
        let mut whole = BytesMut::new();
        while let Some(data) = self.incoming.next().await? {
            whole.extend_from_slice(&data);
            if whole.len() > limit {
                return Err(too_large(limit));
            }
        }
        let payload = match content {
            Content::Protobuf => Payload::protobuf(&self.exchange.binding, whole.freeze())?,
            _ => Payload::Json(whole.freeze()),
        };
        self.exchange.message_with(&self.parameters, &payload).map(Bytes::from)
    }
}
