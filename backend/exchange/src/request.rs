//! Orders as clients write them: names and decimal texts in, engine units out.

use crate::command::{Amend, Amount, Command, Kind, NewOrder, SelfTrade, TimeInForce};
use crate::decimal::Decimal;
use crate::exchange::Exchange;
use crate::instrument::{self, Instrument};
use crate::refusal::Refusal;
use crate::scenario::Span;
use crate::units::{OrderId, Price, Quantity, Side, SymbolId};
use serde::{Deserialize, Serialize};

/// An order as JSON has it; decimals are strings or numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// Name of the instrument.
    pub symbol: String,
    /// `buy` or `sell`.
    pub side: Side,
    /// What kind of order it is; default `limit` with a price, `market` without.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<OrderType>,
    /// How much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Decimal>,
    /// How much in money instead; market orders only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notional: Option<Decimal>,
    /// The limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// What wakes a stop or take-profit order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Decimal>,
    /// How far a trailing stop stays behind the market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<Decimal>,
    /// The most an iceberg shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<Decimal>,
    /// How long it may rest; default `gtc`, for market orders `ioc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_in_force: Option<Force>,
    /// How long a `gtd` order lives, in market time, such as `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Span>,
    /// Refuse it rather than let it take liquidity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub post_only: bool,
    /// What happens when it meets an order of the same account; default `taker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_trade: Option<SelfTrade>,
}

/// The order types by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// At a price or better.
    Limit,
    /// At once, at whatever price.
    Market,
    /// A market order once the price is as bad as `stop_price`.
    Stop,
    /// A limit order once the price is as bad as `stop_price`.
    StopLimit,
    /// A market order once the price is as good as `stop_price`.
    TakeProfit,
    /// A limit order once the price is as good as `stop_price`.
    TakeProfitLimit,
    /// A stop that follows the market.
    TrailingStop,
    /// A limit order that shows only `display` at a time.
    Iceberg,
    /// A limit order that only ever rests.
    PostOnly,
}

/// Times in force by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    /// Until cancelled.
    Gtc,
    /// What can trade at once; the rest is cancelled.
    Ioc,
    /// All at once or nothing.
    Fok,
    /// For `expires_in`.
    Gtd,
    /// Until the market's day ends.
    Day,
}

/// An amendment as JSON has it; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AmendRequest {
    /// The new total quantity, counting what is filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Decimal>,
    /// The new limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// The new trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Decimal>,
}

impl Exchange {
    /// Reads an order. Changes nothing; [`Exchange::apply`] checks the rest.
    pub fn read_order(&self, request: &OrderRequest) -> Result<Command, Refusal> {
        let unknown = || Refusal::UnknownSymbol(request.symbol.chars().take(40).collect());
        let symbol = self.symbol(&request.symbol).ok_or_else(unknown)?;
        let reader = Reader {
            request,
            symbol,
            instrument: self.instrument(symbol),
        };
        reader.order().map(Command::Place)
    }

    /// Reads an amendment of a working order; whose order it is shows when it is applied.
    pub fn read_amend(&self, order: OrderId, request: &AmendRequest) -> Result<Command, Refusal> {
        let slot = self
            .engine
            .orders
            .find(order)
            .ok_or(Refusal::UnknownOrder(order))?;
        let symbol = self.engine.orders.get(slot).symbol;
        let instrument = self.instrument(symbol);
        let price = |text: &Option<Decimal>| read_price(instrument, text.as_ref());
        let quantity = read_quantity(instrument, request.quantity.as_ref())?;
        let (limit, trigger) = (price(&request.price)?, price(&request.stop_price)?);
        if quantity.is_none() && limit.is_none() && trigger.is_none() {
            let problem = "nothing to change: give quantity, price or stop_price";
            return Err(Refusal::InvalidOrder(problem.to_owned()));
        }
        Ok(Command::Amend(Amend {
            order,
            quantity,
            price: limit,
            trigger,
        }))
    }
}

struct Reader<'a> {
    request: &'a OrderRequest,
    symbol: SymbolId,
    instrument: &'a Instrument,
}

impl Reader<'_> {
    fn order(&self) -> Result<NewOrder, Refusal> {
        let request = self.request;
        let kind = request.kind.unwrap_or(match request.price {
            Some(_) => OrderType::Limit,
            None => OrderType::Market,
        });
        self.refuse_strangers(kind)?;
        let price = || self.need("price", request.price.as_ref());
        let trigger = || self.need("stop_price", request.stop_price.as_ref());
        let engine_kind = match kind {
            OrderType::Limit | OrderType::Iceberg | OrderType::PostOnly => {
                Kind::Limit { price: price()? }
            }
            OrderType::Market => Kind::Market,
            OrderType::Stop => Kind::Stop {
                trigger: trigger()?,
            },
            OrderType::StopLimit => Kind::StopLimit {
                trigger: trigger()?,
                price: price()?,
            },
            OrderType::TakeProfit => Kind::TakeProfit {
                trigger: trigger()?,
            },
            OrderType::TakeProfitLimit => Kind::TakeProfitLimit {
                trigger: trigger()?,
                price: price()?,
            },
            OrderType::TrailingStop => Kind::TrailingStop {
                distance: self.need("trail", request.trail.as_ref())?,
            },
        };
        let display = read_quantity(self.instrument, request.display.as_ref())?;
        if kind == OrderType::Iceberg && display.is_none() {
            return Err(missing("an iceberg order", "display"));
        }
        Ok(NewOrder {
            symbol: self.symbol,
            side: request.side,
            kind: engine_kind,
            amount: self.amount()?,
            time_in_force: self.time_in_force(kind)?,
            post_only: request.post_only || kind == OrderType::PostOnly,
            display,
            self_trade: request.self_trade.unwrap_or_default(),
        })
    }

    fn amount(&self) -> Result<Amount, Refusal> {
        match (&self.request.quantity, &self.request.notional) {
            (Some(_), Some(_)) => {
                let problem = "give either quantity or notional, not both";
                Err(Refusal::InvalidOrder(problem.to_owned()))
            }
            (None, Some(notional)) => instrument::money(notional.as_str())
                .map(Amount::Notional)
                .map_err(|error| Refusal::InvalidQuantity(format!("notional: {error}"))),
            (quantity, None) => read_quantity(self.instrument, quantity.as_ref())?
                .map(Amount::Quantity)
                .ok_or_else(|| missing("an order", "quantity")),
        }
    }

    fn time_in_force(&self, kind: OrderType) -> Result<TimeInForce, Refusal> {
        let usual = match kind {
            OrderType::Market => Force::Ioc,
            _ if self.request.expires_in.is_some() => Force::Gtd,
            _ => Force::Gtc,
        };
        let force = self.request.time_in_force.unwrap_or(usual);
        if force != Force::Gtd && self.request.expires_in.is_some() {
            let problem = "expires_in goes with time_in_force gtd only";
            return Err(Refusal::InvalidOrder(problem.to_owned()));
        }
        match force {
            Force::Gtc | Force::Day if kind == OrderType::Market => {
                let problem = "a market order cannot rest: time_in_force ioc or fok";
                Err(Refusal::InvalidOrder(problem.to_owned()))
            }
            Force::Gtc => Ok(TimeInForce::Gtc),
            Force::Ioc => Ok(TimeInForce::Ioc),
            Force::Fok => Ok(TimeInForce::Fok),
            Force::Day => Ok(TimeInForce::Day),
            Force::Gtd => {
                let span = self.request.expires_in;
                let span = span.ok_or_else(|| missing("a gtd order", "expires_in"))?;
                Ok(TimeInForce::Gtd(span.ticks()))
            }
        }
    }

    /// A field that the type has no use for is a mistake, not decoration.
    fn refuse_strangers(&self, kind: OrderType) -> Result<(), Refusal> {
        use OrderType::{Iceberg, Limit, PostOnly, Stop, StopLimit};
        use OrderType::{TakeProfit, TakeProfitLimit, TrailingStop};
        let request = self.request;
        let limits = matches!(
            kind,
            Limit | Iceberg | PostOnly | StopLimit | TakeProfitLimit
        );
        let sleeps = matches!(kind, Stop | StopLimit | TakeProfit | TakeProfitLimit);
        for (field, given, useful) in [
            ("price", request.price.is_some(), limits),
            ("stop_price", request.stop_price.is_some(), sleeps),
            ("trail", request.trail.is_some(), kind == TrailingStop),
            ("display", request.display.is_some(), limits),
        ] {
            if given && !useful {
                let problem = format!("{field} does not go with this type of order; leave it out");
                return Err(Refusal::InvalidOrder(problem));
            }
        }
        Ok(())
    }

    fn need(&self, field: &str, text: Option<&Decimal>) -> Result<Price, Refusal> {
        read_price(self.instrument, text)?.ok_or_else(|| missing("this type of order", field))
    }
}

fn missing(whose: &str, field: &str) -> Refusal {
    Refusal::InvalidOrder(format!("{whose} needs {field}"))
}

fn read_price(instrument: &Instrument, text: Option<&Decimal>) -> Result<Option<Price>, Refusal> {
    text.map(|text| {
        instrument
            .price(text.as_str())
            .map_err(|error| Refusal::price(&error))
    })
    .transpose()
}

fn read_quantity(
    instrument: &Instrument,
    text: Option<&Decimal>,
) -> Result<Option<Quantity>, Refusal> {
    text.map(|text| {
        instrument
            .quantity(text.as_str())
            .map_err(|error| Refusal::quantity(&error))
    })
    .transpose()
}
