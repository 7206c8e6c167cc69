//! Where sessions are found: by name, each with what is handed to it, and how many there may be.
//!
//! From the ground up: frames in the `form` of a carrier; a `socket` and an event-stream `leg`, either of which is a
//! `carrier`; the `credentials` of who says hello; a `mailbox` for each session; `channels` for bytes that many sessions
//! write; and the table of `sessions`.

pub mod counts;
pub mod form;
pub mod socket;
pub mod pipe;
pub mod carrier;
pub mod credentials;
pub mod mailbox;
pub mod channels;
pub mod sessions;

pub use carrier::{Carrier, Heard};
pub use channels::{Channel, Channels};
pub use credentials::Credentials;
pub use form::Form;
pub use mailbox::{Mail, Mailbox, Refused};
pub use pipe::{ENOUGH, Pipe, pipe};
pub use sessions::{Found, Sessions, Stay};
pub use socket::Socket;
