//! Keeps the logs of a long-running lab from filling the disk.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Error;
use crate::terminal;

/// Empties every log that outgrew [`LOG_MAX`], until `stop`. The writers append, so they go on at
/// the new end.
pub(super) async fn bound(logs: PathBuf, stop: CancellationToken) -> Result<(), Error> {
    let mut ticks = tokio::time::interval(EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        for path in fs::read_dir(&logs)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
        {
            if fs::metadata(&path).is_ok_and(|found| found.len() > LOG_MAX) && empty(&path) {
                terminal::warn(format_args!(
                    "{} outgrew its bound: emptied",
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

fn empty(path: &Path) -> bool {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| file.set_len(0))
        .is_ok()
}

const EVERY: Duration = Duration::from_secs(10);
/// In bytes.
const LOG_MAX: u64 = 256 << 20;
