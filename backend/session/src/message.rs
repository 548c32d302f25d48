//! What a client may say, and what it is answered. One text message of a
//! WebSocket and one REST command are the same thing here.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

pub use holdfast_exchange::{AmendRequest, OrderRequest};

use crate::journal::Asked;
use crate::view::Side;

/// A message of a client that is journaled: a command, numbered per client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(tag = "type", content = "data")]
pub enum Command {
    /// Places an order.
    #[serde(rename = "order.new")]
    OrderNew(OrderNew),
    /// Changes price or quantity of a resting order.
    #[serde(rename = "order.amend")]
    OrderAmend(OrderAmend),
    /// Takes a resting order back.
    #[serde(rename = "order.cancel")]
    OrderCancel(OrderCancel),
    /// Lets the market run.
    #[serde(rename = "simulator.start")]
    SimulatorStart(Empty),
    /// Holds the market still; orders are still taken.
    #[serde(rename = "simulator.pause")]
    SimulatorPause(Empty),
    /// Lets a paused market run on.
    #[serde(rename = "simulator.resume")]
    SimulatorResume(Empty),
    /// Ends the market; `simulator.start` begins again where it stopped.
    #[serde(rename = "simulator.stop")]
    SimulatorStop(Empty),
    /// Sets how fast the market's time passes.
    #[serde(rename = "simulator.speed")]
    SimulatorSpeed(SimulatorSpeed),
    /// Adds channels to what this connection is sent.
    #[serde(rename = "subscribe")]
    Subscribe(ChannelList),
    /// Removes channels from what this connection is sent.
    #[serde(rename = "unsubscribe")]
    Unsubscribe(ChannelList),
}

impl Command {
    /// Its name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OrderNew(_) => "order.new",
            Self::OrderAmend(_) => "order.amend",
            Self::OrderCancel(_) => "order.cancel",
            Self::SimulatorStart(_) => "simulator.start",
            Self::SimulatorPause(_) => "simulator.pause",
            Self::SimulatorResume(_) => "simulator.resume",
            Self::SimulatorStop(_) => "simulator.stop",
            Self::SimulatorSpeed(_) => "simulator.speed",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
        }
    }
}

/// No data.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, ToSchema,
)]
pub struct Empty {}

/// An order as a client asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(transparent)]
#[schema(value_type = OrderShape)]
pub struct OrderNew(#[schemars(with = "OrderShape")] pub OrderRequest);

/// An order as a client asks for it: the shape of [`OrderRequest`], for schemas.
#[derive(Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderShape {
    /// What to trade; one of the session's symbols.
    pub symbol: String,
    /// Buy or sell.
    pub side: Side,
    /// `limit`, `market`, `stop`, `stop_limit`, `take_profit`, `trailing_stop`, `iceberg`,
    /// `post_only`; by default `limit` with a price and `market` without.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// How much; a multiple of the symbol's lot.
    pub quantity: Option<Decimal>,
    /// How much in money instead; market orders only.
    pub notional: Option<Decimal>,
    /// The limit; a multiple of the symbol's tick.
    pub price: Option<Decimal>,
    /// What wakes a stop, stop-limit or take-profit order.
    pub stop_price: Option<Decimal>,
    /// How far a trailing stop stays behind the market.
    pub trail: Option<Decimal>,
    /// The most an iceberg shows.
    pub display: Option<Decimal>,
    /// `gtc`, `ioc`, `fok`, `gtd` or `day`; `gtc` by default, `ioc` for market orders.
    pub time_in_force: Option<String>,
    /// How long a `gtd` order lives, such as `30s`.
    pub expires_in: Option<String>,
    /// Refuse it rather than let it take liquidity.
    pub post_only: Option<bool>,
    /// What happens when it meets the user's own order: `none`, `taker`, `maker`, `both`,
    /// `decrement`; `taker` by default.
    pub self_trade: Option<String>,
}

/// A decimal: a string such as "101.25", or a number.
#[derive(Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(untagged)]
pub enum Decimal {
    /// As it is written back.
    Text(String),
    /// Accepted as well.
    Number(f64),
}

/// A change of a working order; what is left out stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct OrderAmend {
    /// Which order.
    #[serde(deserialize_with = "number_or_text")]
    pub order_id: u64,
    /// The changes.
    #[serde(flatten)]
    #[schemars(with = "AmendShape")]
    #[schema(value_type = AmendShape)]
    pub changes: AmendRequest,
}

/// The shape of [`AmendRequest`], for schemas.
#[derive(Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct AmendShape {
    /// The new total quantity, counting what is filled; less keeps the place in the queue.
    pub quantity: Option<Decimal>,
    /// The new limit; the order goes to the end of the queue there.
    pub price: Option<Decimal>,
    /// The new trigger.
    pub stop_price: Option<Decimal>,
}

/// Which order to take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderCancel {
    /// Which order; a number or its text.
    #[serde(deserialize_with = "number_or_text")]
    pub order_id: u64,
}

/// How fast the market's time passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatorSpeed {
    /// 1 is real time; from 0.1 to 1000.
    pub speed: f64,
}

/// Channels by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelList {
    /// Of `book`, `trade`, `candle`, `order`, `fill`, `position`, `simulator`.
    pub channels: Vec<String>,
}

/// What a command came to. Exactly one per number and client, kept and said
/// again when the number comes again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Answer {
    /// The number of the command.
    pub n: u64,
    /// Whether it was done.
    pub ok: bool,
    /// What it led to, when it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<AnswerData>,
    /// Why not, when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// What a command that was done led to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct AnswerData {
    /// The order it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<u64>,
    /// The state of that order, or of the simulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Problem {
    /// A stable code for programs, lower snake case.
    pub code: String,
    /// A sentence for people, saying what would be right.
    pub message: String,
    /// Whether the same command may succeed later.
    pub retryable: bool,
}

impl Problem {
    /// A problem that stays one.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            retryable: false,
        }
    }

    /// A problem that passes.
    pub fn retryable(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            retryable: true,
        }
    }
}

/// What a text message of a client is.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A numbered command, or a numbered message that is none.
    Command {
        /// Its number.
        n: u64,
        /// What it asks.
        asked: Asked,
    },
    /// Something about the connection alone, such as a pong.
    Nothing,
    /// Nothing that could be answered: it has no number.
    Nonsense(Problem),
}

/// Reads a text message of a client.
pub fn read(text: &str) -> Said {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(rename = "type")]
        kind: String,
        n: Option<u64>,
        #[serde(default)]
        data: serde_json::Value,
    }
    let Envelope { kind, n, data } = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(error) => {
            let message = format!("expected {{\"type\":..,\"n\":..,\"data\":{{..}}}}: {error}");
            return Said::Nonsense(Problem::new("bad_request", message));
        }
    };
    if matches!(kind.as_str(), "ping" | "pong") {
        return Said::Nothing;
    }
    let Some(n) = n else {
        let message = "a command needs n, counted from 1 per client";
        return Said::Nonsense(Problem::new("bad_request", message));
    };
    let data = if data.is_null() {
        serde_json::json!({})
    } else {
        data
    };
    let whole = serde_json::json!({ "type": kind, "data": data });
    let asked = match serde_json::from_value(whole) {
        Ok(command) => Asked::Command(command),
        Err(error) => {
            let code = if KINDS.contains(&kind.as_str()) {
                "invalid_argument"
            } else {
                "unknown_type"
            };
            let kind: String = kind.chars().take(40).collect();
            let problem = Problem::new(code, format!("{kind}: {error}"));
            Asked::Unreadable { kind, problem }
        }
    };
    Said::Command { n, asked }
}

/// Every command there is.
pub const KINDS: [&str; 10] = [
    "order.new",
    "order.amend",
    "order.cancel",
    "simulator.start",
    "simulator.pause",
    "simulator.resume",
    "simulator.stop",
    "simulator.speed",
    "subscribe",
    "unsubscribe",
];

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(said: Said) -> String {
        match said {
            Said::Nonsense(problem) => problem.code,
            Said::Command {
                asked: Asked::Unreadable { problem, .. },
                ..
            } => problem.code,
            Said::Command {
                asked: Asked::Command(command),
                ..
            } => command.name().into(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_command_is_read() {
        for (text, name) in [
            (
                r#"{"type":"order.cancel","n":1,"data":{"order_id":7}}"#,
                "order.cancel",
            ),
            (
                r#"{"type":"order.cancel","n":1,"data":{"order_id":"7"}}"#,
                "order.cancel",
            ),
            (
                r#"{"type":"order.amend","n":1,"data":{"order_id":7,"price":"1"}}"#,
                "order.amend",
            ),
            (r#"{"type":"simulator.pause","n":2}"#, "simulator.pause"),
            (
                r#"{"type":"simulator.speed","n":2,"data":{"speed":10}}"#,
                "simulator.speed",
            ),
            (
                r#"{"type":"subscribe","n":3,"data":{"channels":["book"]}}"#,
                "subscribe",
            ),
            (
                r#"{"type":"order.new","n":1,"data":{"symbol":"ACME","side":"buy",
                    "type":"limit","quantity":1.5,"price":"101.25"}}"#,
                "order.new",
            ),
        ] {
            assert_eq!(code(read(text)), name, "{text}");
        }
    }

    #[test]
    fn what_has_a_number_is_answered_and_the_rest_is_noticed() {
        for (text, expected) in [
            (r#"{"type":"order.nwe","n":1,"data":{}}"#, "unknown_type"),
            (
                r#"{"type":"order.new","n":1,"data":{}}"#,
                "invalid_argument",
            ),
            (r#"{"type":"order.new","data":{}}"#, "bad_request"),
            (r#"{"type":"order.new","n":-1}"#, "bad_request"),
            ("hello", "bad_request"),
            ("[1]", "bad_request"),
        ] {
            assert_eq!(code(read(text)), expected, "{text}");
        }
        assert_eq!(read(r#"{"type":"pong","data":{"t":1}}"#), Said::Nothing);
    }
}
