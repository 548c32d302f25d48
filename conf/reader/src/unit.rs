//! Values with a unit, as people write them: `80s`, `250ms`, `64KiB`, `10.0.0.0/8`.
//!
//! A bare number is refused on purpose: `timeout: 30` has been milliseconds in one proxy and
//! seconds in the next one too often.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A length of time: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a duration; write for example 250ms, 80s, 5m, 24h");
        let (number, unit) = split_unit(text).ok_or_else(wrong)?;
        let millis = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1_000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            "d" => number.checked_mul(86_400_000),
            _ => None,
        };
        match millis.ok_or_else(wrong)? {
            millis if millis > LONGEST.as_millis() as u64 => {
                Err(format!("{text} is longer than a year; at most 365d"))
            }
            millis => Ok(Self::millis(millis)),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        // 24h reads better than 1d and 90s better than 1m: a unit is used from two of it on
        let whole = |unit: &&(u128, &str)| millis.is_multiple_of(unit.0) && millis >= 2 * unit.0;
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m")];
        match units.iter().find(whole) {
            Some((unit, name)) => write!(f, "{}{name}", millis / unit),
            None if millis.is_multiple_of(1_000) => write!(f, "{}s", millis / 1_000),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// An amount of memory: a whole number and one of `B`, `KiB`, `MiB`, `GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// A size of whole kibibytes.
    pub const fn kib(kib: u64) -> Self {
        Self(kib * 1024)
    }

    /// The size as a length in memory; a size that does not fit is the largest that does.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size; write for example 512B, 64KiB, 1MiB, 2GiB");
        let (number, unit) = split_unit(text).ok_or_else(wrong)?;
        let bytes = match unit {
            "B" => Some(number),
            "KiB" => number.checked_mul(1 << 10),
            "MiB" => number.checked_mul(1 << 20),
            "GiB" => number.checked_mul(1 << 30),
            _ => None,
        };
        bytes.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 30) == 0 => write!(f, "{}GiB", bytes >> 30),
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => write!(f, "{}MiB", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => write!(f, "{}KiB", bytes >> 10),
            bytes => write!(f, "{bytes}B"),
        }
    }
}

/// A block of addresses in CIDR form; a single address is a block of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Is this address inside the block? An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let keep = |bits: u32| {
            u128::MAX
                .checked_shl(bits - u32::from(self.prefix))
                .unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u128::from(u32::from(own) ^ u32::from(other));
                differ & keep(32) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (u128::from(own) ^ u128::from(other)) & keep(128) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network; write for example 10.0.0.0/8 or ::1");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|p| *p <= bits)
                .ok_or_else(wrong)?,
            None => bits,
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Makes a type that is written as text readable from YAML and describes it in the schema.
macro_rules! written_as_text {
    ($type:ident, $expected:literal, $pattern:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: Error>(self, number: u64) -> Result<$type, E> {
                        Err(E::invalid_type(Unexpected::Unsigned(number), &self))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $expected })
            }
        }
    };
}

written_as_text!(
    Span,
    "a duration such as 250ms, 80s, 5m or 24h",
    "^[0-9]+(ms|s|m|h|d)$"
);
written_as_text!(
    Size,
    "a size such as 512B, 64KiB or 1MiB",
    "^[0-9]+(B|KiB|MiB|GiB)$"
);
written_as_text!(
    Network,
    "a network such as 10.0.0.0/8",
    "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$"
);

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

const LONGEST: Duration = Duration::from_secs(365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_they_print() {
        for text in ["250ms", "80s", "24h", "5m", "7d", "0s"] {
            assert_eq!(
                text.parse::<Span>().map(|s| s.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!("90s".parse::<Span>(), Ok(Span::seconds(90)));
    }

    #[test]
    fn a_duration_without_unit_or_beyond_a_year_is_refused() {
        for text in [
            "30",
            "30 s",
            "-1s",
            "1.5s",
            "",
            "s",
            "400d",
            "99999999999999999999s",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn sizes_read_as_they_print() {
        for text in ["512B", "64KiB", "1MiB", "2GiB"] {
            assert_eq!(
                text.parse::<Size>().map(|s| s.to_string()),
                Ok(text.to_owned())
            );
        }
        assert!("64kb".parse::<Size>().is_err());
        assert!("99999999999GiB".parse::<Size>().is_err());
    }

    #[test]
    fn a_network_contains_what_its_prefix_says() {
        let network: Network = "10.1.0.0/16".parse().expect("network");
        assert!(network.contains("10.1.255.3".parse().expect("address")));
        assert!(network.contains("::ffff:10.1.2.3".parse().expect("address")));
        assert!(!network.contains("10.2.0.1".parse().expect("address")));
        let all: Network = "0.0.0.0/0".parse().expect("network");
        assert!(all.contains("8.8.8.8".parse().expect("address")));
        assert!(!all.contains("::1".parse().expect("address")));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
    }
}
