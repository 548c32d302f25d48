//! What a connection wants to be sent.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::log::Kind;

/// A set of channels; each is a type of log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels(u8);

/// A channel that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "no channel {0:?}; there are book, trade, candle, order, fill, position, simulator, or none; \
     all when left out"
)]
pub struct NoChannel(pub String);

impl Channels {
    /// Everything.
    pub const ALL: Self = Self(0b0111_1111);
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// Whether entries of this kind are wanted. Answers and resets are not
    /// channels: they always go to their client, and to everybody.
    pub const fn contains(self, kind: Kind) -> bool {
        match kind.bit() {
            Some(bit) => self.0 & bit != 0,
            None => true,
        }
    }

    /// Both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This without the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The names of its channels.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let kinds = Kind::ALL.into_iter();
        kinds
            .filter(move |kind| kind.bit().is_some_and(|bit| self.0 & bit != 0))
            .map(Kind::name)
    }

    /// The channels named.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, NoChannel> {
        names.into_iter().try_fold(Self::NONE, |set, name| {
            let bit = Kind::ALL
                .iter()
                .find(|kind| kind.name() == name)
                .and_then(|k| k.bit());
            bit.map(|bit| Self(set.0 | bit))
                .ok_or_else(|| NoChannel(name.into()))
        })
    }
}

impl Default for Channels {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromStr for Channels {
    type Err = NoChannel;

    /// Names with commas between, as in `?channels=book,trade`, or `none`.
    fn from_str(text: &str) -> Result<Self, NoChannel> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        Self::named(text.split(',').map(str::trim))
    }
}

/// How often market data is sent; what changes more often is folded together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Coalesce {
    /// Every entry.
    #[default]
    None,
    /// Ten times a second.
    Tenth,
    /// Once a second.
    Second,
}

impl Coalesce {
    /// The span folded together, in milliseconds.
    pub const fn interval_ms(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Tenth => 100,
            Self::Second => 1_000,
        }
    }
}

/// A text that is no way to coalesce.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no such interval {0:?}; there are none, 100ms, 1s")]
pub struct NoCoalesce(String);

impl FromStr for Coalesce {
    type Err = NoCoalesce;

    fn from_str(text: &str) -> Result<Self, NoCoalesce> {
        match text {
            "none" => Ok(Self::None),
            "100ms" => Ok(Self::Tenth),
            "1s" => Ok(Self::Second),
            _ => Err(NoCoalesce(text.into())),
        }
    }
}
