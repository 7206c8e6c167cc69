//! Upstream cursors, put into requests.

use crate::schema::Method;
use crate::schema::method::Durable;
use crate::schema::plan::{Kind, Shape};
use crate::transcode::wire::WireType;
use crate::transcode::{Target, encode, query};

/// Adds a cursor in the request's resume field; `None` when the field cannot carry it.
pub fn set_resume(method: &Method, durable: &Durable, request: &mut Vec<u8>, cursor: &[u8]) -> Option<()> {
    let target = Target::of(&method.plan, method.input, &durable.resume)?;
    let field = target.field();
    let Shape::One(kind) = field.shape else { return None };
    target.wrap(request, |out| match kind {
        Kind::Bytes => {
            encode::tag(out, field.number, WireType::Length);
            encode::bytes(out, cursor);
            Some(())
        }
        kind => query::record(&method.plan, field.number, kind, std::str::from_utf8(cursor).ok()?, out).ok(),
    })?;
    // Where a field has no presence, its default would ask for no cursor at all: a silent restart.
    target.is_set_in(request).ok()?.then_some(())
}
