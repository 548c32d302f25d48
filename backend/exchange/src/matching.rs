//! The taker meets the book: best price first, oldest first, at the resting order's price.

use crate::command::SelfTrade;
use crate::engine::Engine;
use crate::event::{Event, Events, Execution, Fill, OrderStatus, Trade};
use crate::market::crosses;
use crate::orders::{NONE, Order, Slot};
use crate::units::{AccountId, Money, OrderId, Price, Quantity, Side, SymbolId, TradeId};

/// An incoming order while it trades.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub(crate) id: OrderId,
    pub(crate) account: AccountId,
    pub(crate) symbol: SymbolId,
    pub(crate) side: Side,
    /// The worst price; `None`: any.
    pub(crate) limit: Option<Price>,
    pub(crate) remaining: Quantity,
    /// What may still be spent, for orders by notional.
    pub(crate) budget: Option<Money>,
    pub(crate) self_trade: SelfTrade,
    pub(crate) filled: Quantity,
    pub(crate) value: Money,
    /// Lots taken off by self-trade prevention.
    pub(crate) prevented: Quantity,
}

impl Engine {
    /// Trades until the taker is done, its limit is reached, or the book is empty.
    pub(crate) fn cross(&mut self, taker: &mut Taker, events: &mut Events) {
        let market = taker.symbol.index();
        while taker.remaining > Quantity::ZERO {
            let book = &self.markets[market].book;
            let Some((slot, price)) = book.first(taker.side.opposite()) else {
                return;
            };
            let maker = self.orders.get(slot);
            if taker
                .limit
                .is_some_and(|limit| !crosses(taker.side, limit, price))
            {
                return;
            }
            if maker.account == taker.account && taker.self_trade != SelfTrade::None {
                self.prevent(taker, slot, events);
                continue;
            }
            let mut quantity = taker.remaining.min(maker.open);
            if let Some(budget) = taker.budget {
                let instrument = &self.markets[market].instrument;
                quantity = quantity.min(instrument.affordable(budget, price));
                if quantity == Quantity::ZERO {
                    return;
                }
            }
            self.trade(taker, slot, price, quantity, events);
        }
    }

    fn trade(
        &mut self,
        taker: &mut Taker,
        slot: Slot,
        price: Price,
        quantity: Quantity,
        events: &mut Events,
    ) {
        let market = &mut self.markets[taker.symbol.index()];
        let Order { id, account, .. } = *self.orders.get(slot);
        let value = market.instrument.notional(price, quantity);
        self.last_trade.0 += 1;
        let trade = Trade {
            id: TradeId(self.last_trade.0),
            symbol: taker.symbol,
            price,
            quantity,
            taker: taker.side,
            time: self.clock.market,
        };
        market.record(trade);
        events.push(Event::Trade(trade));
        taker.remaining -= quantity;
        taker.filled += quantity;
        taker.value += value;
        if let Some(budget) = &mut taker.budget {
            *budget -= value;
        }
        self.settle(&trade, account, id, value, true, events);
        self.settle(&trade, taker.account, taker.id, value, false, events);
        self.fill_maker(slot, quantity, value, events);
    }

    /// Books one account's half of a trade.
    fn settle(
        &mut self,
        trade: &Trade,
        account: AccountId,
        order: OrderId,
        value: Money,
        maker: bool,
        events: &mut Events,
    ) {
        let side = if maker {
            trade.taker.opposite()
        } else {
            trade.taker
        };
        let fee = if self.reports(account) {
            self.fees.of(value, maker)
        } else {
            Money::ZERO
        };
        self.treasury += fee;
        let books = &mut self.accounts[account.index()];
        books.balance += Money(-i128::from(side.sign()) * value.0) - fee;
        let position = &mut books.positions[trade.symbol.index()];
        let reported = position.changed;
        position.trade(side, trade.quantity, value);
        position.fees += fee;
        if !self.reports(account) {
            return;
        }
        if !reported {
            self.moved.push((account, trade.symbol));
        }
        let fill = Fill {
            trade: trade.id,
            order,
            account,
            symbol: trade.symbol,
            side,
            price: trade.price,
            quantity: trade.quantity,
            fee,
            maker,
            time: trade.time,
        };
        events.push(Event::Fill(fill));
        self.history.fill(fill);
    }

    /// Takes what traded off the resting order; shows the next part of an iceberg.
    fn fill_maker(&mut self, slot: Slot, quantity: Quantity, value: Money, events: &mut Events) {
        let maker = self.orders.get_mut(slot);
        maker.value += value;
        let maker = *maker;
        self.release(maker.account, maker.symbol, maker.side, quantity);
        let book = &mut self.markets[maker.symbol.index()].book;
        if quantity < maker.open {
            book.reduce(&mut self.orders, slot, quantity);
            self.report(slot, Execution::Trade, OrderStatus::PartiallyFilled, events);
            return;
        }
        let iceberg = self.orders.terms_mut(slot);
        if let Some(terms) = iceberg.filter(|terms| terms.hidden > Quantity::ZERO) {
            let shown = terms.display.unwrap_or(terms.hidden).min(terms.hidden);
            terms.hidden -= shown;
            // the next part queues up behind the others of its price
            let price = book.price_at(maker.place);
            book.leave(&mut self.orders, slot);
            self.orders.get_mut(slot).open = shown;
            book.enter(&mut self.orders, slot, price);
            self.report(slot, Execution::Trade, OrderStatus::PartiallyFilled, events);
            return;
        }
        book.reduce(&mut self.orders, slot, quantity);
        self.report(slot, Execution::Trade, OrderStatus::Filled, events);
        self.drop_order(slot);
    }

    /// The taker met an order of its own account: its mode says who gives way.
    fn prevent(&mut self, taker: &mut Taker, slot: Slot, events: &mut Events) {
        let remaining = self.orders.remaining(slot);
        match taker.self_trade {
            SelfTrade::None => {}
            SelfTrade::Taker => self.prevent_taker(taker),
            SelfTrade::Maker => {
                self.finish(slot, Execution::Prevented, events);
            }
            SelfTrade::Both => {
                self.finish(slot, Execution::Prevented, events);
                self.prevent_taker(taker);
            }
            SelfTrade::Decrement => {
                let both = taker.remaining.min(remaining);
                taker.remaining -= both;
                taker.prevented += both;
                if both == remaining {
                    self.finish(slot, Execution::Prevented, events);
                } else {
                    self.shrink(slot, both, events);
                }
            }
        }
    }

    fn prevent_taker(&mut self, taker: &mut Taker) {
        taker.prevented += taker.remaining;
        taker.remaining = Quantity::ZERO;
    }

    /// Takes lots off a resting order without a trade, hidden ones first.
    fn shrink(&mut self, slot: Slot, by: Quantity, events: &mut Events) {
        self.take_off(slot, by);
        let status = self.working_status(slot);
        self.report(slot, Execution::Prevented, status, events);
    }

    /// Takes an order's total down by so many lots in place: hidden ones first.
    pub(crate) fn take_off(&mut self, slot: Slot, by: Quantity) {
        let mut shown = by;
        if let Some(terms) = self.orders.terms_mut(slot) {
            let hidden = by.min(terms.hidden);
            terms.hidden -= hidden;
            shown -= hidden;
        }
        let order = self.orders.get_mut(slot);
        order.quantity -= by;
        let order = *order;
        if order.place == NONE {
            self.orders.get_mut(slot).open -= shown;
        } else {
            let book = &mut self.markets[order.symbol.index()].book;
            book.reduce(&mut self.orders, slot, shown);
        }
        self.release(order.account, order.symbol, order.side, by);
    }
}
