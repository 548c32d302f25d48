//! Why the exchange refuses a command: a short code for programs, a sentence for people.

use crate::decimal::DecimalError;
use crate::units::OrderId;

/// A refused command changed nothing and emitted nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such instrument.
    #[error("unknown symbol `{0}`")]
    UnknownSymbol(String),
    /// Never heard of, finished, or another account's.
    #[error("order {} is not working: it never was, or is filled, cancelled or expired", .0.0)]
    UnknownOrder(OrderId),
    /// A field is missing, unknown or contradicts another one.
    #[error("{0}")]
    InvalidOrder(String),
    /// A price off the tick, not positive, or out of range.
    #[error("price: {0}")]
    InvalidPrice(String),
    /// A quantity off the lot, not positive, or out of range.
    #[error("quantity: {0}")]
    InvalidQuantity(String),
    /// Worth too little.
    #[error("order is worth {value}; at least {minimum}")]
    NotionalTooSmall {
        /// What it is worth.
        value: String,
        /// What it has to be worth.
        minimum: String,
    },
    /// Too far from the market.
    #[error("price {price} is outside the band {low} to {high}")]
    OutsideBand {
        /// What was asked.
        price: String,
        /// The lowest price now.
        low: String,
        /// The highest price now.
        high: String,
    },
    /// One order too many.
    #[error("{0} orders are working already, the most allowed: cancel some first")]
    TooManyOrders(u32),
    /// The position could become larger than allowed.
    #[error("position could reach {reached}; at most {limit} either way")]
    PositionLimit {
        /// Position if all working orders of the side were filled.
        reached: String,
        /// The most allowed.
        limit: String,
    },
    /// Not enough money behind it.
    #[error("order needs {needed} of buying power; {available} is available")]
    InsufficientBalance {
        /// What it would tie up.
        needed: String,
        /// What there is.
        available: String,
    },
    /// A post-only order that would have traded.
    #[error("post-only order would take liquidity at {0}")]
    WouldTake(String),
    /// Nothing on the other side to trade with.
    #[error("no {0} in the book for a market order to meet")]
    NoLiquidity(&'static str),
    /// Trading in the instrument is halted.
    #[error("trading in {0} is halted; cancels are accepted")]
    Halted(String),
    /// A control that does not fit.
    #[error("{0}")]
    InvalidControl(String),
    /// The command's tick lies before the exchange's: a mistake of the caller, not of the client.
    #[error("tick {given} is in the past; the exchange is at {now}")]
    TickInPast {
        /// The command's.
        given: u64,
        /// The exchange's.
        now: u64,
    },
}

impl Refusal {
    /// The code programs act on; part of the public interface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownSymbol(_) => "unknown_symbol",
            Self::UnknownOrder(_) => "unknown_order",
            Self::InvalidOrder(_) => "invalid_order",
            Self::InvalidPrice(_) => "invalid_price",
            Self::InvalidQuantity(_) => "invalid_quantity",
            Self::NotionalTooSmall { .. } => "notional_too_small",
            Self::OutsideBand { .. } => "outside_price_band",
            Self::TooManyOrders(_) => "too_many_orders",
            Self::PositionLimit { .. } => "position_limit",
            Self::InsufficientBalance { .. } => "insufficient_balance",
            Self::WouldTake(_) => "would_take_liquidity",
            Self::NoLiquidity(_) => "no_liquidity",
            Self::Halted(_) => "halted",
            Self::InvalidControl(_) => "invalid_control",
            Self::TickInPast { .. } => "tick_in_past",
        }
    }

    /// Every code there is, for documentation and schemas.
    pub const CODES: [&'static str; 15] = [
        "unknown_symbol",
        "unknown_order",
        "invalid_order",
        "invalid_price",
        "invalid_quantity",
        "notional_too_small",
        "outside_price_band",
        "too_many_orders",
        "position_limit",
        "insufficient_balance",
        "would_take_liquidity",
        "no_liquidity",
        "halted",
        "invalid_control",
        "tick_in_past",
    ];

    /// Whether the same command may succeed later without being changed.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::NoLiquidity(_) | Self::Halted(_) | Self::WouldTake(_)
        )
    }

    pub(crate) fn price(error: &DecimalError) -> Self {
        Self::InvalidPrice(error.to_string())
    }

    pub(crate) fn quantity(error: &DecimalError) -> Self {
        Self::InvalidQuantity(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let page = include_str!("../../../docs/errors.md");
        for code in Refusal::CODES {
            let row = format!("| `{code}` | ");
            assert!(page.contains(&row), "docs/errors.md lacks: {row}");
        }
    }
}
