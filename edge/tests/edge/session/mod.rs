//! Sessions: the machine against a model of both ends, and whole sessions over real sockets.

mod ends;
mod machine;
mod client;
mod calls;
mod resume;
mod bad_input;
mod leg;
mod http2;
mod tokens;
mod draining;
