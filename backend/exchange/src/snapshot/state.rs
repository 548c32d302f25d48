//! What of the state goes into a snapshot, and in which order.

use super::{Coded, Reader, RestoreError, Writer, coded, coded_enum};
use crate::account::Position;
use crate::candle::Candle;
use crate::clock::{Clock, SimulatorState};
use crate::command::{Kind, NewOrder, SelfTrade, TimeInForce};
use crate::engine::Engine;
use crate::event::{Execution, Fill, OrderReport, OrderStatus, Trade};
use crate::exchange::Exchange;
use crate::market::Market;
use crate::orders::{NONE, Order, Slot, Terms};
use crate::units::{AccountId, Money, Price, Quantity, Side, SymbolId};

pub(super) fn put(exchange: &Exchange, writer: &mut Writer) {
    let scenario = serde_json::to_vec(&exchange.scenario).unwrap_or_default();
    writer.count(scenario.len());
    writer.raw(&scenario);
    writer.put(&exchange.seed);
    let engine = &exchange.engine;
    writer.put(&u32::from(engine.outside));
    writer.put(&engine.clock);
    writer.put(&engine.last_order);
    writer.put(&engine.last_trade);
    writer.put(&engine.treasury);
    writer.put(&engine.next_expiry);
    writer.put(&engine.dead_man);
    writer.put(&engine.history.orders);
    writer.put(&engine.history.fills);
    for account in &engine.accounts {
        writer.put(&account.balance);
        for position in &account.positions {
            writer.put(position);
        }
    }
    // number of each slot's order in the order in which orders are written
    let mut numbers = vec![NONE; engine.orders.slots()];
    let mut next = 0;
    for market in &engine.markets {
        put_market(market, engine, writer, &mut numbers, &mut next);
    }
    for market in &engine.markets {
        put_list(market.sleeping.iter().copied(), &numbers, writer);
        put_list(market.crowd.iter().copied(), &numbers, writer);
    }
    exchange.flow.put(writer);
}

pub(super) fn take(reader: &mut Reader<'_>) -> Result<Exchange, RestoreError> {
    let count = reader.count()?;
    let scenario = super::read_scenario(reader.raw(count)?, reader)?;
    let seed = reader.take()?;
    let outside = u16::try_from(reader.take::<u32>()?).map_err(|_| reader.damaged())?;
    let mut exchange = Exchange::unopened(&scenario, seed, outside)?;
    let engine = &mut exchange.engine;
    engine.clock = reader.take()?;
    engine.last_order = reader.take()?;
    engine.last_trade = reader.take()?;
    engine.treasury = reader.take()?;
    let next_expiry = reader.take()?;
    engine.dead_man = reader.take()?;
    engine.history.orders = reader.take()?;
    engine.history.fills = reader.take()?;
    if engine.dead_man.len() != engine.accounts.len() {
        return Err(reader.damaged());
    }
    for account in &mut engine.accounts {
        account.balance = reader.take()?;
        for position in &mut account.positions {
            *position = reader.take()?;
        }
    }
    for index in 0..engine.markets.len() {
        take_market(index, engine, reader)?;
    }
    for index in 0..engine.markets.len() {
        engine.markets[index].sleeping = take_list(engine, reader)?;
        let crowd = take_list(engine, reader)?;
        for (place, slot) in crowd.iter().enumerate() {
            engine.orders.get_mut(*slot).link = place as u32;
        }
        engine.markets[index].crowd = crowd;
    }
    for slot in engine.orders.live() {
        engine.accounts[engine.orders.get(slot).account.index()].orders += 1;
    }
    engine.next_expiry = next_expiry;
    let visitors = AccountId(exchange.engine.accounts.len() as u16 - 1);
    exchange.flow.take(reader, visitors)?;
    Ok(exchange)
}

fn put_market(
    market: &Market,
    engine: &Engine,
    writer: &mut Writer,
    numbers: &mut [u32],
    next: &mut u32,
) {
    writer.put(&market.last);
    writer.put(&market.halted_until);
    writer.put(&market.touched);
    writer.put(&market.tape);
    writer.put(&market.candles.running);
    writer.put(&market.candles.finished);
    writer.put(&market.book.changes);
    writer.put(&market.book.published);
    writer.put(&market.book.updates);
    let mut put_order = |slot: Slot, writer: &mut Writer| {
        numbers[slot as usize] = *next;
        *next += 1;
        put_order(engine, slot, writer);
    };
    for side in [Side::Buy, Side::Sell] {
        // worst price first: read back, every price is the best so far and goes to the end
        writer.count(market.book.depth(side));
        for (price, orders, line) in market.book.queues_from_worst(side) {
            writer.put(&price);
            writer.unsigned(u64::from(orders));
            for slot in line {
                put_order(slot, writer);
            }
        }
    }
    writer.count(market.sleeping.len());
    for slot in &market.sleeping {
        writer.put(&engine.orders.get(*slot).side);
        put_order(*slot, writer);
    }
}

fn take_market(
    index: usize,
    engine: &mut Engine,
    reader: &mut Reader<'_>,
) -> Result<(), RestoreError> {
    let market = &mut engine.markets[index];
    market.last = reader.take()?;
    market.halted_until = reader.take()?;
    market.touched = reader.take()?;
    market.tape = reader.take()?;
    market.candles.running = reader.take()?;
    market.candles.finished = reader.take()?;
    let numbers: (u64, (u64, u64)) = reader.take()?;
    let symbol = market.book.symbol;
    let accounts = engine.accounts.len();
    for side in [Side::Buy, Side::Sell] {
        for _ in 0..reader.count()? {
            let price = reader.take()?;
            for _ in 0..reader.count()? {
                let (order, terms) = take_order(symbol, side, accounts, reader)?;
                let slot = engine.orders.insert(order, terms);
                let book = &mut engine.markets[index].book;
                book.enter(&mut engine.orders, slot, price);
            }
        }
    }
    for _ in 0..reader.count()? {
        let side = reader.take()?;
        let (order, terms) = take_order(symbol, side, accounts, reader)?;
        engine.orders.insert(order, terms);
    }
    let book = &mut engine.markets[index].book;
    book.take_changes(|_| {});
    (book.changes, (book.published, book.updates)) = numbers;
    Ok(())
}

/// Most orders are plain: good-till-cancelled limits at their level's price, nothing filled.
const PLAIN: u8 = 1;
const HIDDEN: u8 = 2;
const FILLED: u8 = 4;

fn put_order(engine: &Engine, slot: Slot, writer: &mut Writer) {
    let order = engine.orders.get(slot);
    let terms = engine.orders.terms(slot);
    let remaining = engine.orders.remaining(slot);
    let (hidden, filled) = (remaining - order.open, order.quantity - remaining);
    let flag = |bit: u8, set: bool| if set { bit } else { 0 };
    let flags = flag(PLAIN, terms.is_none())
        | flag(HIDDEN, hidden != Quantity::ZERO)
        | flag(FILLED, filled != Quantity::ZERO);
    writer.byte(flags | ((order.self_trade as u8) << 4));
    writer.put(&order.id);
    writer.put(&order.account);
    writer.put(&order.open);
    writer.put(&order.entered);
    if hidden != Quantity::ZERO {
        writer.put(&hidden);
    }
    if filled != Quantity::ZERO {
        writer.put(&filled);
        writer.put(&order.value);
    }
    if let Some(terms) = terms {
        writer.put(terms);
    }
}

fn take_order(
    symbol: SymbolId,
    side: Side,
    accounts: usize,
    reader: &mut Reader<'_>,
) -> Result<(Order, Option<Terms>), RestoreError> {
    let flags = reader.byte()?;
    let self_trade = self_trade(flags >> 4).ok_or_else(|| reader.damaged())?;
    let (id, account): (_, AccountId) = reader.take()?;
    if account.index() >= accounts {
        return Err(reader.damaged());
    }
    let (open, entered) = reader.take()?;
    let usual = NewOrder {
        self_trade,
        ..NewOrder::limit(symbol, side, Price::ZERO, open)
    };
    let mut order = Order::new(id, account, &usual, open, entered);
    let mut hidden = Quantity::ZERO;
    if flags & HIDDEN != 0 {
        hidden = reader.take()?;
        order.quantity += hidden;
    }
    if flags & FILLED != 0 {
        let filled: Quantity = reader.take()?;
        order.quantity += filled;
        order.value = reader.take()?;
    }
    let special = flags & PLAIN == 0;
    let terms: Option<Terms> = special.then(|| reader.take()).transpose()?;
    Ok((order, terms.map(|terms| Terms { hidden, ..terms })))
}

fn self_trade(number: u8) -> Option<SelfTrade> {
    [
        SelfTrade::None,
        SelfTrade::Taker,
        SelfTrade::Maker,
        SelfTrade::Both,
        SelfTrade::Decrement,
    ]
    .into_iter()
    .find(|mode| *mode as u8 == number)
}

fn put_list(slots: impl Iterator<Item = Slot>, numbers: &[u32], writer: &mut Writer) {
    let list: Vec<u32> = slots.map(|slot| numbers[slot as usize]).collect();
    writer.put(&list);
}

/// Slots were handed out in the order of reading, so an order's number is its slot.
fn take_list(engine: &Engine, reader: &mut Reader<'_>) -> Result<Vec<Slot>, RestoreError> {
    let list: Vec<Slot> = reader.take()?;
    let sound = list
        .iter()
        .all(|slot| (*slot as usize) < engine.orders.slots());
    if sound {
        Ok(list)
    } else {
        Err(reader.damaged())
    }
}

impl Coded for Position {
    fn put(&self, writer: &mut Writer) {
        writer.put(&self.quantity);
        writer.put(&self.cost);
        writer.put(&self.realised);
        writer.put(&self.fees);
        writer.put(&(self.working[0], self.working[1]));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let (quantity, cost): (Quantity, Money) = reader.take()?;
        let (realised, fees) = reader.take()?;
        let (buys, sells) = reader.take()?;
        Ok(Self {
            quantity,
            cost,
            realised,
            fees,
            working: [buys, sells],
            changed: false,
        })
    }
}

impl Coded for Terms {
    fn put(&self, writer: &mut Writer) {
        writer.put(&(self.kind, self.time_in_force));
        writer.put(&(self.post_only, self.display));
        writer.put(&((self.trigger, self.waiting), self.expires));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let (kind, time_in_force) = reader.take()?;
        let (post_only, display) = reader.take()?;
        let ((trigger, waiting), expires) = reader.take()?;
        Ok(Self {
            kind,
            time_in_force,
            post_only,
            display,
            hidden: Quantity::ZERO,
            trigger,
            waiting,
            expires,
        })
    }
}

/// The code of a rejection is one of a fixed list; its place in it is kept.
struct Code(Option<&'static str>);

impl Coded for Code {
    fn put(&self, writer: &mut Writer) {
        let place = self.0.and_then(|code| {
            crate::Refusal::CODES
                .iter()
                .position(|other| *other == code)
        });
        writer.count(place.map_or(0, |place| place + 1));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        match reader.unsigned()? as usize {
            0 => Ok(Self(None)),
            place => {
                let code = crate::Refusal::CODES.get(place - 1);
                code.map(|code| Self(Some(code)))
                    .ok_or_else(|| reader.damaged())
            }
        }
    }
}

impl Coded for OrderReport {
    fn put(&self, writer: &mut Writer) {
        writer.put(&((self.id, self.account), (self.symbol, self.side)));
        writer.put(&((self.kind, self.trigger), self.time_in_force));
        writer.put(&((self.execution, self.status), Code(self.code)));
        writer.put(&((self.quantity, self.filled), (self.value, self.display)));
        writer.put(&(self.entered, self.time));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let ((id, account), (symbol, side)) = reader.take()?;
        let ((kind, trigger), time_in_force) = reader.take()?;
        let ((execution, status), Code(code)) = reader.take()?;
        let ((quantity, filled), (value, display)) = reader.take()?;
        let (entered, time) = reader.take()?;
        Ok(Self {
            id,
            account,
            symbol,
            side,
            kind,
            trigger,
            time_in_force,
            execution,
            status,
            code,
            quantity,
            filled,
            value,
            display,
            entered,
            time,
        })
    }
}

coded!(Clock {
    state,
    speed,
    tick,
    market,
    rest
});
coded!(Candle {
    start,
    open,
    high,
    low,
    close,
    volume,
    trades
});
coded!(Trade {
    id,
    symbol,
    price,
    quantity,
    taker,
    time
});
coded!(Fill {
    trade,
    order,
    account,
    symbol,
    side,
    price,
    quantity,
    fee,
    maker,
    time
});
coded_enum!(SimulatorState { Running = 0, Paused = 1, Stopped = 2 });
coded_enum!(TimeInForce { Gtc = 0, Ioc = 1, Fok = 2, Gtd(inner) = 3, Day = 4 });
coded_enum!(Kind {
    Limit { price } = 0,
    Market = 1,
    Stop { trigger } = 2,
    StopLimit { trigger, price } = 3,
    TakeProfit { trigger } = 4,
    TrailingStop { distance } = 5,
    TakeProfitLimit { trigger, price } = 6,
});
coded_enum!(OrderStatus {
    Waiting = 0,
    Open = 1,
    PartiallyFilled = 2,
    Filled = 3,
    Cancelled = 4,
    Rejected = 5,
    Expired = 6,
});
coded_enum!(Execution {
    New = 0,
    Triggered = 1,
    Trade = 2,
    Replaced = 3,
    Cancelled = 4,
    Rejected = 5,
    Expired = 6,
    Prevented = 7,
});
