//! A folder that is gone when the test is.

use std::path::{Path, PathBuf};

use holdfast_backend::random;

/// A folder of its own for one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("holdfast-backend-{:032x}", random::bits128());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a folder can be made");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // what is left over is the system's to clean
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
