//! Lists the files below `web/`, so that a page is served by being there.

use std::error::Error;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let web = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web");
    println!("cargo:rerun-if-changed=web");
    let mut files = Vec::new();
    collect(&web, &mut files)?;
    files.sort();

    let mut table = String::from("const PAGES: &[Page] = &[\n");
    for path in files {
        println!("cargo:rerun-if-changed={}", path.display());
        let name = path.strip_prefix(&web)?.display().to_string();
        let mut hasher = DefaultHasher::new();
        hasher.write(&fs::read(&path)?);
        let tag = format!("\"{:016x}\"", hasher.finish());
        let content = format!("include_bytes!({:?})", path.display().to_string());
        writeln!(
            table,
            "    Page {{ name: {name:?}, tag: {tag:?}, content: {content} }},"
        )?;
    }
    table.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("pages.rs"), table)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}
