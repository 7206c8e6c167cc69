//! Compiles the `.proto` files with protox, so that no protoc is needed.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let edge = files(&["google/api", "google/rpc", "lastmile/edge/v1"])?;
    let all = files(&["google/api", "google/rpc", "lastmile/edge/v1", "lastmile/v1"])?;
    let core = env::var_os("CARGO_FEATURE_CORE").is_some();

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("edge.binpb"), encode(&edge)?)?;
    fs::write(out.join("all.binpb"), encode(&all)?)?;

    let sources = if core { &all } else { &edge };
    let descriptors = protox::compile(sources, ["."])?;
    tonic_prost_build::configure()
        .build_client(core)
        .build_server(core)
        .generate_default_stubs(false)
        .include_file("tree.rs")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    for file in &all {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    Ok(())
}

/// Encodes the files, their imports and their comments; custom options stay intact.
fn encode(files: &[PathBuf]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    Ok(compiler.encode_file_descriptor_set())
}

fn files(folders: &[&str]) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for folder in folders {
        println!("cargo:rerun-if-changed={folder}");
        for entry in fs::read_dir(Path::new(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "proto") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
