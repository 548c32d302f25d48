//! The fuzz targets with a stable compiler: see `fuzz/mutation.rs`.

use std::path::{Path, PathBuf};

#[path = "../fuzz/mutation.rs"]
mod mutation;
#[path = "../fuzz/targets.rs"]
mod targets;

#[test]
fn every_target_holds_on_its_corpus() {
    for (name, target) in targets::ALL {
        mutation::replay(&corpus(name), target);
    }
}

#[test]
fn every_target_holds_on_mutations_of_its_corpus() {
    for (name, target) in targets::ALL {
        mutation::mutate_all(&corpus(name), target, RUNS);
    }
}

fn corpus(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    folder.join(name)
}

const RUNS: usize = 40_000;
