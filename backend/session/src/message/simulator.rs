//! What a client asks of its simulated market.

use holdfast_exchange::{ShockRequest, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::order::Decimal;
use crate::view::Side;

/// How fast the market's time passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatorSpeed {
    /// 1 is real time; from 0.1 to 1000.
    #[schema(minimum = 0.1, maximum = 1000, example = 10)]
    pub speed: f64,
}

/// How far the market steps on, running or paused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatorStep {
    /// So many ticks of 10 ms of market time: 1 (the default) to 60000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 60000, example = 1)]
    pub ticks: Option<u32>,
}

/// Where the market jumps to, running or paused; never back. Exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatorJump {
    /// So much market time on, such as `1m`; at most `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1m")]
    #[schemars(with = "Option<String>")]
    pub by: Option<Span>,
    /// To this market time, in milliseconds since the session began; at most ten minutes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// A disturbance of the market.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(transparent)]
#[schema(value_type = ShockShape)]
pub struct SimulatorShock(#[schemars(with = "ShockShape")] pub ShockRequest);

/// The shape of [`ShockRequest`], for schemas.
#[derive(Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(rename_all = "snake_case")]
pub enum ShockShape {
    /// Informed traders learn that the instrument is worth this much more (or less).
    News {
        /// Name of the instrument.
        #[schema(example = "ACME")]
        symbol: String,
        /// The change of its worth: above -10000.
        #[schema(example = -200)]
        basis_points: i32,
    },
    /// Somebody trades a quantity whatever it costs.
    Sweep {
        /// Name of the instrument.
        #[schema(example = "ACME")]
        symbol: String,
        /// The sweeper's side.
        side: Side,
        /// How much in all.
        quantity: Decimal,
        /// Over how long, in market time.
        #[schema(example = "2s")]
        over: String,
    },
    /// Trading stops for a while.
    Halt {
        /// Name of the instrument.
        #[schema(example = "ACME")]
        symbol: String,
        /// For how long, in market time.
        #[schema(example = "10s")]
        lasts: String,
    },
    /// Resting liquidity of the crowd is withdrawn to this share.
    Thin {
        /// Name of the instrument.
        #[schema(example = "ACME")]
        symbol: String,
        /// What stays, in basis points.
        #[schema(example = 2000)]
        basis_points: u16,
    },
}
