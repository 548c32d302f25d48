//! Decimal text at the rim: "101.25" to whole steps of an increment and back, without floats.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;

/// Decimal places a text may have; more is refused, not rounded.
const SCALE_MAX: u8 = 8;

/// The mantissa of an increment: times the most steps it still fits 64 bits.
const UNITS_MAX: i64 = 1_000_000;

/// The step in which a price or a quantity moves: `units` times ten to the minus `scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Increment {
    units: i64,
    scale: u8,
}

/// Why a text is no multiple of an increment; the message says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number at all.
    #[error("`{0}` is not a decimal number such as 101.25")]
    Syntax(String),
    /// A number, but between two steps.
    #[error("{text} is not a multiple of {increment}; nearest are {below} and {above}")]
    Between {
        /// What was given.
        text: String,
        /// The step it has to be a multiple of.
        increment: String,
        /// The next lower multiple.
        below: String,
        /// The next higher multiple.
        above: String,
    },
    /// Beyond what the engine counts.
    #[error("{0} is too large; at most a million million steps")]
    Range(String),
    /// An increment has to be above zero and have at most eight decimal places.
    #[error(
        "`{0}` is not an increment: a decimal above zero, at most 8 places and 7 digits, as 0.01"
    )]
    Increment(String),
}

impl Increment {
    /// Reads an increment such as `0.01` or `0.25`.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let refuse = || DecimalError::Increment(text.to_owned());
        let (mantissa, mut scale) = mantissa(text).ok_or_else(refuse)?;
        let mut units = i64::try_from(mantissa).map_err(|_| refuse())?;
        while scale > 0 && units % 10 == 0 {
            units /= 10;
            scale -= 1;
        }
        if !(1..=UNITS_MAX).contains(&units) || scale > SCALE_MAX {
            return Err(refuse());
        }
        Ok(Self { units, scale })
    }

    /// The whole number of steps in `text`.
    pub fn steps(self, text: &str) -> Result<i64, DecimalError> {
        let text = text.trim();
        let (mantissa, scale) =
            mantissa(text).ok_or_else(|| DecimalError::Syntax(clip(text).to_owned()))?;
        let range = || DecimalError::Range(clip(text).to_owned());
        // both as multiples of ten to the minus `places`
        let places = scale.max(self.scale);
        let value = mantissa
            .checked_mul(power(places - scale))
            .ok_or_else(range)?;
        let step = i128::from(self.units) * power(places - self.scale);
        let below = value.div_euclid(step);
        let steps = i64::try_from(below).map_err(|_| range())?;
        if steps.abs() > crate::units::UNITS_MAX {
            return Err(range());
        }
        if value.rem_euclid(step) != 0 {
            return Err(DecimalError::Between {
                text: text.to_owned(),
                increment: self.to_string(),
                below: self.fixed(steps),
                above: self.fixed(steps + 1),
            });
        }
        Ok(steps)
    }

    /// `steps` as text with all places of the increment: prices line up in columns.
    #[must_use]
    pub fn fixed(self, steps: i64) -> String {
        fixed(i128::from(steps) * i128::from(self.units), self.scale)
    }

    /// `steps` as text without trailing zeros: quantities read as people write them.
    #[must_use]
    pub fn short(self, steps: i64) -> String {
        let mut text = self.fixed(steps);
        if text.contains('.') {
            let kept = text.trim_end_matches('0').trim_end_matches('.').len();
            text.truncate(kept);
        }
        text
    }

    /// The digits of [`Increment::fixed`] as one number.
    pub(crate) fn digits(self, steps: i64) -> u64 {
        steps
            .unsigned_abs()
            .saturating_mul(self.units.unsigned_abs())
    }

    /// The digits of [`Increment::short`] as one number.
    pub(crate) fn short_digits(self, steps: i64) -> u64 {
        let mut digits = self.digits(steps);
        let mut places = self.scale;
        while places > 0 && digits.is_multiple_of(10) {
            digits /= 10;
            places -= 1;
        }
        digits
    }

    /// How many units of ten to the minus `scale` one step is; `None` where it is no whole number.
    pub(crate) fn units_at(self, scale: u8) -> Option<i128> {
        let places = scale.checked_sub(self.scale)?;
        Some(i128::from(self.units) * power(places))
    }

    /// One step as a float, for rates and reports only.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.units as f64 / power(self.scale) as f64
    }
}

impl fmt::Display for Increment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&fixed(i128::from(self.units), self.scale))
    }
}

/// A decimal as written, kept as text until an instrument says what it means. Read from a string
/// or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal(String);

impl Decimal {
    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Decimal {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Decimal {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal such as \"101.25\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                Ok(Decimal(text.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
                Ok(Decimal(number.to_string()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
                Ok(Decimal(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
                // the shortest text that reads back as this float: 0.1 stays "0.1"
                Ok(Decimal(number.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl Serialize for Increment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Increment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Decimal::deserialize(deserializer)?;
        Self::parse(text.as_str()).map_err(de::Error::custom)
    }
}

/// `value` times ten to the minus `scale`, written out.
pub(crate) fn fixed(value: i128, scale: u8) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs();
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let one = power(scale).unsigned_abs();
    let (whole, part) = (digits / one, digits % one);
    format!("{sign}{whole}.{part:0width$}", width = usize::from(scale))
}

/// `12.50` as (1250, 2). Nothing but an optional sign, digits and one point; no exponent.
fn mantissa(text: &str) -> Option<(i128, u8)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let sound = !whole.is_empty()
        && (digits.len() == whole.len() || !part.is_empty())
        && whole.len() + part.len() <= 36
        && whole
            .bytes()
            .chain(part.bytes())
            .all(|byte| byte.is_ascii_digit());
    if !sound {
        return None;
    }
    // zeros at the end carry nothing: "1.50000000000" is as good as "1.5"
    let part = part.trim_end_matches('0');
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(part.bytes()) {
        value = value
            .checked_mul(10)?
            .checked_add(i128::from(byte - b'0'))?;
    }
    let scale = u8::try_from(part.len()).ok()?;
    Some((if negative { -value } else { value }, scale))
}

/// What an error quotes of a stranger's text.
fn clip(text: &str) -> &str {
    match text.char_indices().nth(40) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

fn power(exponent: u8) -> i128 {
    10_i128.pow(u32::from(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn increment(text: &str) -> Increment {
        Increment::parse(text).expect("a sound increment")
    }

    #[test]
    fn text_becomes_steps_and_text_again() {
        for (step, text, steps, fixed, short) in [
            ("0.01", "101.25", 10_125, "101.25", "101.25"),
            ("0.25", "101.5", 406, "101.50", "101.5"),
            ("0.001", "1.5", 1_500, "1.500", "1.5"),
            ("1", "7", 7, "7", "7"),
            ("0.01", "-0.05", -5, "-0.05", "-0.05"),
            ("5", "100", 20, "100", "100"),
        ] {
            let step = increment(step);
            assert_eq!(step.steps(text), Ok(steps), "{text}");
            assert_eq!(step.fixed(steps), fixed);
            assert_eq!(step.short(steps), short);
        }
    }

    #[test]
    fn a_text_between_two_steps_is_told_its_neighbours() {
        let error = increment("0.25")
            .steps("101.3")
            .expect_err("not a multiple");
        assert_eq!(
            error.to_string(),
            "101.3 is not a multiple of 0.25; nearest are 101.25 and 101.50"
        );
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", ".", "1.", ".5", "1e3", "--1", "1,5", "NaN", "0x10", "١"] {
            assert!(increment("0.01").steps(text).is_err(), "{text}");
        }
        let long = "9".repeat(60);
        assert!(increment("0.01").steps(&long).is_err());
        assert!(increment("0.01").steps("99999999999999").is_err());
        for text in ["0", "-1", "0.000000001", "x"] {
            assert!(Increment::parse(text).is_err(), "{text}");
        }
    }
}
