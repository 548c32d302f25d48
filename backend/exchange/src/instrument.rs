//! What is traded: one instrument, its steps, and the text its numbers stand for.

use crate::decimal::{self, DecimalError, Increment};
use crate::units::{MONEY_SCALE, Money, Price, Quantity};

/// One traded instrument. The only place that knows how ticks, lots and money are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    symbol: String,
    tick: Increment,
    lot: Increment,
    /// Money of one lot at a price of one tick.
    value: i128,
}

impl Instrument {
    /// An instrument whose prices move by `tick` and quantities by `lot`.
    pub fn new(symbol: &str, tick: Increment, lot: Increment) -> Result<Self, InstrumentError> {
        let sound = (1..=16).contains(&symbol.len())
            && symbol
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !sound {
            return Err(InstrumentError::Symbol(symbol.to_owned()));
        }
        let fine = || InstrumentError::TooFine { tick, lot };
        let ticks = tick.units_at(MONEY_SCALE).ok_or_else(fine)?;
        let lots = lot.units_at(MONEY_SCALE).ok_or_else(fine)?;
        let product = ticks.checked_mul(lots).ok_or_else(fine)?;
        let unit = 10_i128.pow(u32::from(MONEY_SCALE));
        if product % unit != 0 {
            return Err(fine());
        }
        Ok(Self {
            symbol: symbol.to_owned(),
            tick,
            lot,
            value: product / unit,
        })
    }

    /// Its name.
    #[must_use]
    pub fn symbol(&self) -> &str {
        &self.symbol
    }

    /// The step of its prices.
    #[must_use]
    pub fn tick(&self) -> Increment {
        self.tick
    }

    /// The step of its quantities.
    #[must_use]
    pub fn lot(&self) -> Increment {
        self.lot
    }

    /// Reads a price.
    pub fn price(&self, text: &str) -> Result<Price, DecimalError> {
        self.tick.steps(text).map(Price)
    }

    /// Reads a quantity.
    pub fn quantity(&self, text: &str) -> Result<Quantity, DecimalError> {
        self.lot.steps(text).map(Quantity)
    }

    /// Writes a price, with all its places.
    #[must_use]
    pub fn price_text(&self, price: Price) -> String {
        self.tick.fixed(price.0)
    }

    /// Writes a quantity, without trailing zeros.
    #[must_use]
    pub fn quantity_text(&self, quantity: Quantity) -> String {
        self.lot.short(quantity.0)
    }

    /// What `quantity` costs at `price`, exactly.
    #[must_use]
    pub fn notional(&self, price: Price, quantity: Quantity) -> Money {
        Money(i128::from(price.0) * i128::from(quantity.0) * self.value)
    }

    /// The most lots that `money` buys at `price`.
    pub(crate) fn affordable(&self, money: Money, price: Price) -> Quantity {
        let lot = (i128::from(price.0) * self.value).max(1);
        let lots = (money.0 / lot).clamp(0, i128::from(crate::units::UNITS_MAX));
        Quantity(lots as i64)
    }

    /// The average price in ticks, rounded half up, of a quantity that cost (or brought) `money`.
    pub(crate) fn average(&self, money: Money, quantity: Quantity) -> Option<Price> {
        let lots = (i128::from(quantity.0) * self.value).abs();
        if lots == 0 {
            return None;
        }
        i64::try_from((money.0.abs() * 2 + lots) / (lots * 2))
            .ok()
            .map(Price)
    }
}

/// Writes money: at least two places, at most eight.
#[must_use]
pub fn money_text(money: Money) -> String {
    let mut text = decimal::fixed(money.0, MONEY_SCALE);
    let least = text.len() - usize::from(MONEY_SCALE) + 2;
    let kept = text.trim_end_matches('0').len().max(least);
    text.truncate(kept);
    text
}

/// Reads money.
pub fn money(text: &str) -> Result<Money, DecimalError> {
    let unit = Increment::parse("0.00000001")?;
    // beyond the range of steps money would still fit, but nobody needs ten thousand in one order
    // to be written with eight places: fall back to whole cents
    match unit.steps(text) {
        Err(DecimalError::Range(_)) => {
            let cents = Increment::parse("0.01")?.steps(text)?;
            Ok(Money(i128::from(cents) * 1_000_000))
        }
        other => other.map(|steps| Money(i128::from(steps))),
    }
}

/// Why an instrument is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentError {
    /// Not a name.
    #[error("symbol `{0}`: 1 to 16 letters, digits, `-`, `_` or `.`")]
    Symbol(String),
    /// One lot at one tick would cost less than money can count.
    #[error("tick {tick} times lot {lot} is finer than 0.00000001: coarsen one of them")]
    TooFine {
        /// The price step.
        tick: Increment,
        /// The quantity step.
        lot: Increment,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument(tick: &str, lot: &str) -> Result<Instrument, InstrumentError> {
        let step = |text| Increment::parse(text).expect("a sound increment");
        Instrument::new("ACME", step(tick), step(lot))
    }

    #[test]
    fn notional_is_exact() {
        let acme = instrument("0.01", "0.001").expect("sound");
        let price = acme.price("101.25").expect("a multiple");
        let quantity = acme.quantity("1.5").expect("a multiple");
        assert_eq!(money_text(acme.notional(price, quantity)), "151.875");
        assert_eq!(money("151.875"), Ok(acme.notional(price, quantity)));
        assert_eq!(money_text(Money(-100_000_000)), "-1.00");
    }

    #[test]
    fn a_unit_finer_than_money_is_refused() {
        assert!(instrument("0.0001", "0.0001").is_ok());
        assert!(instrument("0.00001", "0.0001").is_err());
    }

    #[test]
    fn large_money_is_read_in_cents() {
        assert_eq!(money("1000000.25"), Ok(Money(100_000_025_000_000)));
    }
}
