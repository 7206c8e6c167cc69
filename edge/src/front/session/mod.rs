//! Sessions as browsers meet them: `/ws`, its event-stream leg, and what a session does with its calls.
//!
//! From the ground up: `verify` finds out who says hello; a `payload` is a message in a frame; an `upload` carries a call's
//! messages to its backend; `open` makes a call of an `open` frame, which is then `ongoing`; `items` writes what a stream
//! delivers; a `session` is the task that owns all of it. `ws`, `leg`, `post` and `migrate` are the ways in.

pub mod verify;
pub mod payload;
pub mod upload;
pub mod reading;
pub mod open;
pub mod ongoing;
pub mod items;
pub mod clock;
pub mod refusal;
#[expect(clippy::module_inception, reason = "the folder is named for it")]
pub mod session;
mod hearing;
mod running;
pub mod begin;
pub mod ws;
pub mod leg;
pub mod post;
pub mod migrate;
