//! The deterministic machine: all state that trading changes, and what the parts of it share.
//! Entry, matching, triggers and expiry are in their own files; the flow and the public
//! [`Exchange`](crate::Exchange) drive it.

use crate::account::{Account, Fees};
use crate::clock::Clock;
use crate::command::{Kind, TimeInForce};
use crate::event::{
    BookUpdate, CandleClosed, Event, Events, Execution, OrderReport, OrderStatus, PositionReport,
};
use crate::history::History;
use crate::market::Market;
use crate::orders::{NONE, Order, Orders, Slot, Terms};
use crate::risk::Limits;
use crate::units::{AccountId, Money, OrderId, Price, Quantity, Side, SymbolId, TradeId};

#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) clock: Clock,
    pub(crate) markets: Vec<Market>,
    pub(crate) orders: Orders,
    /// Outside accounts first, then the crowd, then the other simulated traders.
    pub(crate) accounts: Vec<Account>,
    /// How many accounts are outside ones, whose doings are reported and checked.
    pub(crate) outside: u16,
    /// What every account began with.
    pub(crate) deposit: Money,
    /// What the exchange itself earned.
    pub(crate) treasury: Money,
    pub(crate) fees: Fees,
    pub(crate) limits: Limits,
    /// Length of the market's day, in ticks of market time.
    pub(crate) day: u64,
    pub(crate) last_order: OrderId,
    pub(crate) last_trade: TradeId,
    pub(crate) history: History,
    /// The tick at which an outside account's orders are taken out, by account.
    pub(crate) dead_man: Vec<Option<u64>>,
    /// Positions that changed since they were last reported.
    pub(crate) moved: Vec<(AccountId, SymbolId)>,
    /// No order expires before this market time.
    pub(crate) next_expiry: u64,
}

impl Engine {
    /// The account of the crowd: all zero-intelligence traders together.
    pub(crate) fn crowd(&self) -> AccountId {
        AccountId(self.outside)
    }

    /// Whether an account's orders, fills and positions become events.
    pub(crate) fn reports(&self, account: AccountId) -> bool {
        account.0 < self.outside
    }

    /// Enters a resting or sleeping order into the arrays; the book or the triggers come next.
    pub(crate) fn keep_order(&mut self, mut order: Order, terms: Option<Terms>) -> Slot {
        let crowd = self.crowd();
        let market = &mut self.markets[order.symbol.index()];
        if order.account == crowd {
            order.link = market.crowd.len() as u32;
        }
        let mut remaining = order.open;
        if let Some(terms) = &terms {
            remaining += terms.hidden;
            self.next_expiry = self.next_expiry.min(terms.expires);
        }
        let books = &mut self.accounts[order.account.index()];
        books.orders += 1;
        books.positions[order.symbol.index()].working[order.side.index()] += remaining;
        let slot = self.orders.insert(order, terms);
        if order.account == crowd {
            market.crowd.push(slot);
        }
        slot
    }

    /// Forgets an order that is in no queue and ties up nothing any more.
    pub(crate) fn drop_order(&mut self, slot: Slot) {
        let order = *self.orders.get(slot);
        let market = &mut self.markets[order.symbol.index()];
        if order.place != NONE {
            market.book.leave(&mut self.orders, slot);
        } else if self.orders.terms(slot).is_some_and(|terms| terms.waiting) {
            market.sleeping.retain(|other| *other != slot);
        }
        self.accounts[order.account.index()].orders -= 1;
        if order.account == self.crowd() {
            let crowd = &mut self.markets[order.symbol.index()].crowd;
            crowd.swap_remove(order.link as usize);
            if let Some(moved) = crowd.get(order.link as usize) {
                self.orders.get_mut(*moved).link = order.link;
            }
        }
        self.orders.remove(slot);
    }

    /// Unties lots that are working no more.
    pub(crate) fn release(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        side: Side,
        quantity: Quantity,
    ) {
        let position = &mut self.accounts[account.index()].positions[symbol.index()];
        position.working[side.index()] -= quantity;
    }

    /// Takes an order out for good and says so.
    pub(crate) fn finish(&mut self, slot: Slot, execution: Execution, events: &mut Events) {
        let order = *self.orders.get(slot);
        let remaining = self.orders.remaining(slot);
        self.release(order.account, order.symbol, order.side, remaining);
        let status = match execution {
            Execution::Expired => OrderStatus::Expired,
            _ => OrderStatus::Cancelled,
        };
        self.report(slot, execution, status, events);
        self.drop_order(slot);
    }

    /// Emits an execution report of a live order, if its account is an outside one.
    pub(crate) fn report(
        &mut self,
        slot: Slot,
        execution: Execution,
        status: OrderStatus,
        events: &mut Events,
    ) {
        if self.reports(self.orders.get(slot).account) {
            let report = self.describe(slot, execution, status);
            self.emit(&report, events);
        }
    }

    /// Emits an execution report and remembers the order if it is finished.
    pub(crate) fn emit(&mut self, report: &OrderReport, events: &mut Events) {
        if report.status.is_final() {
            self.history.order(report);
        }
        events.push(Event::Order(*report));
    }

    pub(crate) fn describe(
        &self,
        slot: Slot,
        execution: Execution,
        status: OrderStatus,
    ) -> OrderReport {
        let order = self.orders.get(slot);
        let Some(terms) = self.orders.terms(slot) else {
            return self.describe_plain(order, self.price(slot), execution, status);
        };
        OrderReport {
            id: order.id,
            account: order.account,
            symbol: order.symbol,
            side: order.side,
            kind: terms.kind,
            trigger: terms.waiting.then_some(terms.trigger),
            time_in_force: terms.time_in_force,
            execution,
            status,
            code: None,
            quantity: order.quantity,
            filled: order.quantity - order.open - terms.hidden,
            value: order.value,
            display: terms.display,
            entered: order.entered,
            time: self.clock.market,
        }
    }

    fn describe_plain(
        &self,
        order: &Order,
        price: Price,
        execution: Execution,
        status: OrderStatus,
    ) -> OrderReport {
        OrderReport {
            id: order.id,
            account: order.account,
            symbol: order.symbol,
            side: order.side,
            kind: Kind::Limit { price },
            trigger: None,
            time_in_force: TimeInForce::Gtc,
            execution,
            status,
            code: None,
            quantity: order.quantity,
            filled: order.quantity - order.open,
            value: order.value,
            display: None,
            entered: order.entered,
            time: self.clock.market,
        }
    }

    /// Takes a sleeping order out that may not wake, and says why.
    pub(crate) fn reject(&mut self, slot: Slot, code: &'static str, events: &mut Events) {
        let order = *self.orders.get(slot);
        self.release(order.account, order.symbol, order.side, order.open);
        let mut report = self.describe(slot, Execution::Rejected, OrderStatus::Rejected);
        report.code = Some(code);
        self.drop_order(slot);
        self.emit(&report, events);
    }

    /// All that was asked of a live order.
    pub(crate) fn terms(&self, slot: Slot) -> Terms {
        match self.orders.terms(slot) {
            Some(terms) => *terms,
            None => Terms::plain(self.price(slot)),
        }
    }

    /// The price at which a live order queues; zero while it sleeps.
    pub(crate) fn price(&self, slot: Slot) -> Price {
        let order = self.orders.get(slot);
        match order.place {
            NONE => Price::ZERO,
            place => self.markets[order.symbol.index()].book.price_at(place),
        }
    }

    pub(crate) fn working_status(&self, slot: Slot) -> OrderStatus {
        let waiting = self.orders.terms(slot).is_some_and(|terms| terms.waiting);
        if waiting {
            OrderStatus::Waiting
        } else if self.orders.filled(slot) > Quantity::ZERO {
            OrderStatus::PartiallyFilled
        } else {
            OrderStatus::Open
        }
    }

    /// Takes out what has expired by now; closes candles that are over.
    pub(crate) fn expire(&mut self, events: &mut Events) {
        let now = self.clock.market;
        for market in &mut self.markets {
            if let Some(candle) = market.candles.close(now) {
                let (symbol, interval) = (market.book.symbol, market.candles.interval);
                events.push(Event::Candle(CandleClosed {
                    symbol,
                    interval,
                    candle,
                }));
            }
        }
        if now < self.next_expiry {
            return;
        }
        let (expired, next) = self.orders.expired(now);
        self.next_expiry = next;
        for slot in expired {
            self.finish(slot, Execution::Expired, events);
        }
    }

    /// Emits what has accumulated: one update for each changed book, one report for each changed
    /// position. Called at the end of every command and of every tick.
    pub(crate) fn publish(&mut self, events: &mut Events) {
        for market in &mut self.markets {
            if !market.book.has_changes() {
                continue;
            }
            let first = market.book.published + 1;
            let start = events.level_count();
            market.book.take_changes(|level| events.push_level(level));
            let book = &market.book;
            let due = book.updates.is_multiple_of(CHECKSUM_EVERY);
            events.push(Event::Book(BookUpdate {
                symbol: book.symbol,
                first,
                last: book.published,
                checksum: due.then(|| crate::checksum::of(market)),
                levels: start..events.level_count(),
            }));
        }
        for index in 0..self.moved.len() {
            let (account, symbol) = self.moved[index];
            self.accounts[account.index()].positions[symbol.index()].changed = false;
            events.push(Event::Position(self.position(account, symbol)));
        }
        self.moved.clear();
    }

    pub(crate) fn position(&self, account: AccountId, symbol: SymbolId) -> PositionReport {
        let books = &self.accounts[account.index()];
        let position = &books.positions[symbol.index()];
        let market = &self.markets[symbol.index()];
        let worth = market.instrument.notional(market.mark(), position.quantity);
        PositionReport {
            account,
            symbol,
            quantity: position.quantity,
            cost: position.cost,
            realised: position.realised,
            unrealised: position.unrealised(worth),
            fees: position.fees,
            balance: books.balance,
            time: self.clock.market,
        }
    }
}

/// Every how many updates of a book its checksum is sent along.
const CHECKSUM_EVERY: u64 = 32;
