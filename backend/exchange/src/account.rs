//! Who holds what: money, positions, what working orders tie up; profit and fees, exactly.
//!
//! Every trade moves the same money and the same units from one account to another, and fees go to
//! the treasury, so over all accounts and the treasury both sums never change.

use crate::units::{Money, Price, Quantity, Side};

/// A position in one instrument. `balance = deposit + realised - cost - fees`, to the last unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) quantity: Quantity,
    /// What the open lots cost; negative for a short, which brought money.
    pub(crate) cost: Money,
    pub(crate) realised: Money,
    pub(crate) fees: Money,
    /// Lots in working orders, buys and sells.
    pub(crate) working: [Quantity; 2],
    /// Whether it changed since it was last reported.
    pub(crate) changed: bool,
}

impl Position {
    /// Books `quantity` lots of `side` worth `value` in all.
    pub(crate) fn trade(&mut self, side: Side, quantity: Quantity, value: Money) {
        let held = self.quantity.0;
        let change = quantity.0 * side.sign();
        let closed = if held.signum() == -change.signum() {
            held.abs().min(quantity.0)
        } else {
            0
        };
        let sign = i128::from(side.sign());
        // shares of cost and value are cut towards zero; what is cut off stays in the open part,
        // so nothing is lost
        let released = share(self.cost.0, closed, held.abs());
        let closed_value = share(value.0, closed, quantity.0);
        if closed > 0 {
            self.realised += Money(-sign * closed_value - released);
        }
        self.cost += Money(sign * (value.0 - closed_value) - released);
        self.quantity += Quantity(change);
        self.changed = true;
    }

    /// Profit if all were closed for `value` (the position's signed worth).
    pub(crate) fn unrealised(&self, value: Money) -> Money {
        value - self.cost
    }
}

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) balance: Money,
    /// Working orders, sleeping ones too.
    pub(crate) orders: u32,
    /// One for each instrument.
    pub(crate) positions: Vec<Position>,
}

impl Account {
    pub(crate) fn new(deposit: Money, instruments: usize) -> Self {
        Self {
            balance: deposit,
            orders: 0,
            positions: vec![Position::default(); instruments],
        }
    }
}

/// `part` of `whole` of an amount, cut towards zero.
fn share(amount: i128, part: i64, whole: i64) -> i128 {
    match part {
        0 => 0,
        part if part == whole => amount,
        // most products fit 64 bits, where division costs a quarter
        part => match i64::try_from(amount).ok().and_then(|a| a.checked_mul(part)) {
            Some(product) => i128::from(product / whole),
            None => amount * i128::from(part) / i128::from(whole),
        },
    }
}

/// What the exchange takes, in hundredths of a basis point of the value; negative: a rebate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) maker: i32,
    pub(crate) taker: i32,
}

impl Fees {
    /// The fee for `value`, rounded up to the next unit of money: a charge is never short, a
    /// rebate never too much.
    pub(crate) fn of(self, value: Money, maker: bool) -> Money {
        let rate = i128::from(if maker { self.maker } else { self.taker });
        if rate == 0 {
            return Money::ZERO;
        }
        let charge = -value.0 * rate;
        // most values fit 64 bits, where division costs a quarter
        Money(match i64::try_from(charge) {
            Ok(charge) => -i128::from(charge.div_euclid(PARTS)),
            Err(_) => -charge.div_euclid(i128::from(PARTS)),
        })
    }
}

/// Hundredths of a basis point in one.
const PARTS: i64 = 1_000_000;

/// A price moved by `basis_points`, cut towards zero.
pub(crate) fn shifted(price: Price, basis_points: i64) -> Price {
    let moved = i128::from(price.0) * i128::from(10_000 + basis_points) / 10_000;
    Price(i64::try_from(moved).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_that_turns_realises_what_it_closed() {
        let mut position = Position::default();
        position.trade(Side::Buy, Quantity(10), Money(1_000));
        position.trade(Side::Sell, Quantity(15), Money(1_650));
        assert_eq!(position.quantity, Quantity(-5));
        assert_eq!(position.realised, Money(100));
        assert_eq!(position.cost, Money(-550));
        position.trade(Side::Buy, Quantity(5), Money(500));
        assert_eq!(
            (position.quantity, position.cost),
            (Quantity::ZERO, Money::ZERO)
        );
        assert_eq!(position.realised, Money(150));
    }

    #[test]
    fn fees_round_towards_the_exchange() {
        let fees = Fees {
            maker: -50,
            taker: 1_000,
        };
        assert_eq!(fees.of(Money(10_000), false), Money(10));
        assert_eq!(fees.of(Money(10_001), false), Money(11));
        assert_eq!(fees.of(Money(20_000), true), Money(-1));
        assert_eq!(fees.of(Money(39_999), true), Money(-1));
        assert_eq!(Fees::default().of(Money(39_999), true), Money::ZERO);
    }
}
