//! One call of a session: what may still be sent on it, in each direction.

use crate::error::{Code, Error, Result};
use crate::rpc_status;

use super::frame::End;
use super::window::{Grant, Window};

/// What streams in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Unary,
    /// Has a cursor: it is resumed by that.
    ServerStream,
    ClientStream,
    Bidi,
}

/// A call that has not ended.
#[derive(Debug)]
pub struct Call {
    pub kind: Kind,
    /// What the client lets the edge send.
    window: Window,
    upload: Upload,
}

/// The client's messages behind the first.
#[derive(Debug)]
enum Upload {
    /// There are none in a call of its kind.
    None,
    Open(Grant),
    /// The client has sent its last.
    Closed,
}

impl Kind {
    pub fn of(is_client_streaming: bool, is_server_streaming: bool) -> Self {
        match (is_client_streaming, is_server_streaming) {
            (false, false) => Self::Unary,
            (false, true) => Self::ServerStream,
            (true, false) => Self::ClientStream,
            (true, true) => Self::Bidi,
        }
    }

    /// Whether the client sends more than one message.
    pub fn uploads(self) -> bool {
        matches!(self, Self::ClientStream | Self::Bidi)
    }

    /// Whether the edge needs credit for its messages.
    pub fn downloads(self) -> bool {
        matches!(self, Self::ServerStream | Self::Bidi)
    }
}

impl Call {
    /// `credit` is what the client gave, `grant` what it gets.
    pub fn new(kind: Kind, credit: u32, grant: u32) -> Self {
        let upload = if kind.uploads() { Upload::Open(Grant::new(grant)) } else { Upload::None };
        Self { kind, window: Window::new(credit), upload }
    }

    /// Whether the edge may send a message.
    pub fn may_send(&self) -> bool {
        !self.kind.downloads() || self.window.is_open()
    }

    /// The edge sends one.
    pub fn send(&mut self) {
        // Whoever sends has asked; an answer that is the only one needs no credit.
        let _ = self.window.take();
    }

    /// The client lets the edge send more.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when that is more than a number can hold.
    pub fn credit(&mut self, messages: u32) -> Result<()> {
        self.window.add(messages).map_err(|_| {
            let message =
                "The credit of a call is a uint32, and this would be more. Give back only what was used.";
            Error::new(Code::InvalidArgument, "CREDIT_OVERFLOW", message)
        })
    }

    /// The client sends a message.
    ///
    /// # Errors
    /// INVALID_ARGUMENT where none is due, RESOURCE_EXHAUSTED without credit.
    pub fn take(&mut self) -> Result<()> {
        match &mut self.upload {
            Upload::Open(grant) => {
                if grant.take() {
                    return Ok(());
                }
                let message = "This call has no credit for another message. Wait for `credit` of the edge.";
                Err(Error::new(Code::ResourceExhausted, "CREDIT_EXCEEDED", message))
            }
            Upload::Closed => Err(unexpected("The call was half-closed: no message may follow.")),
            Upload::None => Err(unexpected("The method takes one message, which belongs into `open`.")),
        }
    }

    /// The client sends no more; true the first time.
    ///
    /// # Errors
    /// INVALID_ARGUMENT where it cannot send more anyway.
    pub fn half_close(&mut self) -> Result<bool> {
        match std::mem::replace(&mut self.upload, Upload::Closed) {
            Upload::Open(_) => Ok(true),
            Upload::Closed => Ok(false),
            Upload::None => Err(unexpected("The method takes one message: there is nothing to half-close.")),
        }
    }

    /// A message of the client was passed on; says how many more to allow, now and then.
    pub fn pass(&mut self) -> Option<u32> {
        match &mut self.upload {
            Upload::Open(grant) => grant.pass(),
            Upload::None | Upload::Closed => None,
        }
    }
}

impl End {
    /// A call that ended well.
    pub fn ok(call: u32) -> Self {
        Self { call, ..Self::default() }
    }

    /// A call that failed.
    pub fn failed(call: u32, error: &Error) -> Self {
        Self {
            call,
            status: error.code() as u32,
            message: error.message().to_owned(),
            details: rpc_status::details(error),
            ..Self::default()
        }
    }
}

fn unexpected(message: &str) -> Error {
    Error::new(Code::InvalidArgument, "SEND_UNEXPECTED", message)
}
