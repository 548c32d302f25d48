//! What the exchange says: one entry per log type, plain values without allocation.
//!
//! [`Events`] is a buffer the caller keeps and clears, so that the steady state allocates nothing.
//! Levels of book updates lie in one shared list; [`Events::levels`] finds them.

use crate::candle::Candle;
use crate::clock::SimulatorState;
use crate::command::{Kind, TimeInForce};
use crate::units::{AccountId, Money, OrderId, Price, Quantity, Side, SymbolId, TradeId};
use std::ops::Range;

/// One entry of the exchange's output; the variants are the log types of the same names.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Levels of a book changed.
    Book(BookUpdate),
    /// Somebody traded; public, without names.
    Trade(Trade),
    /// A candle closed.
    Candle(CandleClosed),
    /// An execution report of one of the account's orders.
    Order(OrderReport),
    /// One of the account's orders traded.
    Fill(Fill),
    /// The account's position changed.
    Position(PositionReport),
    /// The simulator's state, speed or market condition changed.
    Simulator(SimulatorReport),
}

/// Levels that changed since the previous update of this book. `first..=last` are the numbers of
/// the changes it holds; `first` is one above the `last` before it, so a loss shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookUpdate {
    /// Which book.
    pub symbol: SymbolId,
    /// Number of the first change in it.
    pub first: u64,
    /// Number of the last change in it.
    pub last: u64,
    /// CRC-32 of the ten best levels of each side after the update; on every 32nd update.
    pub checksum: Option<u32>,
    /// Where its levels lie in [`Events`].
    pub levels: Range<u32>,
}

/// One level of a book as it is now; quantity zero: gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// `Buy` for a bid.
    pub side: Side,
    /// Its price.
    pub price: Price,
    /// All that is displayed there.
    pub quantity: Quantity,
    /// In how many orders.
    pub orders: u32,
}

/// A public trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its number.
    pub id: TradeId,
    /// What was traded.
    pub symbol: SymbolId,
    /// At which price: always the resting order's.
    pub price: Price,
    /// How much.
    pub quantity: Quantity,
    /// The side that came and took.
    pub taker: Side,
    /// When, in ticks of market time.
    pub time: u64,
}

/// A finished candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandleClosed {
    /// Of which instrument.
    pub symbol: SymbolId,
    /// How many ticks of market time it covers.
    pub interval: u64,
    /// Its figures.
    pub candle: Candle,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStatus {
    /// Sleeps until its trigger.
    Waiting,
    /// In the book, nothing filled.
    Open,
    /// In the book, partly filled.
    PartiallyFilled,
    /// Done: all of it traded.
    Filled,
    /// Done: the rest was taken out.
    Cancelled,
    /// Done: refused when its trigger woke it.
    Rejected,
    /// Done: its time ran out.
    Expired,
}

impl OrderStatus {
    /// Whether nothing more can happen to it.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Filled | Self::Cancelled | Self::Rejected | Self::Expired
        )
    }

    /// Its name outside.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// What an execution report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// Accepted.
    New,
    /// Its trigger was reached.
    Triggered,
    /// It traded.
    Trade,
    /// It was changed.
    Replaced,
    /// It was taken out.
    Cancelled,
    /// It could not go on; the code says why.
    Rejected,
    /// Its time ran out.
    Expired,
    /// It met an order of its own account.
    Prevented,
}

impl Execution {
    /// Its name outside.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Triggered => "triggered",
            Self::Trade => "trade",
            Self::Replaced => "replaced",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Prevented => "prevented",
        }
    }
}

/// An order and what just happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderReport {
    /// Its number.
    pub id: OrderId,
    /// Whose it is.
    pub account: AccountId,
    /// What it trades.
    pub symbol: SymbolId,
    /// Buy or sell.
    pub side: Side,
    /// How its price comes about.
    pub kind: Kind,
    /// Where it would wake, while it sleeps: the trigger as amended, or as it trails.
    pub trigger: Option<Price>,
    /// How long it may rest.
    pub time_in_force: TimeInForce,
    /// What just happened.
    pub execution: Execution,
    /// Where it stands now.
    pub status: OrderStatus,
    /// The code of a rejection.
    pub code: Option<&'static str>,
    /// What it is for in all.
    pub quantity: Quantity,
    /// What has traded.
    pub filled: Quantity,
    /// What that was worth.
    pub value: Money,
    /// Iceberg: the most it shows.
    pub display: Option<Quantity>,
    /// When it was entered, in ticks of market time.
    pub entered: u64,
    /// When this happened, in ticks of market time.
    pub time: u64,
}

/// One account's half of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The trade.
    pub trade: TradeId,
    /// The order.
    pub order: OrderId,
    /// Whose it is.
    pub account: AccountId,
    /// What was traded.
    pub symbol: SymbolId,
    /// The account's side.
    pub side: Side,
    /// At which price.
    pub price: Price,
    /// How much.
    pub quantity: Quantity,
    /// What the exchange took for it; negative: a rebate.
    pub fee: Money,
    /// Whether the order was resting.
    pub maker: bool,
    /// When, in ticks of market time.
    pub time: u64,
}

/// A position and the money beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionReport {
    /// Whose it is.
    pub account: AccountId,
    /// In what.
    pub symbol: SymbolId,
    /// Lots held; negative: short.
    pub quantity: Quantity,
    /// What the open position cost (short: brought), fees apart.
    pub cost: Money,
    /// Profit of what was closed, fees apart.
    pub realised: Money,
    /// Profit if it were closed at the mark, fees apart.
    pub unrealised: Money,
    /// Fees paid for this instrument; negative: received.
    pub fees: Money,
    /// The account's money.
    pub balance: Money,
    /// When, in ticks of market time.
    pub time: u64,
}

/// The simulator's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatorReport {
    /// Running, paused or stopped.
    pub state: SimulatorState,
    /// Market time per tick, in thousandths.
    pub speed: u32,
    /// What happened to one instrument, if that is what it is about.
    pub condition: Option<(SymbolId, Condition)>,
    /// When, in ticks of market time.
    pub time: u64,
}

/// What happened to a market beyond trading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Trading stopped.
    Halted,
    /// Trading goes on.
    Reopened,
    /// News moved what the instrument is worth.
    News,
    /// Somebody sweeps the book.
    Sweep,
    /// Simulated liquidity was withdrawn.
    Thinned,
}

impl Condition {
    /// Its name outside.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Halted => "halted",
            Self::Reopened => "reopened",
            Self::News => "news",
            Self::Sweep => "sweep",
            Self::Thinned => "thinned",
        }
    }
}

/// A buffer of events, kept by the caller and reused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    entries: Vec<Event>,
    levels: Vec<Level>,
}

impl Events {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The events, oldest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Event> {
        self.entries.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The levels of one of this buffer's updates.
    #[must_use]
    pub fn levels(&self, update: &BookUpdate) -> &[Level] {
        &self.levels[update.levels.start as usize..update.levels.end as usize]
    }

    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.levels.clear();
    }

    pub(crate) fn push(&mut self, event: Event) {
        self.entries.push(event);
    }

    pub(crate) fn level_count(&self) -> u32 {
        self.levels.len() as u32
    }

    pub(crate) fn push_level(&mut self, level: Level) {
        self.levels.push(level);
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = std::slice::Iter<'a, Event>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
