//! What is known of every message type for its way to JSON and back, compiled once from the descriptors.

pub mod style;
pub mod slots;
pub mod names;
pub mod shape;
pub mod compile;

pub use compile::compile;
pub use shape::{Enum, EnumId, Field, Form, Kind, Message, MessageId, Plan, Shape};
pub use style::{Style, UnknownAny};
