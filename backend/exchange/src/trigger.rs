//! Sleeping orders: stop, stop-limit, take-profit, trailing stop.
//!
//! Trades wake them: the lowest and highest price since they were last looked at. There are only as
//! many as outside accounts may have working, so they lie in one list, oldest first, and that is
//! the order in which they wake.

use crate::command::{Amount, Kind};
use crate::engine::Engine;
use crate::entry::Entry;
use crate::event::{Events, Execution, OrderReport, OrderStatus};
use crate::orders::{Detail, Order, Slot};
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
            Kind::Stop { trigger } | Kind::StopLimit { trigger, .. } => trigger,
            Kind::TakeProfit { trigger } => trigger,
            Kind::Limit { .. } | Kind::Market => last,
        };
        // the newcomer looks at the present price too
        let (low, high) = market.touched.unwrap_or((last, last));
        market.touched = Some((low.min(last), high.max(last)));
        let (symbol, side) = (request.symbol, request.side);
        let order = Order::new(entry.id, entry.account, symbol, side, trigger, quantity);
        let detail = Detail {
            trigger,
            waiting: true,
            filled: entry.filled,
            value: entry.value,
            expires: entry.expires,
            ..Detail::new(&request, quantity, entry.entered)
        };
        let slot = self.keep_order(order, detail);
        self.markets[request.symbol.index()].sleeping.push(slot);
        let report = self.describe(slot, execution, OrderStatus::Waiting);
        self.emit(report, events);
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
        let detail = self.orders.cold(slot);
        let rising = match detail.kind {
            Kind::TakeProfit { .. } => self.orders.hot(slot).side == Side::Sell,
            _ => self.orders.hot(slot).side == Side::Buy,
        };
        if rising {
            high >= detail.trigger
        } else {
            low <= detail.trigger
        }
    }

    /// A trailing stop's trigger follows the best price, never back.
    fn follow(&mut self, slot: Slot, low: Price, high: Price) {
        let side = self.orders.hot(slot).side;
        let detail = self.orders.cold_mut(slot);
        if let Kind::TrailingStop { distance } = detail.kind {
            detail.trigger = match side {
                Side::Sell => detail.trigger.max(trail(side, high, distance)),
                Side::Buy => detail.trigger.min(trail(side, low, distance)),
            };
        }
    }

    /// Wakes one order: it trades or rests under the number it always had.
    fn rouse(&mut self, slot: Slot, events: &mut Events) {
        self.report(slot, Execution::Triggered, OrderStatus::Open, events);
        let order = *self.orders.hot(slot);
        let detail = *self.orders.cold(slot);
        self.release(order.account, order.symbol, order.side, order.remaining());
        self.drop_order(slot);
        let request = detail.request(&order);
        self.execute(
            Entry {
                id: order.id,
                account: order.account,
                request,
                entered: detail.entered,
                expires: detail.expires,
                filled: detail.filled,
                value: detail.value,
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
