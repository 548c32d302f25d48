//! The numbers of the exchange: all integers, so that every build computes the same.
//!
//! A [`Price`] counts ticks, a [`Quantity`] counts lots, [`Money`] counts hundred-millionths of the
//! quote currency. Which text they stand for is known only to an
//! [`Instrument`](crate::Instrument); inside the engine no decimal point exists.

use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// How long one tick of market time lasts at speed 1, in milliseconds.
pub const TICK_MS: u64 = 10;

/// Ticks in one second of market time.
pub const TICKS_PER_SECOND: u64 = 1_000 / TICK_MS;

/// Largest price or quantity accepted, in ticks or lots: a product of the two fits 80 bits, and
/// sums of a session's whole life stay far inside 128.
pub(crate) const UNITS_MAX: i64 = 1_000_000_000_000;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
        )]
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// None of it.
            pub const ZERO: Self = Self(0);
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }
    };
}

number! {
    /// A price in ticks of its instrument.
    Price(i64)
}
number! {
    /// A quantity in lots of its instrument; a position may be negative (short).
    Quantity(i64)
}
number! {
    /// An amount in hundred-millionths of the quote currency.
    Money(i128)
}

/// Decimal places of [`Money`].
pub(crate) const MONEY_SCALE: u8 = 8;

/// An order's number: counted from 1 over the whole exchange, never reused.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct OrderId(pub u64);

/// A trade's number: counted from 1 over the whole exchange.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TradeId(pub u64);

/// An instrument's place in the scenario's list.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SymbolId(pub u16);

impl SymbolId {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Who trades: [`AccountId::USER`] is the session's own account; higher numbers are the simulated
/// traders.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct AccountId(pub u16);

impl AccountId {
    /// The session's own account, the one whose orders, fills and positions become events.
    pub const USER: Self = Self(0);

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The side of an order, or of the taker in a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Takes units for money.
    Buy,
    /// Takes money for units.
    Sell,
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `1` for a buy, `-1` for a sell: what a lot of this side adds to a position.
    #[must_use]
    pub fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Buy => 0,
            Self::Sell => 1,
        }
    }
}
