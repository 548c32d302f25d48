//! The names that cross process borders. Parsing is the only way in, so a value
//! of one of these types is always fit for a header, a key and a log line.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Why a text is not a name of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdError {
    /// A session or connection id is 128 bits as hexadecimal.
    #[error("expected 32 hexadecimal digits")]
    NotHex,
    /// A client, endpoint or epoch name.
    #[error("expected 1 to {max} of letters, digits, '.', '_' and '-'")]
    NotName {
        /// How long it may be, in bytes.
        max: usize,
    },
    /// A claim is `<generation>.<claim id>`.
    #[error("expected a number, or a number, '.' and 32 hexadecimal digits")]
    NotClaim,
    /// An entry id is `<epoch>.<seq>`.
    #[error("expected <epoch>.<seq>, at most 64 bytes")]
    NotEntry,
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Names it by 128 bits the caller has drawn.
            pub const fn new(bits: u128) -> Self {
                Self(bits)
            }

            /// The bits themselves, for a compact encoding.
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
                if !digits {
                    return Err(IdError::NotHex);
                }
                u128::from_str_radix(text, 16).map(Self).map_err(|_| IdError::NotHex)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

hex_id! {
    /// A session, for its whole life.
    SessionId
}
hex_id! {
    /// One client's WebSocket or event stream, across endpoints
    /// (`Holdfast-Connection`).
    ConnectionId
}
hex_id! {
    /// The random half of a claim. A store that lost its last second can hand
    /// out a generation twice; it cannot hand out this.
    ClaimId
}
hex_id! {
    /// One start of an endpoint's process.
    Incarnation
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest accepted, in bytes.
            pub const LENGTH_MAX: usize = $max;

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_name(text, $max) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError::NotName { max: $max })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

name_id! {
    /// Who sends commands: one browser tab, kept over its reconnects. Commands
    /// are numbered per client, so a repeated one is recognized on any connection.
    ClientId, 96
}
name_id! {
    /// One backend process by the name that outlives its address.
    EndpointId, 253
}

impl ClientId {
    /// The client of a connection that named none: the connection itself.
    pub fn of_connection(connection: ConnectionId) -> Self {
        Self(connection.to_string().into())
    }
}

/// The first half of an entry id. Two logs of one session have different epochs
/// when one is not the continuation of the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Names an epoch by 64 bits the caller has drawn.
    pub fn new(bits: u64) -> Self {
        Self(format!("{bits:016x}").into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Epoch {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if is_name(text, 40) && !text.contains('.') {
            Ok(Self(text.into()))
        } else {
            Err(IdError::NotEntry)
        }
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of an entry in an output log: `<epoch>.<seq>`. Seq 0 is the place
/// before the first entry; who stands there is brought up to date by a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// Which log.
    pub epoch: Epoch,
    /// Which entry of it; the first is 1.
    pub seq: u64,
}

impl EntryId {
    /// The longest text of one, in bytes.
    pub const LENGTH_MAX: usize = 64;
}

impl FromStr for EntryId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (epoch, seq) = text.rsplit_once('.').ok_or(IdError::NotEntry)?;
        let digits = !seq.is_empty() && seq.bytes().all(|b| b.is_ascii_digit());
        if text.len() > Self::LENGTH_MAX || !digits {
            return Err(IdError::NotEntry);
        }
        let seq = seq.parse().map_err(|_| IdError::NotEntry)?;
        Ok(Self {
            epoch: epoch.parse()?,
            seq,
        })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

fn is_name(text: &str, max: usize) -> bool {
    let byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !text.is_empty() && text.len() <= max && text.bytes().all(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_id_is_read_back_as_written() {
        let id = EntryId {
            epoch: Epoch::new(7),
            seq: 42,
        };
        assert_eq!(id.to_string(), "0000000000000007.42");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn what_is_no_entry_id_is_refused() {
        for text in [
            "", ".", "a", "a.", ".1", "a.b", "a.-1", "a.+1", "a b.1", "a.b.1",
        ] {
            assert_eq!(text.parse::<EntryId>(), Err(IdError::NotEntry), "{text:?}");
        }
        let long = format!("{}.1", "e".repeat(63));
        assert_eq!(long.parse::<EntryId>(), Err(IdError::NotEntry));
    }

    #[test]
    fn a_hex_id_has_exactly_128_bits() {
        let id = SessionId::new(0xab);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "ab",
            "+0000000000000000000000000000000",
            &"0".repeat(33),
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(IdError::NotHex), "{text:?}");
        }
    }
}
