//! What a client may say, and what it is answered. One text message of a
//! WebSocket and one REST command are the same thing here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decimal::Decimal;
use crate::view::{OrderType, Side, TimeInForce};

/// A message of a client that is journaled: a command, numbered per client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(tag = "type", content = "data")]
pub enum Command {
    /// Places an order.
    #[serde(rename = "order.new")]
    OrderNew(OrderRequest),
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
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// What to trade; one of the session's symbols.
    pub symbol: String,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    #[serde(rename = "type")]
    pub kind: OrderType,
    /// How much, in units of the symbol; a multiple of its lot.
    pub quantity: Decimal,
    /// The limit; required for a limit order, a multiple of the symbol's tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// How long it rests; `gtc` for limit orders and `ioc` for market orders by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_in_force: Option<TimeInForce>,
}

/// A change of a resting order; what is left out stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderAmend {
    /// Which order.
    pub order_id: String,
    /// Its new open quantity; less keeps its place in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Decimal>,
    /// Its new limit; the order goes to the end of the queue there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
}

/// Which order to take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderCancel {
    /// Which order.
    pub order_id: String,
}

/// How fast the market's time passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatorSpeed {
    /// 1 is real time; from 0.1 to 100.
    pub speed: Decimal,
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
    pub order_id: Option<String>,
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
