//! The conservation laws, checked over the whole state. For tests, and for whoever doubts.

use crate::exchange::Exchange;
use crate::orders::Slot;
use crate::units::{AccountId, Money, Price, Quantity, Side};

impl Exchange {
    /// Checks that nothing came from nowhere and nothing went nowhere; says what does not add up.
    pub fn audit(&self) -> Result<(), String> {
        self.audit_sums()?;
        for index in 0..self.engine.accounts.len() as u16 {
            self.audit_account(AccountId(index))?;
        }
        for index in 0..self.engine.markets.len() {
            self.audit_book(index)?;
        }
        Ok(())
    }

    /// Money with the treasury, and units of each instrument, are what they were at the start.
    fn audit_sums(&self) -> Result<(), String> {
        let engine = &self.engine;
        let deposits = Money(engine.deposit.0 * engine.accounts.len() as i128);
        let mut money = engine.treasury;
        for account in &engine.accounts {
            money += account.balance;
        }
        expect(money == deposits, || {
            format!("{money:?} of money, {deposits:?} deposited")
        })?;
        for index in 0..engine.markets.len() {
            let units: i64 = engine
                .accounts
                .iter()
                .map(|account| account.positions[index].quantity.0)
                .sum();
            expect(units == 0, || {
                format!("{units} units of #{index} from nowhere")
            })?;
        }
        Ok(())
    }

    /// An account's money agrees with its positions, and what it ties up with its orders.
    fn audit_account(&self, id: AccountId) -> Result<(), String> {
        let account = &self.engine.accounts[id.index()];
        let mut balance = self.engine.deposit;
        for position in &account.positions {
            balance += position.realised - position.cost - position.fees;
            let flat = position.quantity == Quantity::ZERO;
            let costless = position.cost == Money::ZERO;
            expect(!flat || costless, || {
                format!("flat position of {id:?} has a cost")
            })?;
        }
        expect(balance == account.balance, || {
            format!(
                "{id:?} has {:?}, its trades say {balance:?}",
                account.balance
            )
        })?;
        let mut working = vec![[Quantity::ZERO; 2]; account.positions.len()];
        let mut count = 0;
        for slot in self.engine.orders.of(id) {
            let order = self.engine.orders.get(slot);
            let remaining = self.engine.orders.remaining(slot);
            working[order.symbol.index()][order.side.index()] += remaining;
            count += 1;
            let filled = order.quantity - remaining;
            let worth = order.value > Money::ZERO;
            expect(
                filled >= Quantity::ZERO && worth == (filled > Quantity::ZERO),
                || format!("{:?}: total, filled and remaining do not add up", order.id),
            )?;
        }
        expect(count == account.orders, || {
            format!("{id:?} has {count} orders")
        })?;
        for (position, working) in account.positions.iter().zip(&working) {
            expect(position.working == *working, || {
                format!("{id:?} ties up {working:?}")
            })?;
        }
        Ok(())
    }

    /// Levels are the sums of their orders, in order, and the sides do not cross.
    fn audit_book(&self, index: usize) -> Result<(), String> {
        let market = &self.engine.markets[index];
        let book = &market.book;
        if let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) {
            expect(bid < ask, || {
                format!("book #{index} is crossed: {bid:?} {ask:?}")
            })?;
        }
        for side in [Side::Buy, Side::Sell] {
            let mut orders = book.queue(side);
            let mut previous = None;
            for level in book.levels(side) {
                let better = previous.is_none_or(|before: Price| {
                    before.0 * side.sign() > level.price.0 * side.sign()
                });
                expect(better, || format!("levels of #{index} out of order"))?;
                previous = Some(level.price);
                let of = |slot: Slot| self.engine.orders.get(slot);
                let queue: Vec<(Slot, Price)> =
                    orders.by_ref().take(level.orders as usize).collect();
                let sum: i64 = queue.iter().map(|(slot, _)| of(*slot).open.0).sum();
                let sound = queue
                    .iter()
                    .all(|(slot, price)| *price == level.price && of(*slot).open > Quantity::ZERO);
                expect(sound && sum == level.quantity.0, || {
                    format!(
                        "level {:?} of #{index} is not the sum of its orders",
                        level.price
                    )
                })?;
            }
        }
        Ok(())
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
