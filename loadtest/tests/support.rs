//! What the tests stand on: a lab of their own, a sticky application, clients.

pub(crate) mod browser;
pub(crate) mod lab;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod rooms;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// For anything that the machine does within a moment unless it is broken.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// An empty directory of this test alone.
pub(crate) fn directory(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("remove what an earlier run left");
    }
    std::fs::create_dir_all(&dir).expect("directory of the test");
    dir
}

/// Asks again and again until there is an answer; panics after [`SOON`].
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    let Ok(answer) = tokio::time::timeout(SOON, asked).await else {
        panic!("within {SOON:?}: {what}");
    };
    answer
}
