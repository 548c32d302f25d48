//! The only file that asks the time. Monotonic time can be paused in tests; wall time is for what
//! people and tokens read, never for deciding who owns what.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;

/// Monotonic time.
pub fn now() -> Instant {
    Instant::now()
}

/// Time since 1970; zero on a clock that stands before.
pub fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// The same in milliseconds.
pub fn wall_ms() -> u64 {
    u64::try_from(wall().as_millis()).unwrap_or(u64::MAX)
}
