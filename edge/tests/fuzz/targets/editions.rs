//! Files of editions: lowered they are files that prost-types reads, with the same names in them.

use lastmile_edge::schema::editions::lower;
use prost::Message;
use prost_types::FileDescriptorProto;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "editions",
    run,
    words: &[
        b"\x62\x08editions",
        b"\x70\xe8\x07",
        b"\x70\xe9\x07",
        b"\x42\x05\x92\x03\x02\x08\x02",
        b"\x42\x05\x92\x03\x02\x28\x02",
        b"\x42\x05\x92\x03\x02\x18\x02",
        b"\x42\x05\x92\x03\x02\x30\x02",
        b"\x42\x05\xaa\x01\x02\x28\x02",
    ],
};

fn run(data: &[u8]) -> bool {
    let Ok(lowered) = lower(data) else { return false };
    let before = FileDescriptorProto::decode(data);
    let Ok(before) = before else { return false };
    let after = FileDescriptorProto::decode(&*lowered).expect("lowered it is still a file");
    if before.syntax() != "editions" {
        assert_eq!(before, after, "a file of another syntax is left alone");
        return true;
    }
    assert!(matches!(after.syntax(), "proto2" | "proto3"));
    assert_eq!(names(&before), names(&after));
    assert_eq!(lower(&lowered).expect("a file"), lowered, "lowered once is enough");
    true
}

fn names(file: &FileDescriptorProto) -> Vec<String> {
    let fields = file.message_type.iter().flat_map(|message| message.field.iter().chain(&message.extension));
    let names = fields.chain(&file.extension).map(|field| (field.name(), field.number()));
    names.map(|(name, number)| format!("{name} {number}")).collect()
}
