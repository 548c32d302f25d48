//! An order comes in: checks, the trades it can make, and what becomes of the rest.

use crate::command::{Amount, Kind, NewOrder, SelfTrade, TimeInForce};
use crate::engine::Engine;
use crate::event::{Events, Execution, OrderReport, OrderStatus};
use crate::market::crosses;
use crate::matching::Taker;
use crate::orders::{Order, Terms, expiry};
use crate::refusal::Refusal;
use crate::units::{AccountId, Money, OrderId, Price, Quantity, UNITS_MAX};

/// An accepted order on its way to the book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) id: OrderId,
    pub(crate) account: AccountId,
    pub(crate) request: NewOrder,
    pub(crate) entered: u64,
    pub(crate) expires: u64,
    /// What it has traded already, before an amendment sent it in again.
    pub(crate) filled: Quantity,
    pub(crate) value: Money,
}

impl Entry {
    pub(crate) fn new(
        id: OrderId,
        account: AccountId,
        request: &NewOrder,
        engine: &Engine,
    ) -> Self {
        let now = engine.clock.market;
        Self {
            id,
            account,
            request: *request,
            entered: now,
            expires: expiry(request.time_in_force, now, engine.day),
            filled: Quantity::ZERO,
            value: Money::ZERO,
        }
    }
}

impl Engine {
    /// Checks an order and enters it.
    pub(crate) fn place(
        &mut self,
        account: AccountId,
        request: &NewOrder,
        events: &mut Events,
    ) -> Result<OrderReport, Refusal> {
        self.check(account, request)?;
        self.last_order.0 += 1;
        let entry = Entry::new(self.last_order, account, request, self);
        let sleeps = !matches!(request.kind, Kind::Limit { .. } | Kind::Market);
        if sleeps {
            return Ok(self.sleep(entry, Execution::New, events));
        }
        if self.reports(account) {
            let report = self.opening(&entry, Execution::New, OrderStatus::Open);
            self.emit(&report, events);
        }
        Ok(self.execute(entry, events))
    }

    /// Lets an order trade; what is left rests, or is taken out.
    pub(crate) fn execute(&mut self, entry: Entry, events: &mut Events) -> OrderReport {
        let request = &entry.request;
        let (quantity, budget) = match request.amount {
            Amount::Quantity(quantity) => (quantity, None),
            Amount::Notional(value) => (Quantity(UNITS_MAX), Some(value)),
        };
        let limit = request.kind.limit();
        let mut taker = Taker {
            id: entry.id,
            account: entry.account,
            symbol: request.symbol,
            side: request.side,
            limit,
            remaining: quantity - entry.filled,
            budget,
            self_trade: request.self_trade,
            filled: entry.filled,
            value: entry.value,
            prevented: Quantity::ZERO,
        };
        let all_or_nothing = request.time_in_force == TimeInForce::Fok;
        if !all_or_nothing || self.can_fill(&taker) {
            self.cross(&mut taker, events);
        }
        let rests = limit.is_some()
            && taker.remaining > Quantity::ZERO
            && !matches!(request.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        match limit {
            Some(price) if rests => self.rest(&entry, &taker, price, quantity, events),
            _ => self.end(&entry, &taker, events),
        }
    }

    /// Whether a fill-or-kill order could be filled to the last lot.
    fn can_fill(&self, taker: &Taker) -> bool {
        let market = &self.markets[taker.symbol.index()];
        let mut missing = taker.remaining;
        let mut budget = taker.budget;
        for (slot, price) in market.book.queue(taker.side.opposite()) {
            let account = self.orders.get(slot).account;
            let remaining = self.orders.remaining(slot);
            let reachable = taker
                .limit
                .is_none_or(|limit| crosses(taker.side, limit, price));
            let own = account == taker.account && taker.self_trade != SelfTrade::None;
            if !reachable || (own && taker.self_trade != SelfTrade::Maker) {
                return false;
            }
            if own {
                continue;
            }
            if let Some(left) = &mut budget {
                *left -= market.instrument.notional(price, remaining);
                if *left <= Money::ZERO {
                    return true;
                }
            } else if remaining >= missing {
                return true;
            } else {
                missing -= remaining;
            }
        }
        false
    }

    /// The rest of a limit order joins the queue of its price.
    fn rest(
        &mut self,
        entry: &Entry,
        taker: &Taker,
        price: Price,
        quantity: Quantity,
        events: &mut Events,
    ) -> OrderReport {
        let request = &entry.request;
        let shown = request
            .display
            .unwrap_or(taker.remaining)
            .min(taker.remaining);
        let total = quantity - taker.prevented;
        let mut order = Order::new(entry.id, entry.account, request, total, entry.entered);
        (order.open, order.value) = (shown, taker.value);
        let mut terms = Terms::of(request, entry.expires);
        terms.hidden = taker.remaining - shown;
        let special = (!terms.is_plain()).then_some(terms);
        let slot = self.keep_order(order, special);
        self.markets[request.symbol.index()]
            .book
            .enter(&mut self.orders, slot, price);
        let status = if taker.filled > Quantity::ZERO {
            OrderStatus::PartiallyFilled
        } else {
            OrderStatus::Open
        };
        let execution = if taker.prevented > Quantity::ZERO {
            Execution::Prevented
        } else if taker.filled > entry.filled {
            Execution::Trade
        } else {
            Execution::New
        };
        let mut report = self.opening(entry, execution, status);
        report.quantity = total;
        (report.filled, report.value) = (taker.filled, taker.value);
        // an order that just rests was reported when it was accepted
        if execution != Execution::New && self.reports(entry.account) {
            self.emit(&report, events);
        }
        report
    }

    /// The order is over: filled, or nothing more to be had.
    fn end(&mut self, entry: &Entry, taker: &Taker, events: &mut Events) -> OrderReport {
        let spent = match taker.budget {
            // less than a lot's worth is left
            Some(left) => {
                let market = &self.markets[taker.symbol.index()];
                let best = market.book.best(taker.side.opposite());
                taker.filled > Quantity::ZERO
                    && best.is_some_and(|price| {
                        market.instrument.affordable(left, price) == Quantity::ZERO
                    })
            }
            None => taker.remaining == Quantity::ZERO && taker.prevented == Quantity::ZERO,
        };
        let (execution, status) = if spent {
            (Execution::Trade, OrderStatus::Filled)
        } else if taker.prevented > Quantity::ZERO {
            (Execution::Prevented, OrderStatus::Cancelled)
        } else {
            (Execution::Cancelled, OrderStatus::Cancelled)
        };
        let mut report = self.opening(entry, execution, status);
        report.filled = taker.filled;
        report.value = taker.value;
        if taker.budget.is_some() {
            report.quantity = taker.filled;
        }
        if self.reports(entry.account) {
            self.emit(&report, events);
        }
        report
    }

    /// A report of an order that is in no array.
    pub(crate) fn opening(
        &self,
        entry: &Entry,
        execution: Execution,
        status: OrderStatus,
    ) -> OrderReport {
        let request = &entry.request;
        OrderReport {
            id: entry.id,
            account: entry.account,
            symbol: request.symbol,
            side: request.side,
            kind: request.kind,
            trigger: None,
            time_in_force: request.time_in_force,
            execution,
            status,
            code: None,
            quantity: match request.amount {
                Amount::Quantity(quantity) => quantity,
                Amount::Notional(_) => Quantity::ZERO,
            },
            filled: Quantity::ZERO,
            value: Money::ZERO,
            display: request.display,
            entered: entry.entered,
            time: self.clock.market,
        }
    }
}
