//! A session as pure logic: one connection after another, many calls, and neither side loses or repeats a frame.
//!
//! No sockets, no clocks, no futures: frames, items and ticks go in, actions come out. From the ground up: what a `frame`
//! says, how it is read from text (`read_text`) and `binary` and written (`write_text`); how a session is `close`d; the
//! `window` of messages that one side lets the other send; the `outbox` that keeps frames until they are acknowledged; one
//! `call`; the `machine` of a whole session; the `heart` that beats while nothing else is said; and the `breaker` that
//! sends a client to another carrier.

pub mod frame;
pub mod close;
pub mod read_text;
pub mod write_text;
pub mod binary;
pub mod window;
pub mod outbox;
pub mod call;
pub mod machine;
pub mod heart;
pub mod breaker;

pub use breaker::Breaker;
pub use call::Kind;
pub use close::{Close, Violation};
pub use frame::{
    ClientFrame, Encoding, End, Hello, Message, Open, OpenOutcome, Opened, Payload, Ready, ServerFrame,
    Target,
};
pub use heart::{Beat, Heart};
pub use machine::{Action, Limits, Machine};
