//! The FieldMask of a PATCH whose caller gave none: the fields present in its body (AIP-134).

use crate::schema::plan::{Field, Form, Kind, MessageId, Plan, Shape};

use super::encode;
use super::read::{Text, mask};
use super::wire::WireType;

/// The request's single FieldMask field, when it has one.
pub fn mask_field(plan: &Plan, request: MessageId) -> Option<&Field> {
    let is_mask = |field: &&Field| match field.shape {
        Shape::One(Kind::Message(id)) => plan.message(id).form == Form::FieldMask,
        _ => false,
    };
    let message = plan.message(request);
    message.named("update_mask", usize::MAX).map(|slot| &message.fields[slot]).filter(is_mask)
}

/// Appends the field with these paths.
pub fn write(field: &Field, paths: &[String], out: &mut Vec<u8>) {
    encode::tag(out, field.number, WireType::Length);
    let start = encode::open(out);
    paths.iter().for_each(|path| mask::write(path, out));
    encode::close(out, start);
}

/// Proto paths of the leaves of a JSON body that was read before, sorted; lists, maps, well-known types and empty objects
/// are leaves.
pub fn paths_in(plan: &Plan, id: MessageId, json: &[u8]) -> Vec<String> {
    let mut paths = Vec::new();
    if let Ok(source) = std::str::from_utf8(json) {
        collect(plan, id, &mut Text::new(source), "", &mut paths);
    }
    paths.sort_unstable();
    paths
}

/// Walks one object; `None` where the text is not what the reader accepts.
fn collect(
    plan: &Plan,
    id: MessageId,
    text: &mut Text<'_>,
    prefix: &str,
    paths: &mut Vec<String>,
) -> Option<()> {
    let message = plan.message(id);
    if !text.take(b'{') {
        return text.skip().ok();
    }
    if text.take(b'}') {
        paths.extend(prefix.strip_suffix('.').map(str::to_owned));
        return Some(());
    }
    loop {
        let key = text.key().ok()?;
        let field = message.named(&key, usize::MAX).map(|slot| &message.fields[slot]);
        let path = field.map(|field| format!("{prefix}{}", field.proto_name));
        let inner = field.and_then(|field| match field.shape {
            Shape::One(kind) => kind.message().filter(|id| plan.message(*id).form == Form::Object),
            _ => None,
        });
        match (path, inner) {
            (Some(path), Some(inner)) if text.peek() == Some(b'{') => {
                collect(plan, inner, text, &format!("{path}."), paths)?;
            }
            (path, _) => {
                paths.extend(path);
                text.skip().ok()?;
            }
        }
        if !text.take(b',') {
            return text.expect(b'}', "").ok();
        }
    }
}
