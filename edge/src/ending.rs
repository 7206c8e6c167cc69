//! How a stream ended: its writer says so, the access log tells it.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// What nobody says, when a body is dropped before its end.
const LEFT: &str = "client_left";

/// One stream's place for it, put into its response's extensions; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Ending(Arc<OnceLock<Cow<'static, str>>>);

impl Ending {
    /// Of a stream that is over with its head.
    pub fn told(how: impl Into<Cow<'static, str>>) -> Self {
        let ending = Self::default();
        ending.tell(how);
        ending
    }

    /// The name of a gRPC code, `OK` among them, or the reason of an `lm-close`. What is said first stays.
    pub fn tell(&self, how: impl Into<Cow<'static, str>>) {
        let _ = self.0.set(how.into());
    }

    pub fn text(&self) -> &str {
        self.0.get().map_or(LEFT, AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_first_stays() {
        let ending = Ending::default();
        assert_eq!(ending.text(), "client_left");
        ending.clone().tell("drain");
        ending.tell("OK");
        assert_eq!(ending.text(), "drain");
    }
}
