//! Sleeping orders: stop, stop-limit, take-profit, take-profit-limit, trailing stop.
//!
//! Trades wake them: the lowest and highest price since they were last looked at. There are only as
//! many as outside accounts may have working, so they lie in one list, oldest first, and that is
//! the order in which they wake.

use crate::command::{Amount, Kind, NewOrder};
use crate::engine::Engine;
use crate::entry::Entry;
use crate::event::{Events, Execution, OrderReport, OrderStatus};
use crate::orders::{Order, Slot, Terms};
use crate::units::{Price, Quantity, Side};

impl Engine {
    /// Lays an order down to sleep.
    pub(crate) fn sleep(
        &mut self,
        entry: Entry,
        execution: Execution,
        events: &mut Events,
    ) -> OrderReport {
        let request = entry.request;
        let quantity = match request.amount {
            Amount::Quantity(quantity) => quantity,
            // refused by the checks: only market orders go by notional
            Amount::Notional(_) => Quantity::ZERO,
        };
        let market = &mut self.markets[request.symbol.index()];
        let last = market.last;
        let trigger = match request.kind {
            Kind::TrailingStop { distance } => trail(request.side, last, distance),
            Kind::Stop { trigger }
            | Kind::StopLimit { trigger, .. }
            | Kind::TakeProfit { trigger }
            | Kind::TakeProfitLimit { trigger, .. } => trigger,
            Kind::Limit { .. } | Kind::Market => last,
        };
        // the newcomer looks at the present price too
        let (low, high) = market.touched.unwrap_or((last, last));
        market.touched = Some((low.min(last), high.max(last)));
        let order = Order::new(entry.id, entry.account, &request, quantity, entry.entered);
        let terms = Terms {
            trigger,
            waiting: true,
            ..Terms::of(&request, entry.expires)
        };
        let slot = self.keep_order(order, Some(terms));
        self.markets[request.symbol.index()].sleeping.push(slot);
        let report = self.describe(slot, execution, OrderStatus::Waiting);
        self.emit(&report, events);
        report
    }

    /// Wakes what recent trades have reached, and what the trades of the woken reach in turn.
    pub(crate) fn wake(&mut self, events: &mut Events) {
        for index in 0..self.markets.len() {
            // each round wakes at least one order or ends
            while let Some((low, high)) = self.markets[index].touched.take() {
                let mut at = 0;
                while let Some(slot) = self.markets[index].sleeping.get(at).copied() {
                    if self.reached(slot, low, high) {
                        self.rouse(slot, events);
                    } else {
                        self.follow(slot, low, high);
                        at += 1;
                    }
                }
            }
        }
    }

    fn reached(&self, slot: Slot, low: Price, high: Price) -> bool {
        let (side, terms) = (self.orders.get(slot).side, self.terms(slot));
        let rising = match terms.kind {
            Kind::TakeProfit { .. } | Kind::TakeProfitLimit { .. } => side == Side::Sell,
            _ => side == Side::Buy,
        };
        if rising {
            high >= terms.trigger
        } else {
            low <= terms.trigger
        }
    }

    /// A trailing stop's trigger follows the best price, never back.
    fn follow(&mut self, slot: Slot, low: Price, high: Price) {
        let side = self.orders.get(slot).side;
        let Some(terms) = self.orders.terms_mut(slot) else {
            return;
        };
        if let Kind::TrailingStop { distance } = terms.kind {
            terms.trigger = match side {
                Side::Sell => terms.trigger.max(trail(side, high, distance)),
                Side::Buy => terms.trigger.min(trail(side, low, distance)),
            };
        }
    }

    /// Wakes one order: it trades or rests under the number it always had, unless what was checked
    /// when it came does not hold any more.
    fn rouse(&mut self, slot: Slot, events: &mut Events) {
        let (order, terms) = (*self.orders.get(slot), self.terms(slot));
        let request = terms.request(&order);
        let awake = NewOrder {
            kind: request
                .kind
                .limit()
                .map_or(Kind::Market, |price| Kind::Limit { price }),
            amount: Amount::Quantity(order.open),
            ..request
        };
        // its own lots are not to be counted twice
        self.release(order.account, order.symbol, order.side, order.open);
        let verdict = self.check_woken(order.account, &awake);
        self.release(order.account, order.symbol, order.side, -order.open);
        if let Err(refusal) = verdict {
            self.reject(slot, refusal.code(), events);
            return;
        }
        self.report(slot, Execution::Triggered, OrderStatus::Open, events);
        self.release(order.account, order.symbol, order.side, order.open);
        self.drop_order(slot);
        self.execute(
            Entry {
                id: order.id,
                account: order.account,
                request,
                entered: order.entered,
                expires: terms.expires,
                filled: order.quantity - order.open,
                value: order.value,
            },
            events,
        );
    }
}

fn trail(side: Side, price: Price, distance: Price) -> Price {
    match side {
        Side::Sell => price - distance,
        Side::Buy => price + distance,
    }
}
