//! Amend and cancel.

use crate::command::{Amend, Amount, Kind, NewOrder};
use crate::engine::Engine;
use crate::entry::Entry;
use crate::event::{Events, Execution, OrderReport, OrderStatus};
use crate::orders::Slot;
use crate::refusal::Refusal;
use crate::units::{AccountId, OrderId, Price, Quantity, Side, SymbolId, UNITS_MAX};

impl Engine {
    /// Takes one order out.
    pub(crate) fn cancel(
        &mut self,
        account: AccountId,
        order: OrderId,
        events: &mut Events,
    ) -> Result<OrderReport, Refusal> {
        let slot = self.own(account, order)?;
        let report = self.describe(slot, Execution::Cancelled, OrderStatus::Cancelled);
        self.finish(slot, Execution::Cancelled, events);
        Ok(report)
    }

    /// Takes out all of an account's orders that match; says how many.
    pub(crate) fn cancel_all(
        &mut self,
        account: AccountId,
        symbol: Option<SymbolId>,
        side: Option<Side>,
        events: &mut Events,
    ) -> u32 {
        let mut count = 0;
        for slot in self.orders.of(account) {
            let order = self.orders.get(slot);
            let matches = symbol.is_none_or(|symbol| symbol == order.symbol)
                && side.is_none_or(|side| side == order.side);
            if matches {
                self.finish(slot, Execution::Cancelled, events);
                count += 1;
            }
        }
        count
    }

    /// Changes an order. Less quantity at the same price keeps the place in the queue; anything
    /// else sends the order in again, behind the others, and may trade at once.
    pub(crate) fn amend(
        &mut self,
        account: AccountId,
        amend: &Amend,
        events: &mut Events,
    ) -> Result<OrderReport, Refusal> {
        let slot = self.own(account, amend.order)?;
        let (order, terms) = (*self.orders.get(slot), self.terms(slot));
        let filled = self.orders.filled(slot);
        let quantity = amend.quantity.unwrap_or(order.quantity);
        if quantity <= filled || quantity.0 > UNITS_MAX {
            return Err(Refusal::InvalidQuantity(
                "the new total has to be above what is filled already".to_owned(),
            ));
        }
        let kind = amended(terms.kind, terms.waiting, amend)?;
        let keeps = kind == terms.kind && quantity <= order.quantity;
        if keeps && (amend.quantity.is_some() || amend.price.is_some() || amend.trigger.is_some()) {
            self.take_off(slot, order.quantity - quantity);
            let report = self.describe(slot, Execution::Replaced, self.working_status(slot));
            self.emit(&report, events);
            return Ok(report);
        }
        let mut request = NewOrder {
            kind,
            amount: Amount::Quantity(quantity - filled),
            ..terms.request(&order)
        };
        self.check_replacement(slot, &request)?;
        request.amount = Amount::Quantity(quantity);
        let entry = Entry {
            id: order.id,
            account,
            request,
            entered: order.entered,
            expires: terms.expires,
            filled,
            value: order.value,
        };
        self.release(account, order.symbol, order.side, order.quantity - filled);
        self.drop_order(slot);
        let mut report = self.opening(&entry, Execution::Replaced, OrderStatus::Open);
        report.filled = filled;
        report.value = order.value;
        if terms.waiting {
            return Ok(self.sleep(entry, Execution::Replaced, events));
        }
        if filled > Quantity::ZERO {
            report.status = OrderStatus::PartiallyFilled;
        }
        self.emit(&report, events);
        Ok(self.execute(entry, events))
    }

    /// The slot of a working order of this account.
    fn own(&self, account: AccountId, order: OrderId) -> Result<Slot, Refusal> {
        self.orders
            .find(order)
            .filter(|slot| self.orders.get(*slot).account == account)
            .ok_or(Refusal::UnknownOrder(order))
    }

    /// Checks the changed order as if the old one were gone already.
    fn check_replacement(&mut self, slot: Slot, request: &NewOrder) -> Result<(), Refusal> {
        let order = *self.orders.get(slot);
        let remaining = self.orders.remaining(slot);
        self.release(order.account, order.symbol, order.side, remaining);
        self.accounts[order.account.index()].orders -= 1;
        let verdict = self.check(order.account, request);
        self.accounts[order.account.index()].orders += 1;
        self.release(order.account, order.symbol, order.side, -remaining);
        verdict
    }
}

/// The kind with the amendment's prices in it.
fn amended(kind: Kind, waiting: bool, amend: &Amend) -> Result<Kind, Refusal> {
    let wrong = |text: &str| Err(Refusal::InvalidOrder(text.to_owned()));
    let new_price = |price: Price| amend.price.unwrap_or(price);
    let new_trigger = |trigger: Price| amend.trigger.unwrap_or(trigger);
    if amend.trigger.is_some() && !waiting {
        return wrong("the order sleeps no more: its trigger cannot be changed");
    }
    match kind {
        Kind::Limit { price } => Ok(Kind::Limit {
            price: new_price(price),
        }),
        Kind::StopLimit { trigger, price } => Ok(Kind::StopLimit {
            trigger: new_trigger(trigger),
            price: new_price(price),
        }),
        Kind::TakeProfitLimit { trigger, price } => Ok(Kind::TakeProfitLimit {
            trigger: new_trigger(trigger),
            price: new_price(price),
        }),
        _ if amend.price.is_some() => wrong("the order has no limit price to change"),
        Kind::Stop { trigger } => Ok(Kind::Stop {
            trigger: new_trigger(trigger),
        }),
        Kind::TakeProfit { trigger } => Ok(Kind::TakeProfit {
            trigger: new_trigger(trigger),
        }),
        Kind::TrailingStop { .. } if amend.trigger.is_some() => {
            wrong("a trailing stop's trigger follows the market; cancel it and enter another")
        }
        Kind::TrailingStop { distance } => Ok(Kind::TrailingStop { distance }),
        Kind::Market => Ok(Kind::Market),
    }
}
