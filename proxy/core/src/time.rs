//! What is an instant, and what is the time of day?
//!
//! The core never asks a clock. Durations and deadlines are reckoned with [`Instant`], which
//! only grows; ages that outlive a process, such as a cookie's, with [`WallTime`].

use std::ops::Add;
use std::time::Duration;

/// A point on the monotonic clock, counted from the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The start of the process.
    pub const START: Self = Self(Duration::ZERO);

    /// The instant this long after the start of the process.
    pub const fn after_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the start of the process this is.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates: an instant too far away to be written down is "never".
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// A time of day: whole seconds since the Unix epoch.
///
/// Wall clocks jump, so nothing but the age of a cookie hangs on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u64);

impl WallTime {
    /// The time this many seconds after the Unix epoch.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this one; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_before_another_is_no_time_after_it() {
        let early = Instant::after_start(Duration::from_millis(5));
        let late = early + Duration::from_millis(7);
        assert_eq!(late.since(early), Duration::from_millis(7));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn an_instant_too_far_away_saturates() {
        let never = Instant::START + Duration::MAX;
        assert_eq!(never + Duration::from_secs(1), never);
    }
}
