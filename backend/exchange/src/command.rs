//! What can be asked of the exchange. A command and the tick it is applied at are all that a
//! journal has to keep: together with the seed they give every later event.

use crate::units::{Money, OrderId, Price, Quantity, Side, SymbolId};
use serde::{Deserialize, Serialize};

/// One request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Enter an order.
    Place(NewOrder),
    /// Change an order's quantity, price or trigger.
    Amend(Amend),
    /// Take one order out.
    Cancel(OrderId),
    /// Take out every order of the account that matches.
    CancelAll {
        /// Only this symbol's.
        symbol: Option<SymbolId>,
        /// Only this side's.
        side: Option<Side>,
    },
    /// Dead man's switch: take out all orders after so many ticks (not market time), unless it is
    /// set anew or switched off (`None`) before. A client's disconnect arms it, its return disarms
    /// it.
    CancelAfter(Option<u64>),
    /// Start, pause, resume, stop, set the speed of, or step the simulator.
    Control(Control),
    /// Disturb the market.
    Inject(Shock),
}

/// An order to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// What is traded.
    pub symbol: SymbolId,
    /// Buy or sell.
    pub side: Side,
    /// How its price comes about.
    pub kind: Kind,
    /// How much.
    pub amount: Amount,
    /// How long it may rest.
    pub time_in_force: TimeInForce,
    /// Refuse it rather than let it take liquidity.
    pub post_only: bool,
    /// Iceberg: never show more than this.
    pub display: Option<Quantity>,
    /// What happens when it meets an order of the same account.
    pub self_trade: SelfTrade,
}

impl NewOrder {
    /// A good-till-cancelled limit order.
    #[must_use]
    pub fn limit(symbol: SymbolId, side: Side, price: Price, quantity: Quantity) -> Self {
        Self {
            symbol,
            side,
            kind: Kind::Limit { price },
            amount: Amount::Quantity(quantity),
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            display: None,
            self_trade: SelfTrade::Taker,
        }
    }

    /// A market order for a quantity.
    #[must_use]
    pub fn market(symbol: SymbolId, side: Side, quantity: Quantity) -> Self {
        Self {
            kind: Kind::Market,
            time_in_force: TimeInForce::Ioc,
            ..Self::limit(symbol, side, Price::ZERO, quantity)
        }
    }
}

/// How an order's price comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// At `price` or better; the rest waits in the book.
    Limit {
        /// The worst acceptable price.
        price: Price,
    },
    /// At whatever the book offers, now.
    Market,
    /// Sleeps until the market trades at `trigger` or worse, then a market order.
    Stop {
        /// The price that wakes it.
        trigger: Price,
    },
    /// Sleeps until the market trades at `trigger` or worse, then a limit order.
    StopLimit {
        /// The price that wakes it.
        trigger: Price,
        /// The limit it then has.
        price: Price,
    },
    /// Sleeps until the market trades at `trigger` or better, then a market order.
    TakeProfit {
        /// The price that wakes it.
        trigger: Price,
    },
    /// Sleeps until the market trades at `trigger` or better, then a limit order.
    TakeProfitLimit {
        /// The price that wakes it.
        trigger: Price,
        /// The limit it then has.
        price: Price,
    },
    /// A stop that follows the market at `distance` and never goes back.
    TrailingStop {
        /// Ticks between the market's best price since entry and the trigger.
        distance: Price,
    },
}

impl Kind {
    /// The limit price, for kinds that have one.
    #[must_use]
    pub fn limit(self) -> Option<Price> {
        match self {
            Self::Limit { price }
            | Self::StopLimit { price, .. }
            | Self::TakeProfitLimit { price, .. } => Some(price),
            Self::Market
            | Self::Stop { .. }
            | Self::TakeProfit { .. }
            | Self::TrailingStop { .. } => None,
        }
    }
}

/// How much an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// A number of lots.
    Quantity(Quantity),
    /// As many lots as this money pays for; market orders only.
    Notional(Money),
}

/// How long an order may rest. Durations are market time and start when the order is entered, so
/// that no clock is read and a replay expires it at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until cancelled.
    Gtc,
    /// What can trade at once trades; the rest is cancelled.
    Ioc,
    /// All of it at once, or nothing.
    Fok,
    /// Until so many ticks of market time have passed.
    Gtd(u64),
    /// Until the end of the market's day.
    Day,
}

/// Self-trade prevention; the mode of the incoming order decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfTrade {
    /// Let it trade with itself.
    None,
    /// Cancel what is left of the incoming order.
    #[default]
    Taker,
    /// Cancel the resting order and go on.
    Maker,
    /// Cancel both.
    Both,
    /// Take the smaller quantity off both without a trade.
    Decrement,
}

/// A change to a working order; what is `None` stays. Less quantity at the same price keeps its
/// place in the queue, anything else loses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amend {
    /// Which order.
    pub order: OrderId,
    /// The new total quantity, counting what is filled already.
    pub quantity: Option<Quantity>,
    /// The new limit.
    pub price: Option<Price>,
    /// The new trigger of a sleeping order.
    pub trigger: Option<Price>,
}

/// The simulator's controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Let market time run; the same as `Resume`.
    Start,
    /// Freeze market time: no synthetic flow, no expiry. Orders still match each other.
    Pause,
    /// Let market time run again.
    Resume,
    /// End the synthetic flow and cancel its orders.
    Stop,
    /// Market time per tick, in thousandths: 100 (a tenth) to 1,000,000 (a thousandfold).
    Speed(u32),
    /// Run so many ticks of market time at once, paused or not: 1 steps, 6,000 jump a minute.
    Step(u32),
}

/// A disturbance from outside the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shock {
    /// Informed traders learn that the instrument is worth this much more (or less): basis points.
    News {
        /// Which instrument.
        symbol: SymbolId,
        /// The change of its worth.
        basis_points: i32,
    },
    /// A seller (or buyer) who sweeps the book whatever it costs.
    Sweep {
        /// Which instrument.
        symbol: SymbolId,
        /// The sweeper's side.
        side: Side,
        /// How much in all.
        quantity: Quantity,
        /// Over how many ticks of market time.
        ticks: u32,
    },
    /// No order is accepted for so many ticks of market time; cancels are.
    Halt {
        /// Which instrument.
        symbol: SymbolId,
        /// For how long.
        ticks: u32,
    },
    /// Resting liquidity of simulated traders is withdrawn to this share, in basis points.
    Thin {
        /// Which instrument.
        symbol: SymbolId,
        /// What stays.
        basis_points: u16,
    },
}

impl Shock {
    /// Which instrument it strikes.
    #[must_use]
    pub fn symbol(&self) -> SymbolId {
        match *self {
            Self::News { symbol, .. } | Self::Sweep { symbol, .. } => symbol,
            Self::Halt { symbol, .. } | Self::Thin { symbol, .. } => symbol,
        }
    }
}
