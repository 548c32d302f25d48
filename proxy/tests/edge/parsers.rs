//! What the edge reads by code of its own holds for any bytes: see `wire/fuzz/mutation.rs`.

use std::path::{Path, PathBuf};

#[path = "../../wire/fuzz/mutation.rs"]
mod mutation;
#[path = "../../fuzz/targets.rs"]
mod targets;

#[test]
fn every_target_holds_on_its_corpus() {
    for (name, target, _) in targets::ALL {
        mutation::replay(&corpus(name), target);
    }
}

#[test]
fn every_target_holds_on_mutations_of_its_corpus() {
    for (name, target, runs) in targets::ALL {
        mutation::mutate_all(&corpus(name), target, runs);
    }
}

fn corpus(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    folder.join(name)
}

/// Else the targets that open something would hold because nothing is ever opened.
#[test]
fn the_samples_are_opened() {
    assert!(targets::opens(), "the sealed claim and the ticket");
}
