//! The Python of the tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The virtual environment that `make test` uses too; installed if it is not there yet.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let root = root();
        let place = root.join("target/python");
        let installed = std::process::Command::new(root.join(".ci/python"))
            .arg(&place)
            .status()
            .expect("bash runs");
        assert!(
            installed.success(),
            ".ci/python {}: {installed}",
            place.display()
        );
        place.join("bin/python")
    })
}

/// The workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}
