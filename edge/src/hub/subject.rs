//! What a stream is about: a method and a request, whoever reads it and from where.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::cursor::Tag;
use crate::schema::Method;
use crate::schema::method::Stream;
use crate::transcode::Target;

/// A method and a request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Subject {
    pub method: Arc<Method>,
    /// Canonical, without a cursor and without what only chooses where a call begins.
    pub request: Bytes,
    /// Names it in cursor tokens.
    pub tag: Tag,
}

impl Subject {
    pub fn new(method: &Arc<Method>, request: Vec<u8>) -> Self {
        let tag = Tag::new(method.name(), &request);
        Self { method: Arc::clone(method), request: request.into(), tag }
    }

    /// The method's rule, or what holds without one.
    pub fn rule(&self) -> &Stream {
        static UNRULED: LazyLock<Stream> = LazyLock::new(Stream::unruled);
        self.method.stream.as_ref().unwrap_or(&UNRULED)
    }

    /// Whether the request leaves to its caller what is read: it names none of the streams that the rule splits.
    pub fn is_of_caller(&self) -> bool {
        let Some(split) = &self.rule().split else { return false };
        let one = Target::top(&self.method.plan, self.method.input, split.one.number());
        !one.is_some_and(|one| one.is_set_in(&self.request).unwrap_or(false))
    }
}
