//! The test backend's declaration, compiled at run time as any backend's would be.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use lastmile_edge::config::PathsConfig;
use lastmile_edge::config::rest::JsonConfig;
use lastmile_edge::front::own::is_reserved;
use lastmile_edge::schema::{Method, Mistakes, RuleFile, Schema, descriptors};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};
use serde_json::Value;

static SHOP: LazyLock<Schema> = LazyLock::new(|| load(include_str!("shop.proto")).expect("a good schema"));

/// One file in memory, under the name `test.proto`.
struct InMemory(String);

impl FileResolver for InMemory {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == "test.proto" {
            File::from_source(name, &self.0)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

/// Compiles the text of a proto file, which may import the annotations and the well-known types.
pub(crate) fn compile(text: &str) -> Vec<Bytes> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(InMemory(text.to_owned()));
    resolver.add(IncludeFileResolver::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../proto").into()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    if let Err(error) = compiler.open_file("test.proto") {
        panic!("{error:?}");
    }
    descriptors::split_set(&compiler.encode_file_descriptor_set()).expect("a descriptor set")
}

pub(crate) fn load(text: &str) -> Result<Schema, Mistakes> {
    load_with(compile(text), "{}")
}

/// Loads files with the rules of a YAML text.
pub(crate) fn load_with(files: Vec<Bytes>, rules: &str) -> Result<Schema, Mistakes> {
    let rules = RuleFile::parse("rules.yaml", rules).expect("a rule file");
    Schema::load(files, &rules, JsonConfig::default(), |path| is_reserved(&PathsConfig::default(), path))
}

/// The schema of `shop.proto`.
pub(crate) fn shop() -> &'static Schema {
    &SHOP
}

/// A method such as `Streams/Watch`.
pub(crate) fn method(name: &str) -> Arc<Method> {
    Arc::clone(&shop().methods[&format!("shop.v1.{name}")])
}

pub(crate) fn descriptor(message: &str) -> MessageDescriptor {
    shop().pool.get_message_by_name(&format!("shop.v1.{message}")).expect("a message of the shop")
}

/// Reads a message with the reader of prost-reflect, not with ours.
pub(crate) fn message(name: &str, json: Value) -> DynamicMessage {
    DynamicMessage::deserialize(descriptor(name), json).expect("a message")
}
