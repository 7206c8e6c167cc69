//! Settings: a struct per concern, visible defaults, read once at the start.

pub mod guards;
pub mod traffic;
pub mod sessions;
pub mod rest;
pub mod upstream;
pub mod edge;
pub mod load;

pub use edge::{EdgeConfig, PathsConfig};
pub use guards::{AuthConfig, CorsConfig, LimitsConfig, Secret};
pub use load::load;
pub use rest::RestConfig;
pub use sessions::{HmrConfig, SessionsConfig};
pub use traffic::{CallsConfig, DrainConfig, StreamsConfig};
pub use upstream::{BreakerConfig, TlsConfig, UpstreamConfig, Upstreams};
