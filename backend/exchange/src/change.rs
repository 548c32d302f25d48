//! Amend and cancel.

use crate::command::{Amend, Amount, Kind, NewOrder};
use crate::engine::Engine;
use crate::entry::Entry;
use crate::event::{Events, Execution, OrderReport};
use crate::orders::{NONE, Slot};
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
        let report = self.finish(slot, Execution::Cancelled, events);
        report.ok_or(Refusal::UnknownOrder(order))
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
            let order = self.orders.hot(slot);
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
        let (order, detail) = (*self.orders.hot(slot), *self.orders.cold(slot));
        let quantity = amend.quantity.unwrap_or(detail.quantity);
        if quantity <= detail.filled || quantity.0 > UNITS_MAX {
            return Err(Refusal::InvalidQuantity(
                "the new total has to be above what is filled already".to_owned(),
            ));
        }
        let kind = amended(detail.kind, detail.waiting, amend)?;
        let keeps = kind == detail.kind && quantity <= detail.quantity;
        if keeps && (amend.quantity.is_some() || amend.price.is_some() || amend.trigger.is_some()) {
            self.reduce_to(slot, quantity);
            let report = self.describe(slot, Execution::Replaced, self.working_status(slot));
            self.emit_if_outside(report, events);
            return Ok(report);
        }
        let remaining = quantity - detail.filled;
        let mut request = NewOrder {
            kind,
            amount: Amount::Quantity(remaining),
            ..detail.request(&order)
        };
        self.check_replacement(slot, &request)?;
        request.amount = Amount::Quantity(quantity);
        let entry = Entry {
            id: order.id,
            account,
            request,
            entered: detail.entered,
            expires: detail.expires,
            filled: detail.filled,
            value: detail.value,
        };
        self.release(account, order.symbol, order.side, order.remaining());
        self.drop_order(slot);
        let mut report = self.opening(&entry, Execution::Replaced, crate::OrderStatus::Open);
        report.filled = detail.filled;
        report.value = detail.value;
        if detail.waiting {
            return Ok(self.sleep(entry, Execution::Replaced, events));
        }
        if detail.filled > Quantity::ZERO {
            report.status = crate::OrderStatus::PartiallyFilled;
        }
        self.emit_if_outside(report, events);
        Ok(self.execute(entry, events))
    }

    fn emit_if_outside(&mut self, report: OrderReport, events: &mut Events) {
        if self.reports(report.account) {
            self.emit(report, events);
        }
    }

    /// The slot of a working order of this account.
    fn own(&self, account: AccountId, order: OrderId) -> Result<Slot, Refusal> {
        self.orders
            .find(order)
            .filter(|slot| self.orders.hot(*slot).account == account)
            .ok_or(Refusal::UnknownOrder(order))
    }

    /// Takes an order's total down in place: hidden lots first.
    fn reduce_to(&mut self, slot: Slot, quantity: Quantity) {
        let by = self.orders.cold(slot).quantity - quantity;
        let order = *self.orders.hot(slot);
        let hidden = by.min(order.hidden);
        self.orders.hot_mut(slot).hidden -= hidden;
        if order.level == NONE {
            self.orders.hot_mut(slot).open -= by - hidden;
        } else {
            let book = &mut self.markets[order.symbol.index()].book;
            book.reduce(&mut self.orders, slot, by - hidden);
        }
        let detail = self.orders.cold_mut(slot);
        detail.quantity = quantity;
        self.release(order.account, order.symbol, order.side, by);
    }

    /// Checks the changed order as if the old one were gone already.
    fn check_replacement(&mut self, slot: Slot, request: &NewOrder) -> Result<(), Refusal> {
        let order = *self.orders.hot(slot);
        let remaining = order.remaining();
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
