//! A session as JSON shows it: the values of REST answers, of log entries and
//! of the snapshot. Decimals are strings; `time` and `entered` are market time,
//! in milliseconds since the session began; `created_ms` counts from 1970.

mod page;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use page::{
    Balance, CandlePage, CommandEntry, CommandPage, FillPage, Fingerprint, LogEntry, LogPage,
    OrderPage, SessionPage, Statistics, TradePage,
};

use crate::message::Lasting;

/// Buy or sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Takes the symbol.
    Buy,
    /// Gives the symbol.
    Sell,
}

/// What a client asks for when it creates a session; everything has a default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// The market to simulate, by name; see `GET /api/v1/scenarios`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "calm")]
    pub scenario: Option<String>,
    /// The same seed and the same commands give the same market. Below 2^53.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9007199254740991_u64, example = 7)]
    pub seed: Option<u64>,
    /// How fast the market's time passes: 0.1 to 1000, 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.1, maximum = 1000)]
    pub speed: Option<f64>,
    /// Begin with the market standing still.
    #[serde(default)]
    pub paused: bool,
    /// Words for people and filters: 16 at most; keys of 1 to 63 letters, digits, `.`, `_`, `-`
    /// and `/`, values of at most 128 characters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The session ends so long from now: `1s` to `8760h`; `never` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Lasting>,
    /// The session ends once nobody was connected and nothing was asked for so long: `10s` to
    /// `8760h`; `never` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_expires_in: Option<Lasting>,
    /// All orders are taken back once no connection is left for so long: `1s` to `10m`; `never`
    /// by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_on_disconnect: Option<Lasting>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Session {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// State of its simulator.
    pub state: SimulatorState,
    /// The endpoint that owns it.
    pub endpoint: String,
    /// Which output log its entries are numbered in.
    pub epoch: String,
    /// The number of the last entry.
    pub seq: u64,
    /// What can be traded.
    pub symbols: Vec<Symbol>,
    /// The market it simulates.
    pub scenario: String,
    /// The seed of that market.
    pub seed: u64,
    /// How often its ownership has changed, plus one.
    pub generation: u64,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// Words for people and filters.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// When it ends, in milliseconds since 1970; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// It ends after so many milliseconds without anybody; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_expires_ms: Option<u64>,
    /// All orders are taken back after so many milliseconds without a connection; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_on_disconnect_ms: Option<u64>,
    /// When somebody was last connected or asked for something, in milliseconds since 1970.
    #[serde(default)]
    pub active_ms: u64,
    /// The session and the place in its log that this one was forked from: `<id>@<epoch>.<seq>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<String>,
}

/// What the simulator is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulatorState {
    /// The market moves.
    Running,
    /// The market stands still; orders are still taken.
    Paused,
    /// The market has ended.
    Stopped,
}

/// What can be traded, and in which steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Symbol {
    /// Its name.
    pub symbol: String,
    /// The smallest step of its price.
    pub tick: String,
    /// The smallest step of its quantity.
    pub lot: String,
}

/// One price of a book: price and quantity; in a change, quantity 0 takes the
/// price out.
pub type Level = [String; 2];

/// A book: the whole of it in snapshots and REST answers, the prices that
/// changed in `book` entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Book {
    /// Of which symbol.
    pub symbol: String,
    /// Number of the first change it holds, one above the `last` before it;
    /// absent from a whole book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Number of the last change it holds.
    pub last: u64,
    /// Who buys, best first.
    #[schema(value_type = Vec<Vec<String>>)]
    pub bids: Vec<Level>,
    /// Who sells, best first.
    #[schema(value_type = Vec<Vec<String>>)]
    pub asks: Vec<Level>,
    /// CRC-32 of the ten best prices of each side, now and then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u32>,
    /// When it was so, in milliseconds of market time since the session began.
    #[serde(default)]
    pub time: u64,
}

/// Two orders met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Trade {
    /// Which trade of the session.
    pub trade_id: u64,
    /// Of which symbol.
    pub symbol: String,
    /// At which price.
    pub price: String,
    /// How much.
    pub quantity: String,
    /// Who came later.
    pub side: Side,
    /// When, in milliseconds of market time since the session began.
    pub time: u64,
}

/// The trades of a span of time in four prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Candle {
    /// Of which symbol.
    pub symbol: String,
    /// How long the span is.
    pub interval: u64,
    /// When it began, in milliseconds of market time since the session began.
    pub time: u64,
    /// The first price.
    pub open: String,
    /// The highest price.
    pub high: String,
    /// The lowest price.
    pub low: String,
    /// The last price.
    pub close: String,
    /// How much was traded.
    pub volume: String,
    /// In how many trades.
    pub trades: u32,
    /// Whether it can change no more.
    pub closed: bool,
}

/// An order and what happened to it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Order {
    /// Its id.
    pub order_id: u64,
    /// Of which symbol.
    pub symbol: String,
    /// Buy or sell.
    pub side: Side,
    /// How it is priced: `limit`, `market`, `stop`, `stop_limit`, `take_profit`,
    /// `take_profit_limit`, `trailing_stop`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it stands: `waiting`, `open`, `partially_filled`, `filled`, `cancelled`,
    /// `rejected`, `expired`.
    pub status: String,
    /// What happened last: `new`, `triggered`, `trade`, `replaced`, `cancelled`, `rejected`,
    /// `expired`, `prevented`.
    pub execution: String,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it is for in all.
    pub quantity: String,
    /// What has traded.
    pub filled: String,
    /// What still can.
    pub remaining: String,
    /// Its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// What wakes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<String>,
    /// How far it stays behind the market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<String>,
    /// The most it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// What it traded at on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_price: Option<String>,
    /// How long it rests: `gtc`, `ioc`, `fok`, `gtd`, `day`.
    pub time_in_force: String,
    /// When it was entered, in milliseconds of market time since the session began.
    pub entered: u64,
    /// When this happened, in milliseconds of market time since the session began.
    pub time: u64,
}

/// One of the user's orders met another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Fill {
    /// In which trade.
    pub trade_id: u64,
    /// Which of the user's orders.
    pub order_id: u64,
    /// Of which symbol.
    pub symbol: String,
    /// The side of the user's order.
    pub side: Side,
    /// At which price.
    pub price: String,
    /// How much.
    pub quantity: String,
    /// What it cost; below zero: brought.
    pub fee: String,
    /// `maker` or `taker`.
    pub liquidity: String,
    /// When, in milliseconds of market time since the session began.
    pub time: u64,
}

/// What the user holds of one symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Position {
    /// Of which symbol.
    pub symbol: String,
    /// How much; below zero when more was sold than bought.
    pub quantity: String,
    /// What was paid on average, while something is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_price: Option<String>,
    /// What closed positions brought in.
    pub realised_pnl: String,
    /// What closing the open one now would bring in.
    pub unrealised_pnl: String,
    /// Fees paid.
    pub fees: String,
    /// The user's money.
    pub balance: String,
    /// When, in milliseconds of market time since the session began.
    pub time: u64,
}

/// What the simulator is doing, and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Simulator {
    /// What it is doing.
    pub state: SimulatorState,
    /// How fast its time passes; 1 is real time.
    pub speed: f64,
    /// The market it simulates.
    pub scenario: String,
    /// Which symbol something happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// What happened to it: `halted`, `reopened`, `news`, `sweep`, `thinned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// When, in milliseconds of market time since the session began.
    pub time: u64,
}

/// Everything at one moment: what a client that knows nothing needs to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Snapshot {
    /// The session.
    pub session: Session,
    /// Each symbol's book.
    pub books: Vec<Book>,
    /// The latest trades of each symbol, oldest first.
    pub trades: Vec<Trade>,
    /// The latest candles of each symbol, oldest first.
    pub candles: Vec<Candle>,
    /// The open orders and the last finished ones.
    pub orders: Vec<Order>,
    /// What the user holds.
    pub positions: Vec<Position>,
    /// What the simulator is doing.
    pub simulator: Simulator,
    /// The highest command number of this client that was answered; its next
    /// command is the one above.
    pub n: u64,
}

/// Why a resume was not possible; a snapshot follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Reset {
    /// The reason.
    pub reason: ResetReason,
}

/// Why a resume was not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// The place is not an id of this log: another epoch.
    Epoch,
    /// The place is older than what is kept.
    Trimmed,
    /// The place is beyond what was ever emitted: the log lost its tail.
    Ahead,
    /// The market was begun anew.
    Restarted,
    /// What was seen there came from an owner that had lost the session and a
    /// later command changed what followed, or from one that the store has lost.
    Diverged,
}
