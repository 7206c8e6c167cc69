//! Turns encoded `FileDescriptorProto`s into a descriptor pool, whatever the backend left out.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;

use super::editions;

/// A `FileDescriptorSet` whose files stay encoded, so that custom options survive.
#[derive(Clone, PartialEq, Message)]
struct RawSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

/// What the edge brings along: google.api, google.rpc, the well-known types and its own annotations.
static OWN: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(lastmile_proto::EDGE_DESCRIPTORS).unwrap_or_default());

/// The pool of what the edge brings along.
pub fn own_pool() -> &'static DescriptorPool {
    &OWN
}

/// Splits an encoded `FileDescriptorSet` into its encoded files.
pub fn split_set(encoded: &[u8]) -> Result<Vec<Bytes>, String> {
    RawSet::decode(encoded).map(|set| set.file).map_err(|error| format!("not a FileDescriptorSet: {error}"))
}

/// Joins encoded files into an encoded `FileDescriptorSet`.
pub fn join_set(files: Vec<Bytes>) -> Bytes {
    RawSet { file: files }.encode_to_vec().into()
}

/// Adds what is missing of our own files, each once, and refuses what prost-reflect cannot read.
pub fn complete(files: Vec<Bytes>) -> Result<Vec<Bytes>, String> {
    let mut complete = Vec::new();
    let mut names = HashSet::new();
    let mut symbols = HashSet::new();
    for file in files {
        let parsed = parse(&file)?;
        if names.insert(parsed.name().to_owned()) {
            symbols.extend(symbols_of(&parsed));
            complete.push(file);
        }
    }
    for file in split_set(lastmile_proto::EDGE_DESCRIPTORS)? {
        let parsed = parse(&file)?;
        // A backend may hold the same definitions under another file name; services it lacks are not its own.
        let is_held =
            names.contains(parsed.name()) || symbols_of(&parsed).iter().any(|name| symbols.contains(name));
        if !is_held && parsed.service.is_empty() {
            complete.push(file);
        }
    }
    Ok(complete)
}

/// Builds the pool of `files`; the order does not matter. prost-reflect may panic on files that no compiler writes.
pub fn pool(files: &[Bytes]) -> Result<DescriptorPool, String> {
    let lowered: Vec<Bytes> = files
        .iter()
        .map(|file| editions::lower(file).map(|file| file.into_owned().into()))
        .collect::<Result<_, _>>()?;
    let known: HashMap<String, FileDescriptorProto> = lowered
        .iter()
        .map(|file| parse(file).map(|parsed| (parsed.name().to_owned(), parsed)))
        .collect::<Result<_, _>>()?;
    for (name, file) in &known {
        if let Some(missing) = file.dependency.iter().find(|import| !known.contains_key(*import)) {
            return Err(format!("{name}: imports `{missing}`, which the descriptors do not hold"));
        }
    }
    DescriptorPool::decode(join_set(lowered)).map_err(|error| error.to_string())
}

fn parse(file: &[u8]) -> Result<FileDescriptorProto, String> {
    let parsed =
        FileDescriptorProto::decode(file).map_err(|error| format!("not a FileDescriptorProto: {error}"))?;
    match parsed.syntax() {
        "" | "proto2" | "proto3" | "editions" => Ok(parsed),
        other => Err(format!("{}: unknown syntax `{other}`", parsed.name())),
    }
}

fn symbols_of(file: &FileDescriptorProto) -> Vec<String> {
    let names = file
        .message_type
        .iter()
        .map(prost_types::DescriptorProto::name)
        .chain(file.enum_type.iter().map(prost_types::EnumDescriptorProto::name))
        .chain(file.service.iter().map(prost_types::ServiceDescriptorProto::name))
        .chain(file.extension.iter().map(prost_types::FieldDescriptorProto::name));
    names.map(|name| format!("{}.{name}", file.package())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, syntax: &str, imports: &[&str]) -> Bytes {
        FileDescriptorProto {
            name: Some(name.into()),
            package: Some("t".into()),
            syntax: Some(syntax.into()),
            dependency: imports.iter().map(|&import| import.into()).collect(),
            ..Default::default()
        }
        .encode_to_vec()
        .into()
    }

    #[test]
    fn fills_in_the_annotations() {
        let files = complete(vec![file("a.proto", "proto3", &["google/api/annotations.proto"])]).unwrap();
        let pool = pool(&files).unwrap();
        assert!(pool.get_extension_by_name("google.api.http").is_some());
        assert!(pool.get_extension_by_name("lastmile.edge.v1.stream").is_some());
        assert_eq!(pool.services().count(), 0, "a backend has only the services it serves");
    }

    #[test]
    fn refuses_what_it_cannot_read_in_a_sentence() {
        let error = pool(&[file("a.proto", "editions", &[])]).unwrap_err();
        assert!(error.contains("a.proto: uses an edition of protobuf that is not known"), "{error}");
        let error = pool(&[file("a.proto", "proto3", &["b.proto"])]).unwrap_err();
        assert!(error.contains("a.proto: imports `b.proto`"), "{error}");
        assert!(split_set(b"\xff\xff").is_err());
    }
}
