//! What a client may say, and what it is answered. One text message of a
//! WebSocket and one REST command are the same thing here.

mod lasting;
mod order;
mod session;
mod simulator;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use holdfast_exchange::{AmendRequest, OrderRequest, ShockRequest};
pub use lasting::Lasting;
pub use order::{
    AmendShape, BATCH_MAX, Batch, CancelAfter, CancelAll, Decimal, ForceName, Number, Operation,
    OrderAmend, OrderCancel, OrderNew, OrderShape, SelfTradeName, TypeName,
};
pub use session::{SessionRestart, SessionUpdate};
pub use simulator::{ShockShape, SimulatorJump, SimulatorShock, SimulatorSpeed, SimulatorStep};

use crate::journal::Asked;

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
    /// Takes back every resting order that matches.
    #[serde(rename = "order.cancel_all")]
    OrderCancelAll(CancelAll),
    /// Takes all orders back after a while, unless it is said again before: a dead man's switch.
    #[serde(rename = "order.cancel_after")]
    OrderCancelAfter(CancelAfter),
    /// Does several things to orders, one after the other.
    #[serde(rename = "order.batch")]
    OrderBatch(Batch),
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
    /// Lets the market make some steps at once.
    #[serde(rename = "simulator.step")]
    SimulatorStep(SimulatorStep),
    /// Lets the market run on at once.
    #[serde(rename = "simulator.jump")]
    SimulatorJump(SimulatorJump),
    /// Disturbs the market.
    #[serde(rename = "simulator.shock")]
    SimulatorShock(SimulatorShock),
    /// Changes labels and times of the session.
    #[serde(rename = "session.update")]
    SessionUpdate(SessionUpdate),
    /// Begins the market anew: orders, positions and trades are gone. A `reset` follows.
    #[serde(rename = "session.restart")]
    SessionRestart(SessionRestart),
    /// Adds channels to what this connection is sent.
    #[serde(rename = "subscribe")]
    Subscribe(ChannelList),
    /// Removes channels from what this connection is sent.
    #[serde(rename = "unsubscribe")]
    Unsubscribe(ChannelList),
}

impl Command {
    /// The command of a message, if it is one.
    pub fn of_message(message: &serde_json::Value) -> Option<Self> {
        match read(&message.to_string()) {
            Said::Command {
                asked: Asked::Command(command),
                ..
            } => Some(command),
            _ => None,
        }
    }

    /// How many operations on orders it asks for; what a rate of orders counts.
    pub const fn orders(&self) -> usize {
        match self {
            Self::OrderNew(_)
            | Self::OrderAmend(_)
            | Self::OrderCancel(_)
            | Self::OrderCancelAll(_)
            | Self::OrderCancelAfter(_) => 1,
            Self::OrderBatch(batch) => batch.operations.len(),
            _ => 0,
        }
    }

    /// Its name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OrderNew(_) => "order.new",
            Self::OrderAmend(_) => "order.amend",
            Self::OrderCancel(_) => "order.cancel",
            Self::OrderCancelAll(_) => "order.cancel_all",
            Self::OrderCancelAfter(_) => "order.cancel_after",
            Self::OrderBatch(_) => "order.batch",
            Self::SimulatorStart(_) => "simulator.start",
            Self::SimulatorPause(_) => "simulator.pause",
            Self::SimulatorResume(_) => "simulator.resume",
            Self::SimulatorStop(_) => "simulator.stop",
            Self::SimulatorSpeed(_) => "simulator.speed",
            Self::SimulatorStep(_) => "simulator.step",
            Self::SimulatorJump(_) => "simulator.jump",
            Self::SimulatorShock(_) => "simulator.shock",
            Self::SessionUpdate(_) => "session.update",
            Self::SessionRestart(_) => "session.restart",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
        }
    }
}

/// No data.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

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
    /// How many orders `order.cancel_all` took back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<u32>,
    /// What each operation of a batch came to, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Vec<OperationResult>>,
}

/// What one operation of a batch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct OperationResult {
    /// Whether it was done.
    pub ok: bool,
    /// The order it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<u64>,
    /// The state of that order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
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
            let problem = Problem::new(code, brief(&format!("{kind}: {error}")));
            Asked::Unreadable { kind, problem }
        }
    };
    Said::Command { n, asked }
}

/// What is wrong may be quoted, and may be large; this much of a sentence is answered and kept.
pub(crate) fn brief(sentence: &str) -> String {
    const CHARS_MAX: usize = 300;
    sentence.chars().take(CHARS_MAX).collect()
}

/// Every command there is.
pub const KINDS: [&str; 18] = [
    "order.new",
    "order.amend",
    "order.cancel",
    "order.cancel_all",
    "order.cancel_after",
    "order.batch",
    "simulator.start",
    "simulator.pause",
    "simulator.resume",
    "simulator.stop",
    "simulator.speed",
    "simulator.step",
    "simulator.jump",
    "simulator.shock",
    "session.update",
    "session.restart",
    "subscribe",
    "unsubscribe",
];

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
            (r#"{"type":"order.cancel_all","n":1}"#, "order.cancel_all"),
            (
                r#"{"type":"order.cancel_after","n":1,"data":{"after":"30s"}}"#,
                "order.cancel_after",
            ),
            (
                r#"{"type":"order.batch","n":1,"data":{"operations":[
                    {"type":"order.cancel","data":{"order_id":7}}]}}"#,
                "order.batch",
            ),
            (r#"{"type":"simulator.step","n":1}"#, "simulator.step"),
            (
                r#"{"type":"simulator.jump","n":1,"data":{"by":"1m"}}"#,
                "simulator.jump",
            ),
            (
                r#"{"type":"simulator.shock","n":1,"data":
                    {"type":"halt","symbol":"ACME","lasts":"10s"}}"#,
                "simulator.shock",
            ),
            (
                r#"{"type":"session.update","n":1,"data":{"labels":{"a":"b","c":null}}}"#,
                "session.update",
            ),
            (r#"{"type":"session.restart","n":1}"#, "session.restart"),
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
        let large = "x".repeat(10_000);
        let text = format!(r#"{{"type":"order.new","n":1,"data":{{"{large}":1}}}}"#);
        let Said::Command {
            asked: Asked::Unreadable { problem, .. },
            ..
        } = read(&text)
        else {
            panic!("it has a number")
        };
        assert!(problem.message.starts_with("order.new: "), "{problem:?}");
        assert_eq!(problem.message.chars().count(), 300);
    }
}
