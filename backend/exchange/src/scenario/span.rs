//! A stretch of market time as people write it: `100ms`, `80s`, `5m`, `24h`.

use crate::units::{TICK_MS, TICKS_PER_SECOND};
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use std::fmt;

/// A whole number of ticks of market time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

impl Span {
    /// So many ticks.
    #[must_use]
    pub const fn of_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * TICKS_PER_SECOND)
    }

    /// How many ticks it is.
    #[must_use]
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// Reads `100ms`, `80s`, `5m` or `24h`.
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let refuse = || SpanError(text.chars().take(40).collect());
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().map_err(|_| refuse())?;
        let unit_ms = match &text[digits..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(refuse()),
        };
        let ms = number
            .checked_mul(unit_ms)
            .filter(|ms| *ms <= MS_MAX)
            .ok_or_else(refuse)?;
        if ms % TICK_MS == 0 {
            Ok(Self(ms / TICK_MS))
        } else {
            Err(refuse())
        }
    }
}

/// The longest span: a year.
const MS_MAX: u64 = 366 * 86_400_000;

/// Not a span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: whole tens of milliseconds up to a year, such as 100ms, 80s, 5m")]
pub struct SpanError(String);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0 * TICK_MS;
        for (unit, name) in [(3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
            if ms >= unit && ms.is_multiple_of(unit) {
                return write!(f, "{}{name}", ms / unit);
            }
        }
        write!(f, "{ms}ms")
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_as_people_do() {
        for (text, ticks) in [
            ("100ms", 10),
            ("80s", 8_000),
            ("5m", 30_000),
            ("24h", 8_640_000),
        ] {
            let span = Span::parse(text).expect("a span");
            assert_eq!(span.ticks(), ticks);
            assert_eq!(span.to_string(), text);
        }
        for text in [
            "",
            "5",
            "5 s",
            "-1s",
            "15ms5",
            "7ms",
            "1.5s",
            "99999999999999h",
        ] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }
}
