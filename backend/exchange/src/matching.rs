//! The taker meets the book: best price first, oldest first, at the resting order's price.

use crate::command::SelfTrade;
use crate::engine::Engine;
use crate::event::{Event, Events, Execution, Fill, OrderStatus, Trade};
use crate::market::crosses;
use crate::orders::Slot;
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
            let Some(slot) = self.markets[market].book.first(taker.side.opposite()) else {
                return;
            };
            let maker = *self.orders.hot(slot);
            if taker
                .limit
                .is_some_and(|limit| !crosses(taker.side, limit, maker.price))
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
                quantity = quantity.min(instrument.affordable(budget, maker.price));
                if quantity == Quantity::ZERO {
                    return;
                }
            }
            self.trade(taker, slot, quantity, events);
        }
    }

    fn trade(&mut self, taker: &mut Taker, slot: Slot, quantity: Quantity, events: &mut Events) {
        let market = &mut self.markets[taker.symbol.index()];
        let maker = *self.orders.hot(slot);
        let value = market.instrument.notional(maker.price, quantity);
        self.last_trade.0 += 1;
        let trade = Trade {
            id: TradeId(self.last_trade.0),
            symbol: taker.symbol,
            price: maker.price,
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
        self.settle(&trade, maker.account, maker.id, value, true, events);
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
        let maker = *self.orders.hot(slot);
        let detail = self.orders.cold_mut(slot);
        detail.filled += quantity;
        detail.value += value;
        let display = detail.display;
        self.release(maker.account, maker.symbol, maker.side, quantity);
        let book = &mut self.markets[maker.symbol.index()].book;
        if quantity < maker.open {
            book.reduce(&mut self.orders, slot, quantity);
            self.report(slot, Execution::Trade, OrderStatus::PartiallyFilled, events);
            return;
        }
        if maker.hidden > Quantity::ZERO {
            // the next part queues up behind the others of its price
            book.leave(&mut self.orders, slot);
            let shown = display.unwrap_or(maker.hidden).min(maker.hidden);
            let order = self.orders.hot_mut(slot);
            order.open = shown;
            order.hidden -= shown;
            book.enter(&mut self.orders, slot);
            self.report(slot, Execution::Trade, OrderStatus::PartiallyFilled, events);
            return;
        }
        book.reduce(&mut self.orders, slot, quantity);
        self.report(slot, Execution::Trade, OrderStatus::Filled, events);
        self.drop_order(slot);
    }

    /// The taker met an order of its own account: its mode says who gives way.
    fn prevent(&mut self, taker: &mut Taker, slot: Slot, events: &mut Events) {
        let maker = *self.orders.hot(slot);
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
                let both = taker.remaining.min(maker.remaining());
                taker.remaining -= both;
                taker.prevented += both;
                if both == maker.remaining() {
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
        let order = *self.orders.hot(slot);
        let hidden = by.min(order.hidden);
        self.orders.hot_mut(slot).hidden -= hidden;
        let book = &mut self.markets[order.symbol.index()].book;
        book.reduce(&mut self.orders, slot, by - hidden);
        self.orders.cold_mut(slot).quantity -= by;
        self.release(order.account, order.symbol, order.side, by);
        let status = self.working_status(slot);
        self.report(slot, Execution::Prevented, status, events);
    }
}
