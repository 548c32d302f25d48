//! A scenario: everything about a simulated exchange but its seed. Plain data, so that files can
//! carry it; [`Scenario::default`] is the calm market of the demonstration.

mod span;

use crate::decimal::{Decimal, Increment};
use crate::instrument::{self, Instrument};
use crate::units::{Money, Price, Quantity};
use serde::{Deserialize, Serialize};
use std::fmt;

pub use span::Span;

/// A scenario as files write it; what is left out has the default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// One sentence on what it is like.
    pub description: String,
    /// What is traded.
    pub symbols: Vec<SymbolSettings>,
    /// What every account starts with, in the quote currency.
    pub deposit: Decimal,
    /// How many times its equity an account may hold.
    pub leverage: u32,
    /// What trading costs.
    pub fees: FeeSettings,
    /// What an account may do.
    pub limits: LimitSettings,
    /// Length of the market's day: when day orders expire.
    pub day: Span,
    /// Length of a candle.
    pub candle: Span,
    /// How many trades and candles of each instrument, and finished orders and fills of each
    /// account, are remembered.
    pub remembered: u16,
    /// The synthetic market.
    pub flow: crate::flow::FlowSettings,
}

/// One instrument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SymbolSettings {
    /// Its name.
    pub symbol: String,
    /// The step of its prices.
    pub tick: Increment,
    /// The step of its quantities.
    pub lot: Increment,
    /// Where it starts.
    pub price: Decimal,
    /// The largest position an account may have in it.
    #[serde(default = "position_default")]
    pub position: Decimal,
}

/// Fees in basis points of the value, two places at most; negative: a rebate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeeSettings {
    /// For resting orders.
    pub maker: Decimal,
    /// For orders that take.
    pub taker: Decimal,
}

/// Limits of every outside account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Working orders at a time.
    pub open_orders: u32,
    /// The least an order must be worth.
    pub minimum_notional: Decimal,
    /// How far a limit may lie from the middle of the book, in basis points below 10,000.
    pub price_band: u16,
}

/// Why a scenario is refused: where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ScenarioError {
    /// The key, such as `symbols[0].tick`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl ScenarioError {
    pub(crate) fn new(path: &str, problem: &dyn fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        let symbol = |symbol: &str, tick: &str, lot: &str, price: &str| SymbolSettings {
            symbol: symbol.to_owned(),
            tick: Increment::parse(tick).expect("a sound increment"),
            lot: Increment::parse(lot).expect("a sound increment"),
            price: price.into(),
            position: position_default(),
        };
        Self {
            name: "calm".to_owned(),
            description: "A quiet day: a deep book, a narrow spread, small moves.".to_owned(),
            symbols: vec![
                symbol("ACME", "0.01", "0.001", "100.00"),
                symbol("NOVA", "0.05", "0.01", "250.00"),
            ],
            deposit: "1000000".into(),
            leverage: 2,
            fees: FeeSettings::default(),
            limits: LimitSettings::default(),
            day: Span::seconds(86_400),
            candle: Span::seconds(1),
            remembered: 200,
            flow: crate::flow::FlowSettings::calm(),
        }
    }
}

impl Default for FeeSettings {
    fn default() -> Self {
        Self {
            maker: "1".into(),
            taker: "5".into(),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            open_orders: 200,
            minimum_notional: "1".into(),
            price_band: 5_000,
        }
    }
}

fn position_default() -> Decimal {
    "100000".into()
}

/// A scenario's figures in the engine's units.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) symbols: Vec<(Instrument, Price)>,
    pub(crate) positions: Vec<Quantity>,
    pub(crate) deposit: Money,
    pub(crate) fees: crate::account::Fees,
    pub(crate) minimum_notional: Money,
}

impl Scenario {
    /// Checks everything and turns texts into units.
    pub(crate) fn terms(&self) -> Result<Terms, ScenarioError> {
        let error = ScenarioError::new;
        if !(1..=SYMBOLS_MAX).contains(&self.symbols.len()) {
            return Err(error("symbols", &format!("1 to {SYMBOLS_MAX} instruments")));
        }
        let (mut symbols, mut positions) = (Vec::new(), Vec::new());
        for (index, settings) in self.symbols.iter().enumerate() {
            let at = |key: &str| format!("symbols[{index}].{key}");
            if self.symbols[..index]
                .iter()
                .any(|other| other.symbol == settings.symbol)
            {
                return Err(error(
                    &at("symbol"),
                    &"is there twice; give it another name",
                ));
            }
            let instrument = Instrument::new(&settings.symbol, settings.tick, settings.lot)
                .map_err(|problem| error(&at("tick"), &problem))?;
            let price = instrument
                .price(settings.price.as_str())
                .map_err(|problem| error(&at("price"), &problem))?;
            if price.0 < PRICE_MIN {
                let problem = format!("at least {PRICE_MIN} ticks, or the flow has no room");
                return Err(error(&at("price"), &problem));
            }
            positions.push(
                instrument
                    .quantity(settings.position.as_str())
                    .map_err(|problem| error(&at("position"), &problem))?,
            );
            symbols.push((instrument, price));
        }
        let money = |path: &str, text: &Decimal| {
            instrument::money(text.as_str()).map_err(|problem| error(path, &problem))
        };
        let fee = |path: &str, text: &Decimal| {
            let step = Increment::parse("0.01").expect("a sound increment");
            let steps = step
                .steps(text.as_str())
                .map_err(|problem| error(path, &problem))?;
            i32::try_from(steps)
                .ok()
                .filter(|steps| steps.abs() <= FEE_MAX)
                .ok_or_else(|| error(path, &"at most 1000 basis points either way"))
        };
        self.check_plain()?;
        Ok(Terms {
            symbols,
            positions,
            deposit: money("deposit", &self.deposit)?,
            fees: crate::account::Fees {
                maker: fee("fees.maker", &self.fees.maker)?,
                taker: fee("fees.taker", &self.fees.taker)?,
            },
            minimum_notional: money("limits.minimum_notional", &self.limits.minimum_notional)?,
        })
    }

    fn check_plain(&self) -> Result<(), ScenarioError> {
        let error = ScenarioError::new;
        if !(1..=100).contains(&self.leverage) {
            return Err(error("leverage", &"1 to 100"));
        }
        if !(1..=ORDERS_MAX).contains(&self.limits.open_orders) {
            return Err(error("limits.open_orders", &format!("1 to {ORDERS_MAX}")));
        }
        if !(1..10_000).contains(&self.limits.price_band) {
            return Err(error("limits.price_band", &"1 to 9999 basis points"));
        }
        if self.day.ticks() == 0 || self.candle.ticks() == 0 {
            let path = if self.day.ticks() == 0 {
                "day"
            } else {
                "candle"
            };
            return Err(error(path, &"above zero, such as 1s"));
        }
        if !(1..=REMEMBERED_MAX).contains(&self.remembered) {
            return Err(error("remembered", &format!("1 to {REMEMBERED_MAX}")));
        }
        self.flow.check()
    }
}

/// Instruments of one exchange.
const SYMBOLS_MAX: usize = 16;
/// Working orders of one account.
const ORDERS_MAX: u32 = 200_000;
/// Remembered trades, candles, orders and fills each.
const REMEMBERED_MAX: u16 = 4_096;
/// Where a price starts at least, in ticks.
const PRICE_MIN: i64 = 200;
/// The highest fee, in hundredths of a basis point.
const FEE_MAX: i32 = 100_000;
