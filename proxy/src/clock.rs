//! The only file that asks the time.
//!
//! Monotonic time is tokio's, so that a test that pauses it reaches every wait of the shell; wall
//! time is only for ages that outlive the process (cookies, tokens, log lines).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant as Moment;

/// The process's clock: core time counts from its making.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Moment,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: moment() }
    }

    /// Since the start: what decisions are told.
    pub fn since_start(&self) -> Duration {
        moment().duration_since(self.start)
    }
}

/// This moment of monotonic time, for waits and durations of the shell.
pub fn moment() -> Moment {
    Moment::now()
}

/// The time of day, since 1970. A clock before that counts as 1970.
pub fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// A time of day as RFC 3339 in UTC with milliseconds: `2026-11-22T03:24:33.120Z`.
pub fn rfc3339(wall: Duration) -> String {
    let (days, seconds) = ((wall.as_secs() / 86_400) as i64, wall.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        wall.subsec_millis()
    )
}

/// The Gregorian date of a day since 1970. Years begin in March here, so that the leap day is
/// their last and the months before it have a fixed pattern of lengths.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_reads_as_rfc_3339() {
        let at = |seconds: u64| rfc3339(Duration::from_millis(seconds * 1000 + 7));
        assert_eq!(at(0), "1970-01-01T00:00:00.007Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_795_317_873), "2026-11-22T03:24:33.007Z");
    }
}
