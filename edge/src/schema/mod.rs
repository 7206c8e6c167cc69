//! What the edge knows of its backend: methods, bindings and rules, learnt from descriptors.

pub mod percent;
pub mod template;
pub mod routes;
pub mod field;
pub mod check;
pub mod plan;
pub mod method;
pub mod editions;
pub mod descriptors;
pub mod rules;
pub mod source;
pub mod check_http;
pub mod check_stream;
pub mod check_auth;
pub mod load;

pub use field::FieldPath;
pub use load::{Mistakes, Schema};
pub use method::{Binding, Method};
pub use plan::{MessageId, Plan};
pub use rules::RuleFile;
pub use source::Source;
