//! What a stream message says to the hub, read from its bytes: event, position, cursors, the part that is delivered.

use std::sync::LazyLock;

use lastmile_edge::hub::render::{Content, render};
use lastmile_edge::schema::Schema;

use crate::shop::load;

static FEED: LazyLock<Schema> = LazyLock::new(|| {
    load(
        r#"
        syntax = "proto3";
        package t;
        import "lastmile/edge/v1/annotations.proto";
        message Ask { int64 after = 1; bytes token = 2; }
        enum Type { NONE = 0; MADE = 1; }
        message Data { string a = 1; string b = 2; }
        message Meta { int64 at = 1; bool idle = 2; int64 before = 3; }
        message Told {
          oneof head { Meta meta = 1; string other = 2; }
          Type type = 3;
          Data data = 4;
          bytes token = 5;
          bool idle = 6;
        }
        service Feed {
          rpc Nested(Ask) returns (stream Told) {
            option (lastmile.edge.v1.stream) = {
              cursor: "meta.at" position: "meta.idle" previous: "meta.before" resume: "after"
              event: "type" data: "data"
            };
          }
          rpc Bytes(Ask) returns (stream Told) {
            option (lastmile.edge.v1.stream) = {
              cursor: "token" position: "idle" resume: "token" event: "head"
            };
          }
        }
        "#,
    )
    .expect("a schema")
});

/// Event name, JSON or what else became of it; cursor; previous.
#[track_caller]
fn check(method: &str, bytes: &[u8], item: &str, cursor: Option<&str>, previous: Option<&str>) {
    let method = &FEED.methods[&format!("t.Feed/{method}")];
    let rendered = render(method, method.stream.as_ref().expect("a stream"), bytes, 50);
    let told = match rendered.content {
        Content::Event(draft) => {
            let event = draft.at("token");
            format!("{} {}", event.name().unwrap_or_default(), String::from_utf8_lossy(&event.json()))
        }
        Content::Position => "position".into(),
        Content::Skipped(reason) => reason.into(),
    };
    let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(told, item, "{bytes:x?}");
    assert_eq!(text(rendered.cursor).as_deref(), cursor, "{bytes:x?}");
    assert_eq!(text(rendered.previous).as_deref(), previous, "{bytes:x?}");
}

#[test]
fn fields_of_a_rule_are_found_wherever_they_are() {
    let nested = |bytes: &[u8], item: &str, at: &str, before: &str| {
        check("Nested", bytes, item, Some(at), Some(before));
    };
    let empty = r#"{"a":"","b":""}"#;
    nested(b"", &format!("NONE {empty}"), "0", "0");
    nested(b"\x0a\x04\x08\x07\x18\x06\x18\x01", &format!("MADE {empty}"), "7", "6");
    // In parts: the cursor, then what comes before it, then the cursor again.
    nested(b"\x0a\x02\x08\x07\x0a\x02\x18\x06\x0a\x02\x08\x09", &format!("NONE {empty}"), "9", "6");
    // Another member of the oneof clears all that came before.
    nested(b"\x0a\x04\x08\x07\x18\x06\x12\x01x", &format!("NONE {empty}"), "0", "0");
    nested(b"\x0a\x04\x08\x07\x18\x06\x12\x00\x0a\x02\x18\x05", &format!("NONE {empty}"), "0", "5");
    nested(b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &format!("NONE {empty}"), "-1", "0");
    nested(b"\x0a\x04\x08\x07\x10\x01", "position", "7", "0");
    nested(b"\x18\x05\x22\x00", &format!(" {empty}"), "0", "0");
    // The delivered part is merged.
    nested(b"\x22\x03\x0a\x01x\x08\x01\x22\x03\x12\x01y".split_at(5).0, r#"NONE {"a":"x","b":""}"#, "0", "0");
    nested(b"\x22\x03\x0a\x01x\x22\x03\x12\x01y", r#"NONE {"a":"x","b":"y"}"#, "0", "0");
    nested(&[b"\x0a\x02\x08\x07\x2a\x30".as_slice(), &[0; 48]].concat(), "too_large", "7", "0");
}

#[test]
fn a_oneof_names_the_event_by_its_last_member() {
    let rest = r#""type":"NONE","token":"QQ==","idle":false}"#;
    for (head, item) in [
        (b"".as_slice(), format!(" {{{rest}")),
        (b"\x12\x01x", format!(r#"other {{"other":"x",{rest}"#)),
        (b"\x12\x01x\x0a\x00", format!(r#"meta {{"meta":{{"at":"0","idle":false,"before":"0"}},{rest}"#)),
        (b"\x0a\x00\x12\x01x", format!(r#"other {{"other":"x",{rest}"#)),
    ] {
        check("Bytes", &[head, b"\x2a\x01A"].concat(), &item, Some("A"), None);
    }
    check("Bytes", b"\x2a\x01A\x30\x01", "position", Some("A"), None);
}

#[test]
fn nothing_in_a_malformed_message_is_trusted() {
    for bytes in [
        b"\x0a\x02\x08\x07\x0a".as_slice(),
        b"\x0a\x02\x08\x07\x22\x03\x0a\x01\xff",
        b"\x0a\x02\x08\x07\x22\x03\x0a\x05x",
        b"\x08\x07",
        b"\x0a\x05\x09\x00\x00\x00\x00",
        b"\x0a\x02\x0a\x00",
    ] {
        check("Nested", bytes, "unreadable", None, None);
    }
}
