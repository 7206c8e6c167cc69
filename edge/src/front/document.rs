//! The OpenAPI document as bytes, rendered once for each schema.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use http::HeaderValue;

use crate::openapi::Object;
use crate::schema::Schema;

use super::head::etag;

/// The document of the latest schema that was asked for.
#[derive(Debug, Default)]
pub struct Document(Mutex<(Weak<Schema>, Option<Rendered>)>);

/// A document and its validator.
#[derive(Debug, Clone)]
pub struct Rendered {
    pub json: Bytes,
    pub etag: Option<HeaderValue>,
}

impl Document {
    /// Describes a schema, unless that is done already.
    pub fn of(&self, schema: &Arc<Schema>, describe: impl FnOnce() -> Object) -> Rendered {
        // Whoever asks meanwhile waits: two would do the same work. It is milliseconds, and there is no await.
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (of, Some(rendered)) = &*latest
            && of.as_ptr() == Arc::as_ptr(schema)
        {
            return rendered.clone();
        }
        let json = serde_json::to_vec(&describe()).unwrap_or_default();
        let rendered = Rendered { etag: etag(&json, ""), json: json.into() };
        *latest = (Arc::downgrade(schema), Some(rendered.clone()));
        rendered
    }
}
