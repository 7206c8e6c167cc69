//! Describes what the edge serves as an OpenAPI 3.1 document: from the schema, without sockets.

pub mod json;
pub mod comments;
pub mod terms;
pub mod scalars;
pub mod schemas;
pub mod path;
pub mod parameters;
pub mod errors;
pub mod streams;
pub mod body;
pub mod operation;
pub mod document;

pub use document::document;
pub use json::Object;
pub use terms::Terms;
