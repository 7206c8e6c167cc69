//! How a session or a connection of it is ended: codes are rows of the table of reasons.

use crate::reasons::{Place, find};

/// Why a connection of a session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    Unauthenticated,
    Forbidden,
    Overload,
    Unavailable,
    /// The client broke the rules of the protocol.
    Protocol,
    /// The session is not here, or not any more.
    Unknown,
    /// A newer connection has taken the session.
    Superseded,
    /// Nothing was heard of the client.
    Silent,
    /// RFC 6455 was broken.
    Framing,
    NotText,
    TooLarge,
}

impl Close {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Overload,
        Self::Unavailable,
        Self::Protocol,
        Self::Unknown,
        Self::Superseded,
        Self::Silent,
        Self::Framing,
        Self::NotText,
        Self::TooLarge,
    ];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "session_unauthenticated",
            Self::Forbidden => "session_forbidden",
            Self::Overload => "session_overload",
            Self::Unavailable => "session_unavailable",
            Self::Protocol => "session_protocol",
            Self::Unknown => "session_unknown",
            Self::Superseded => "session_superseded",
            Self::Silent => "session_silent",
            Self::Framing => "session_framing",
            Self::NotText => "session_not_text",
            Self::TooLarge => "session_too_large",
        }
    }

    /// The code that a WebSocket is closed with.
    pub fn code(self) -> u16 {
        let places = find(self.name()).map_or(&[][..], |reason| reason.places);
        let code = places.iter().find_map(|place| match place {
            Place::WebSocket { code } => Some(*code),
            _ => None,
        });
        // Every name has one; a test sees to it.
        code.unwrap_or(1011)
    }
}

/// What a client did that ends its connection, in words for its developer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Violation {
    pub close: Close,
    pub message: String,
}

impl Violation {
    /// The rules of frames and calls were broken.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self { close: Close::Protocol, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_has_its_own_code_in_the_table() {
        let mut codes: Vec<u16> = Close::ALL.iter().map(|close| close.code()).collect();
        assert!(!codes.contains(&1011), "{codes:?}");
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Close::ALL.len(), "{codes:?}");
    }
}
