//! Compiles the .proto files with a compiler in Rust, so that no protoc is needed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const FILES: [&str; 5] = [
    "holdfast/session/v1/session.proto",
    "holdfast/session/v1/handoff.proto",
    "holdfast/exchange/v1/exchange.proto",
    "holdfast/exchange/v1/front.proto",
    "holdfast/token/v1/token.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=holdfast");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(FILES)?;

    let folder = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        folder.join("holdfast.binpb"),
        compiler.encode_file_descriptor_set(),
    )?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
