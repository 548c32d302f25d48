//! A session as JSON shows it: the values of REST answers, of log entries and
//! of the snapshot. Decimals are strings; `time` and `entered` are market time,
//! in milliseconds since the session began; `created_ms` counts from 1970.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// The market to simulate, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The same seed and the same commands give the same market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
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
    /// When it was created.
    pub created_ms: u64,
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
    /// How it is priced: `limit`, `market`, `stop`, `stop_limit`, `take_profit`, `trailing_stop`.
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
    /// What was seen there came from an owner that had lost the session and a
    /// later command changed what followed, or from one that the store has lost.
    Diverged,
}

/// One entry of the output log, as auditors read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct LogEntry {
    /// `<epoch>.<seq>`.
    pub id: String,
    /// Of `book`, `trade`, `candle`, `order`, `fill`, `position`, `simulator`, `answer`.
    #[serde(rename = "type")]
    pub kind: String,
    /// As it was sent.
    pub data: serde_json::Value,
    /// For answers: the client they are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// A page of the output log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct LogPage {
    /// In order.
    pub entries: Vec<LogEntry>,
    /// What to ask `after` for the next page; null at the end.
    pub next: Option<String>,
}

/// One executed command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct CommandEntry {
    /// Its number.
    pub n: u64,
    /// What it was.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it was answered.
    pub answer: crate::message::Answer,
}

/// A page of the commands of one client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct CommandPage {
    /// In order.
    pub commands: Vec<CommandEntry>,
    /// Null: all that is kept fits one page.
    pub next: Option<u64>,
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct OrderPage {
    /// Newest first.
    pub orders: Vec<Order>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next: Option<String>,
}
