//! What every call passes on its way to a service, over TCP and in process alike.

mod trace;
mod deadline;
mod identify;

pub use deadline::DeadlineLayer;
pub use identify::{IdentifyLayer, OwnEdge};
pub use trace::TraceLayer;
