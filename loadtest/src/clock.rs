//! The only file that asks the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Monotonic time; follows tokio's clock, so a paused test pauses it.
pub use tokio::time::Instant;

/// Wall time since 1970, for names and records, never for measuring.
#[must_use]
pub fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
