//! Decimals as clients write them: a string ("101.25") or a JSON number,
//! never a binary fraction in between. The exchange counts in whole ticks and
//! lots; this is where the two meet.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use thiserror::Error;

/// A decimal: `mantissa / 10^scale`. Kept without trailing zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i64,
    scale: u8,
}

/// Why a text is not a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a decimal such as \"101.25\", at most 18 digits and no exponent")]
pub struct DecimalError;

impl Decimal {
    /// Digits a decimal may have in all.
    const DIGITS_MAX: usize = 18;

    /// `units` steps of `10^-scale`, at most 18 of them.
    pub fn new(units: i64, scale: u8) -> Self {
        let (mut mantissa, mut scale) = (units, scale.min(18));
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self { mantissa, scale }
    }

    /// How many steps of `10^-scale` this is, if it is a whole number of them.
    pub fn units(self, scale: u8) -> Option<i64> {
        let missing = scale.checked_sub(self.scale)?;
        self.mantissa
            .checked_mul(10_i64.checked_pow(missing.into())?)
    }

    /// Whether it is above zero.
    pub const fn is_positive(self) -> bool {
        self.mantissa > 0
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let dotted = digits.contains('.');
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let plain = !whole.is_empty() && all_digits(whole) && all_digits(fraction);
        if !plain
            || (dotted && fraction.is_empty())
            || whole.len() + fraction.len() > Self::DIGITS_MAX
        {
            return Err(DecimalError);
        }
        let value = whole.bytes().chain(fraction.bytes());
        let units = value.fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        let units = if digits.len() < text.len() {
            -units
        } else {
            units
        };
        let scale = u8::try_from(fraction.len()).map_err(|_| DecimalError)?;
        Ok(Self::new(units, scale))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let unit = 10_u64.pow(self.scale.into());
        let width = usize::from(self.scale);
        write!(f, "{sign}{}.{:0width$}", digits / unit, digits % unit)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber)
    }
}

struct TextOrNumber;

impl Visitor<'_> for TextOrNumber {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DecimalError}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
        self.visit_str(&number.to_string())
    }

    /// The shortest text that reads back as this number is what was written.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "pattern": "^-?[0-9]+(\\.[0-9]+)?$",
            "description": "a decimal; written as a string, a number is accepted",
        })
    }
}

impl utoipa::PartialSchema for Decimal {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^-?[0-9]+(\\.[0-9]+)?$"))
            .description(Some("a decimal; written as a string, a number is accepted"))
            .into()
    }
}

impl utoipa::ToSchema for Decimal {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Decimal> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn a_string_and_a_number_say_the_same() {
        for (text, shown) in [
            ("\"1.50\"", "1.5"),
            ("1.5", "1.5"),
            ("-0.07", "-0.07"),
            ("100", "100"),
            ("0.1", "0.1"),
        ] {
            assert_eq!(
                read(text).map(|d| d.to_string()).as_deref(),
                Some(shown),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in [
            "\"\"", "\"1.\"", "\".5\"", "\"1e3\"", "\"--1\"", "1e300", "null", "\"+1\"",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&format!("\"{}\"", "9".repeat(19))), None);
    }

    #[test]
    fn units_are_whole_steps_or_nothing() {
        let price: Decimal = "101.25".parse().expect("a decimal");
        assert_eq!(price.units(2), Some(10_125));
        assert_eq!(price.units(4), Some(1_012_500));
        assert_eq!(price.units(1), None);
    }
}
