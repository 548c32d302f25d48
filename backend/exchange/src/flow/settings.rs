//! The layers of the synthetic market as a scenario writes them.

use super::Scheduled;
use crate::scenario::ScenarioError;
use serde::{Deserialize, Serialize};

/// The layers. The crowd is on unless it is `null`; the others are off unless they are given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowSettings {
    /// The zero-intelligence base: limit orders, market orders and cancellations at random.
    pub crowd: Option<CrowdSettings>,
    /// The crowd looks at the queues.
    pub queues: Option<QueueSettings>,
    /// Market orders come in clusters.
    pub clusters: Option<ClusterSettings>,
    /// Market orders are parts of large orders: the next is likely of the same side.
    pub large_orders: Option<LargeOrderSettings>,
    /// Traders who quote both sides.
    pub makers: Option<MakerSettings>,
    /// Traders who follow the price.
    pub momentum: Option<MomentumSettings>,
    /// Traders who know what the instrument is worth.
    pub value: Option<ValueSettings>,
    /// What disturbs the market, and when.
    pub shocks: Vec<Scheduled>,
}

/// The crowd's rates, for each instrument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrowdSettings {
    /// Limit orders a second at each price and side.
    pub limit_rate: f64,
    /// Market orders a second, both sides together.
    pub market_rate: f64,
    /// Cancellations a second of each resting order.
    pub cancel_rate: f64,
    /// How many prices from the opposite best away limit orders may come.
    pub prices: u16,
    /// Lots of an order.
    pub lots: u32,
}

/// Queue-reactive rates after Huang, Lehalle and Rosenbaum: a long queue attracts fewer limit
/// orders and loses more, and a long queue at the best is taken from less often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// The queue, in orders of the usual size, at which rates are the crowd's own.
    pub usual: f64,
}

/// A Hawkes process with two exponential kernels: each market order makes further ones likelier,
/// for a moment and for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSettings {
    /// Market orders that each one brings about on average, directly; below 1, or the market
    /// would explode.
    pub branching: f64,
    /// How fast the short excitement fades, per second.
    pub fast: f64,
    /// How fast the long excitement fades, per second.
    pub slow: f64,
}

/// Large orders split into market orders, their number with a power-law tail (Lillo, Mike and
/// Farmer): why signs of market orders remember.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LargeOrderSettings {
    /// How many are being worked at a time.
    pub count: u16,
    /// Exponent of the tail: signs remember like lag to the power of `1 - tail`.
    pub tail: f64,
}

/// Market makers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakerSettings {
    /// How many for each instrument.
    pub count: u16,
    /// Ticks between the middle and the best quote of a side.
    pub half_spread: u32,
    /// Quotes on each side, a tick apart.
    pub quotes: u16,
    /// Lots of a quote.
    pub lots: u32,
    /// New quotes a second.
    pub rate: f64,
    /// Lots held at which quotes are shifted by one tick against the position.
    pub patience: u32,
}

/// Momentum traders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MomentumSettings {
    /// How many for each instrument.
    pub count: u16,
    /// Looks a second.
    pub rate: f64,
    /// Ticks between the quick and the slow average at which they act.
    pub threshold: f64,
    /// Lots of an order.
    pub lots: u32,
    /// Lots they hold at most, either way.
    pub position: u32,
}

/// Value traders and the worth they believe in, which wanders about where it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueSettings {
    /// How many for each instrument.
    pub count: u16,
    /// Looks a second.
    pub rate: f64,
    /// Ticks between price and worth at which they act.
    pub margin: f64,
    /// Lots of an order.
    pub lots: u32,
    /// How far the worth wanders: its standard deviation over a second, in ticks.
    pub wander: f64,
    /// How fast it comes back, per second.
    pub revert: f64,
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self {
            crowd: Some(CrowdSettings::default()),
            queues: None,
            clusters: None,
            large_orders: None,
            makers: None,
            momentum: None,
            value: None,
            shocks: Vec::new(),
        }
    }
}

impl Default for CrowdSettings {
    fn default() -> Self {
        Self {
            limit_rate: 0.12,
            market_rate: 2.0,
            cancel_rate: 0.05,
            prices: 40,
            lots: 1_000,
        }
    }
}

impl FlowSettings {
    /// What `conf/scenarios/calm.yaml` has.
    pub(crate) fn calm() -> Self {
        Self {
            crowd: Some(CrowdSettings::default()),
            queues: Some(QueueSettings { usual: 2.4 }),
            clusters: Some(ClusterSettings {
                branching: 0.6,
                fast: 5.0,
                slow: 0.05,
            }),
            large_orders: Some(LargeOrderSettings {
                count: 6,
                tail: 1.5,
            }),
            makers: Some(MakerSettings {
                count: 1,
                half_spread: 2,
                quotes: 2,
                lots: 500,
                rate: 0.5,
                patience: 3_000,
            }),
            momentum: None,
            value: Some(ValueSettings {
                count: 2,
                rate: 0.2,
                margin: 12.0,
                lots: 1_000,
                wander: 0.6,
                revert: 0.001,
            }),
            shocks: Vec::new(),
        }
    }

    /// Simulated traders for each instrument that have an account of their own.
    pub(crate) fn traders(&self) -> u16 {
        self.makers.as_ref().map_or(0, |makers| makers.count)
            + self.momentum.as_ref().map_or(0, |momentum| momentum.count)
            + self.value.as_ref().map_or(0, |value| value.count)
    }

    /// Accounts of the flow: the crowd's, the traders', and one for visitors.
    pub(crate) fn accounts(&self, symbols: usize) -> u16 {
        2 + self.traders() * symbols as u16
    }

    pub(crate) fn check(&self) -> Result<(), ScenarioError> {
        self.check_crowd()?;
        self.check_traders()?;
        if let Some(queues) = &self.queues {
            range("queues.usual", queues.usual, 0.1, 10_000.0)?;
        }
        if let Some(clusters) = &self.clusters {
            let sound = (0.0..1.0).contains(&clusters.branching);
            if !sound {
                let problem = "0 to below 1: at 1 every market order would bring another for ever";
                return Err(ScenarioError::new("flow.clusters.branching", &problem));
            }
            range("clusters.fast", clusters.fast, 0.001, 1_000.0)?;
            range("clusters.slow", clusters.slow, 0.001, clusters.fast)?;
        }
        if let Some(large) = &self.large_orders {
            range("large_orders.count", large.count.into(), 1.0, 64.0)?;
            range("large_orders.tail", large.tail, 1.05, 4.0)?;
        }
        Ok(())
    }

    fn check_crowd(&self) -> Result<(), ScenarioError> {
        let Some(crowd) = &self.crowd else {
            return Ok(());
        };
        range("crowd.limit_rate", crowd.limit_rate, 0.000_1, 1_000.0)?;
        range("crowd.market_rate", crowd.market_rate, 0.000_1, 10_000.0)?;
        range("crowd.cancel_rate", crowd.cancel_rate, 0.000_1, 1_000.0)?;
        range("crowd.prices", crowd.prices.into(), 2.0, 1_000.0)?;
        range("crowd.lots", crowd.lots.into(), 1.0, LOTS_MAX)?;
        let resting = 2.0 * f64::from(crowd.prices) * crowd.limit_rate / crowd.cancel_rate;
        if resting > 100_000.0 {
            let problem = format!(
                "{resting:.0} orders would rest (2 * prices * limit_rate / cancel_rate); \
                 at most 100000"
            );
            return Err(ScenarioError::new("flow.crowd", &problem));
        }
        Ok(())
    }

    fn check_traders(&self) -> Result<(), ScenarioError> {
        if let Some(makers) = &self.makers {
            range("makers.count", makers.count.into(), 1.0, COUNT_MAX)?;
            range(
                "makers.half_spread",
                makers.half_spread.into(),
                1.0,
                1_000.0,
            )?;
            range("makers.quotes", makers.quotes.into(), 1.0, 10.0)?;
            range("makers.lots", makers.lots.into(), 1.0, LOTS_MAX)?;
            range("makers.rate", makers.rate, 0.001, RATE_MAX)?;
            range(
                "makers.patience",
                makers.patience.into(),
                1.0,
                f64::from(u32::MAX),
            )?;
        }
        if let Some(momentum) = &self.momentum {
            range("momentum.count", momentum.count.into(), 1.0, COUNT_MAX)?;
            range("momentum.rate", momentum.rate, 0.001, RATE_MAX)?;
            range("momentum.threshold", momentum.threshold, 0.1, 10_000.0)?;
            range("momentum.lots", momentum.lots.into(), 1.0, LOTS_MAX)?;
        }
        if let Some(value) = &self.value {
            range("value.count", value.count.into(), 1.0, COUNT_MAX)?;
            range("value.rate", value.rate, 0.001, RATE_MAX)?;
            range("value.margin", value.margin, 0.1, 10_000.0)?;
            range("value.lots", value.lots.into(), 1.0, LOTS_MAX)?;
            range("value.wander", value.wander, 0.0, 1_000.0)?;
            range("value.revert", value.revert, 0.0, 10.0)?;
        }
        Ok(())
    }
}

/// Traders of a layer for each instrument.
const COUNT_MAX: f64 = 64.0;
/// Lots of a simulated order.
const LOTS_MAX: f64 = 1_000_000.0;
/// Actions of one trader a second.
const RATE_MAX: f64 = 100.0;

/// `value` is a number from `least` to `most`.
fn range(key: &str, value: f64, least: f64, most: f64) -> Result<(), ScenarioError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ScenarioError::new(
        &format!("flow.{key}"),
        &format!("{value} is not {least} to {most}"),
    ))
}
