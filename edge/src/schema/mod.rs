//! What the edge knows of its backend: methods, bindings and rules, learnt from descriptors.

pub mod percent;
pub mod template;
pub mod routes;
pub mod field;
pub mod check;
pub mod plan;
pub mod header_fields;
pub mod method;
pub mod editions;
pub mod descriptors;
pub mod order;
pub mod field_order;
pub mod rules;
pub mod source;
pub mod check_http;
pub mod check_stream;
pub mod check_auth;
pub mod load;
pub mod advice;
pub mod declared;
pub mod merge;

pub use advice::{Remark, Weight, advice};
pub use field::FieldPath;
pub use header_fields::HeaderFields;
pub use load::{Mistakes, Schema};
pub use method::{Binding, Method};
pub use plan::{MessageId, Plan};
pub use rules::RuleFile;
pub use source::Source;
