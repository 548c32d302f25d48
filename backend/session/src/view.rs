//! A session as JSON shows it: the values of REST answers, of log entries and
//! of the snapshot. Decimals are strings; times are milliseconds since 1970.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decimal::Decimal;

/// Buy or sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Takes the symbol.
    Buy,
    /// Gives the symbol.
    Sell,
}

/// How an order is priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// At its price or better.
    Limit,
    /// At the best there is.
    Market,
}

/// How long an order rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    Gtc,
    /// Not at all: what does not trade at once is cancelled.
    Ioc,
    /// Not at all: it trades whole at once or is cancelled.
    Fok,
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
    pub tick: Decimal,
    /// The smallest step of its quantity.
    pub lot: Decimal,
}

/// One price of a book: price and quantity; in a change, quantity 0 takes the
/// price out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Level(pub Decimal, pub Decimal);

impl utoipa::PartialSchema for Level {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ArrayBuilder::new()
            .items(<Decimal as utoipa::PartialSchema>::schema())
            .min_items(Some(2))
            .max_items(Some(2))
            .description(Some("price and quantity"))
            .into()
    }
}

impl ToSchema for Level {}

/// A book: the whole of it in snapshots and REST answers, the prices that
/// changed in `book` entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Book {
    /// Of which symbol.
    pub symbol: String,
    /// Who buys, best first.
    pub bids: Vec<Level>,
    /// Who sells, best first.
    pub asks: Vec<Level>,
}

/// Two orders met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Trade {
    /// Which trade of the session.
    pub trade_id: u64,
    /// Of which symbol.
    pub symbol: String,
    /// At which price.
    pub price: Decimal,
    /// How much.
    pub quantity: Decimal,
    /// Who came later.
    pub side: Side,
    /// When.
    pub time_ms: u64,
}

/// The trades of a span of time in four prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Candle {
    /// Of which symbol.
    pub symbol: String,
    /// When the span began.
    pub time_ms: u64,
    /// How long it is.
    pub interval_ms: u64,
    /// The first price.
    pub open: Decimal,
    /// The highest price.
    pub high: Decimal,
    /// The lowest price.
    pub low: Decimal,
    /// The last price.
    pub close: Decimal,
    /// How much was traded.
    pub volume: Decimal,
}

/// An order and how far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Order {
    /// Its id.
    pub order_id: String,
    /// Of which symbol.
    pub symbol: String,
    /// Buy or sell.
    pub side: Side,
    /// How it is priced.
    #[serde(rename = "type")]
    pub kind: OrderType,
    /// How much was asked for.
    pub quantity: Decimal,
    /// How much of it was traded.
    pub filled: Decimal,
    /// Its limit, unless it is a market order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// How long it rests.
    pub time_in_force: TimeInForce,
    /// Where it stands.
    pub status: OrderStatus,
    /// Who sent it.
    pub client: String,
    /// When it was taken.
    pub time_ms: u64,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// It rests, untouched.
    Open,
    /// It rests, and part of it was traded.
    PartiallyFilled,
    /// All of it was traded.
    Filled,
    /// It was taken back, or the rest of it could not trade at once.
    Cancelled,
    /// It was not taken.
    Rejected,
}

impl OrderStatus {
    /// Whether it rests in the book.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::PartiallyFilled)
    }

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
        }
    }
}

/// One of the user's orders met another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Fill {
    /// Which of the user's orders.
    pub order_id: String,
    /// In which trade.
    pub trade_id: u64,
    /// Of which symbol.
    pub symbol: String,
    /// The side of the user's order.
    pub side: Side,
    /// At which price.
    pub price: Decimal,
    /// How much.
    pub quantity: Decimal,
    /// When.
    pub time_ms: u64,
}

/// What the user holds of one symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Position {
    /// Of which symbol.
    pub symbol: String,
    /// How much; below zero when more was sold than bought.
    pub quantity: Decimal,
    /// What was paid on average, while something is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_price: Option<Decimal>,
    /// What closed positions brought in.
    pub realized: Decimal,
}

/// What the simulator is doing, and how fast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Simulator {
    /// What it is doing.
    pub state: SimulatorState,
    /// How fast its time passes; 1 is real time.
    pub speed: Decimal,
    /// How many steps the market has made.
    pub tick: u64,
}

/// Everything at one moment: what a client that knows nothing needs to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Snapshot {
    /// The session.
    pub session: Session,
    /// Each symbol's book.
    pub books: Vec<Book>,
    /// The latest trades, oldest first.
    pub trades: Vec<Trade>,
    /// The open orders and the last finished ones, oldest first.
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
    /// What was seen there came from an owner that had lost the session, and a
    /// later command changed what followed.
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
