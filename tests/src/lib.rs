//! The harness: real binaries, real sockets, real files, and helpers that make the rare road ordinary.
//!
//! A test starts an [`App`] in one of two [`Topology`]s (core and edge in one process, or in two), talks to it as a
//! browser would ([`Answer`], [`SseStream`]) or as another backend would ([`Publisher`]), cuts connections
//! ([`CuttingProxy`]), kills processes, and looks at what they exported ([`Collector`]). Nothing here sleeps to wait:
//! every wait is for an event, with a limit.

mod apart;
mod patience;
mod raw;
mod sse;
mod session;
mod mask;
mod process;
mod collector;
mod proxy;
mod balancer;
mod foreign;
mod http;
mod publisher;
mod disk;
mod core;
mod edge;
mod app;
mod rolling;
mod structured_proxy;

pub use apart::{enter_session, run_apart};
pub use app::{App, Topology, both, edge_token};
pub use balancer::Balancer;
pub use collector::{Collector, ExportedSpan};
pub use core::CoreProcess;
pub use disk::{Fault, FaultyDisk};
pub use edge::{EdgeProcess, metric};
pub use foreign::{ForeignBackend, Language};
pub use http::{Answer, BodyEnd, Browser, read_body};
pub use mask::mask;
pub use patience::{LIMIT, soon, until};
pub use process::{LogLine, Process, binary, repository, tool};
pub use proxy::CuttingProxy;
pub use publisher::Publisher;
pub use raw::{exchange, statuses};
pub use rolling::{Figures, RollingRestart};
pub use session::{Carrier, Session};
pub use sse::{Block, SseParser, SseStream};
pub use structured_proxy::structured_proxy;
