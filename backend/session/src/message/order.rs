//! What a client asks of its orders.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

use super::lasting::Lasting;
use crate::view::Side;
use holdfast_exchange::{AmendRequest, OrderRequest};

/// How many operations a batch has at most.
pub const BATCH_MAX: usize = 50;

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
    #[schema(example = "ACME")]
    pub symbol: String,
    /// Buy or sell.
    pub side: Side,
    /// `limit`, `market`, `stop`, `stop_limit`, `take_profit`, `take_profit_limit`,
    /// `trailing_stop`, `iceberg`, `post_only`; by default `limit` with a price and `market`
    /// without.
    #[serde(rename = "type", default)]
    #[schema(value_type = Option<TypeName>)]
    #[schemars(with = "Option<TypeName>")]
    pub kind: Option<String>,
    /// How much; a multiple of the symbol's lot.
    #[serde(default)]
    pub quantity: Option<Decimal>,
    /// How much in money instead; market orders only.
    #[serde(default)]
    pub notional: Option<Decimal>,
    /// The limit; a multiple of the symbol's tick.
    #[serde(default)]
    pub price: Option<Decimal>,
    /// What wakes a stop, stop-limit, take-profit or take-profit-limit order.
    #[serde(default)]
    pub stop_price: Option<Decimal>,
    /// How far a trailing stop stays behind the market.
    #[serde(default)]
    pub trail: Option<Decimal>,
    /// The most an iceberg shows.
    #[serde(default)]
    pub display: Option<Decimal>,
    /// `gtc`, `ioc`, `fok`, `gtd` or `day`; `gtc` by default, `ioc` for market orders.
    #[serde(default)]
    #[schema(value_type = Option<ForceName>)]
    #[schemars(with = "Option<ForceName>")]
    pub time_in_force: Option<String>,
    /// How long a `gtd` order lives, such as `30s`.
    #[serde(default)]
    #[schema(example = "30s")]
    pub expires_in: Option<String>,
    /// Refuse it rather than let it take liquidity.
    #[serde(default)]
    pub post_only: bool,
    /// What happens when it meets the user's own order: `none`, `taker`, `maker`, `both`,
    /// `decrement`; `taker` by default.
    #[serde(default)]
    #[schema(value_type = Option<SelfTradeName>)]
    #[schemars(with = "Option<SelfTradeName>")]
    pub self_trade: Option<String>,
}

/// The order types by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum TypeName {
    Limit,
    Market,
    Stop,
    StopLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    Iceberg,
    PostOnly,
}

/// The times in force by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum ForceName {
    Gtc,
    Ioc,
    Fok,
    Gtd,
    Day,
}

/// The ways of self-trade prevention by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum SelfTradeName {
    None,
    Taker,
    Maker,
    Both,
    Decrement,
}

/// A decimal: a string such as "101.25", or a number.
#[derive(Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(untagged)]
#[schema(examples("101.25"))]
pub enum Decimal {
    /// As it is written back.
    Text(String),
    /// Accepted as well.
    Number(f64),
}

/// A change of a working order; what is left out stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct OrderAmend {
    /// Which order; a number or its text.
    #[serde(deserialize_with = "number_or_text")]
    #[schemars(with = "Number")]
    #[schema(value_type = Number)]
    pub order_id: u64,
    /// The changes.
    #[serde(flatten)]
    #[schemars(with = "AmendShape")]
    #[schema(value_type = AmendShape)]
    pub changes: AmendRequest,
}

/// The shape of [`AmendRequest`], for schemas.
#[derive(Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendShape {
    /// The new total quantity, counting what is filled; less keeps the place in the queue.
    #[serde(default)]
    pub quantity: Option<Decimal>,
    /// The new limit; the order goes to the end of the queue there.
    #[serde(default)]
    pub price: Option<Decimal>,
    /// The new trigger.
    #[serde(default)]
    pub stop_price: Option<Decimal>,
}

/// Which order to take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderCancel {
    /// Which order; a number or its text.
    #[serde(deserialize_with = "number_or_text")]
    #[schemars(with = "Number")]
    #[schema(value_type = Number)]
    pub order_id: u64,
}

/// Which orders to take back; all of them when nothing is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelAll {
    /// Only this symbol's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ACME")]
    pub symbol: Option<String>,
    /// Only this side's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
}

/// When all orders are to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelAfter {
    /// Such as `30s`, up to `1h`; `never` switches it off.
    pub after: Lasting,
}

/// Several operations in one command: each is done or refused by itself, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// 1 to 50 of them.
    #[schema(min_items = 1, max_items = 50)]
    #[schemars(length(min = 1, max = 50))]
    pub operations: Vec<Operation>,
}

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(tag = "type", content = "data")]
pub enum Operation {
    /// Places an order.
    #[serde(rename = "order.new")]
    New(OrderNew),
    /// Changes price or quantity of a resting order.
    #[serde(rename = "order.amend")]
    Amend(OrderAmend),
    /// Takes a resting order back.
    #[serde(rename = "order.cancel")]
    Cancel(OrderCancel),
}

/// A whole number, or its digits as text.
#[derive(Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(untagged)]
pub enum Number {
    /// As it is written back.
    Plain(u64),
    /// Accepted as well.
    Digits(#[schemars(regex(pattern = "^[0-9]{1,20}$"))] String),
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Plain(number) => Ok(number),
        Number::Digits(text) => text.parse().map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use holdfast_exchange::request::OrderType;

    use super::*;

    /// Whoever adds a type to the exchange does not get by here.
    const fn described(kind: OrderType) -> TypeName {
        match kind {
            OrderType::Limit => TypeName::Limit,
            OrderType::Market => TypeName::Market,
            OrderType::Stop => TypeName::Stop,
            OrderType::StopLimit => TypeName::StopLimit,
            OrderType::TakeProfit => TypeName::TakeProfit,
            OrderType::TakeProfitLimit => TypeName::TakeProfitLimit,
            OrderType::TrailingStop => TypeName::TrailingStop,
            OrderType::Iceberg => TypeName::Iceberg,
            OrderType::PostOnly => TypeName::PostOnly,
        }
    }

    #[test]
    fn the_types_that_are_described_are_those_that_are_read() {
        let schema = serde_json::to_value(schemars::schema_for!(TypeName)).expect("JSON");
        let names = schema["enum"].as_array().expect("names");
        assert_eq!(names.len(), 9, "{schema}");
        for name in names {
            let read: OrderType = serde_json::from_value(name.clone()).expect("a type");
            assert_eq!(&serde_json::to_value(described(read)).expect("JSON"), name);
        }
    }
}
