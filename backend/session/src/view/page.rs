//! Pages of lists, and what is counted together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Candle, Fill, Order, Session, Trade};

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

/// A page of fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct FillPage {
    /// Newest first.
    pub fills: Vec<Fill>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next: Option<String>,
}

/// A page of trades.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct TradePage {
    /// Oldest first.
    pub trades: Vec<Trade>,
}

/// A page of candles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct CandlePage {
    /// Oldest first; the last one may still change.
    pub candles: Vec<Candle>,
}

/// The user's money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Balance {
    /// Always `cash`, the quote currency of every symbol; what is held of symbols are positions.
    #[schema(example = "cash")]
    pub asset: String,
    /// What was paid in, and what trading brought or cost.
    #[schema(example = "1000000")]
    pub balance: String,
    /// With everything that is held at its present worth.
    pub equity: String,
    /// Buying power that positions and working orders tie up.
    pub used: String,
    /// Buying power that is left.
    pub available: String,
}

/// What was counted of a symbol over the candles that are remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Statistics {
    /// Of which symbol.
    pub symbol: String,
    /// Since when, in milliseconds of market time since the session began.
    pub since: u64,
    /// Until when, in milliseconds of market time since the session began.
    pub time: u64,
    /// The first price since then; absent while nothing was traded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,
    /// The highest price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<String>,
    /// The lowest price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<String>,
    /// The last traded price.
    pub last: String,
    /// How much was traded.
    pub volume: String,
    /// In how many trades.
    pub trades: u64,
    /// The best price of who buys; absent while nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<String>,
    /// The best price of who sells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
    /// From the one to the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<String>,
}

/// A fingerprint of a session's exchange: market, orders, positions, money, what is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Fingerprint {
    /// 16 hexadecimal digits: equal states have equal ones, in every build and process. Real time
    /// does not count, market time does: while the market stands still only commands change it.
    #[schema(pattern = "^[0-9a-f]{16}$", example = "9f86d081884c7d65")]
    pub fingerprint: String,
    /// When, in milliseconds of market time since the session began.
    pub time: u64,
    /// Which output log `seq` counts in.
    pub epoch: String,
    /// The number of the last entry.
    pub seq: u64,
    /// How often the session's ownership has changed, plus one.
    pub generation: u64,
}

/// A page of sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct SessionPage {
    /// Newest first.
    pub sessions: Vec<Session>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next: Option<String>,
}
