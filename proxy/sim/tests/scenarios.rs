//! Every scenario file is played. `BLESS=1` writes what is seen into them, for review.

use std::path::{Path, PathBuf};

use holdfast_sim::scenario::play;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scenarios")
        .join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "txt"))
        .collect();
    files.sort();
    files
}

/// Each file by itself: all that fail are named.
fn all_of(folder: &str) {
    let bless = std::env::var_os("BLESS").is_some();
    let files = files(folder);
    assert!(!files.is_empty(), "no scenario in {folder}");
    let failed: Vec<_> = files
        .iter()
        .filter_map(|path| play(path, bless).err())
        .collect();
    assert!(failed.is_empty(), "\n{}\n", failed.join("\n"));
}

#[test]
fn affinity_is_kept() {
    all_of("affinity");
}

#[test]
fn drains_go_as_written() {
    all_of("drain");
}

#[test]
fn health_is_judged_as_written() {
    all_of("health");
}

#[test]
fn moves_go_as_written() {
    all_of("move");
}
