//! Server-sent events (HTML Living Standard, section 9.2): blocks of `id:`, `event:` and `data:` lines.

/// A comment that keeps the connection alive and is no event.
pub const HEARTBEAT: &str = ": hb\n\n";

/// A block. The caller vouches that `id` and `event` have no line ends; JSON never has any.
pub fn block(id: Option<&str>, event: Option<&str>, data: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + data.map_or(0, <[u8]>::len));
    for (name, value) in [("event", event.map(str::as_bytes)), ("data", data), ("id", id.map(str::as_bytes))]
    {
        if let Some(value) = value {
            field(&mut out, name, value);
        }
    }
    out.push(b'\n');
    out
}

/// Appends one line of a block.
pub fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Tells EventSource how long to wait before it connects again.
pub fn retry(milliseconds: u64) -> Vec<u8> {
    format!("retry: {milliseconds}\n\n").into_bytes()
}
