//! What JSON answers are wrapped in, for frontends that expect it.

use crate::config::rest::Envelope;

/// What goes before the answer.
pub fn opening(envelope: Envelope) -> &'static [u8] {
    match envelope {
        Envelope::None => b"",
        Envelope::CodeData => b"{\"code\":0,\"data\":",
    }
}

/// What goes behind it.
pub fn closing(envelope: Envelope) -> &'static [u8] {
    match envelope {
        Envelope::None => b"",
        Envelope::CodeData => b"}",
    }
}
