//! The form that frames have on a carrier.

use bytes::Bytes;

use crate::deliver::websocket;
use crate::session::{Encoding, ServerFrame, binary, write_text};
use crate::transcode::sse;

/// The form of a carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// WebSocket, subprotocol `lastmile.v1.json`.
    Text,
    /// WebSocket, subprotocol `lastmile.v1.proto`.
    Binary,
    /// Server-sent events. `with_ids`: of a native EventSource, which resumes by the id that it saw last.
    Events { with_ids: bool },
}

impl Form {
    /// The subprotocols in the order in which they are preferred.
    pub const SUBPROTOCOLS: [(&str, Self); 2] =
        [("lastmile.v1.proto", Self::Binary), ("lastmile.v1.json", Self::Text)];

    /// How messages are encoded where a call does not say.
    pub fn encoding(self) -> Encoding {
        if self == Self::Binary { Encoding::Proto } else { Encoding::Json }
    }

    /// A frame as it goes onto the carrier.
    pub fn write(self, frame: &ServerFrame) -> Bytes {
        let mut payload = Vec::with_capacity(128);
        match self {
            Self::Binary => binary::write(frame, &mut payload),
            Self::Text => write_text::write(frame, &mut payload),
            Self::Events { with_ids } => {
                payload.extend_from_slice(b"data: ");
                write_text::write(frame, &mut payload);
                payload.push(b'\n');
                if let (true, Some(cursor)) = (with_ids, cursor(frame)) {
                    sse::field(&mut payload, "id", cursor.as_bytes());
                }
                payload.push(b'\n');
                return payload.into();
            }
        }
        websocket::frame(self == Self::Text, &payload)
    }
}

/// Where a stream stands behind a frame.
fn cursor(frame: &ServerFrame) -> Option<&str> {
    let cursor = match frame {
        ServerFrame::Message(message) => &message.cursor,
        ServerFrame::Opened(opened) => &opened.cursor,
        _ => return None,
    };
    (!cursor.is_empty()).then_some(cursor.as_str())
}
