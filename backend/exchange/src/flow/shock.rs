//! Disturbances: by command, or by the scenario's schedule.

use super::visitor::{INFORMED_ORDERS, Visitor};
use super::{Flow, Layer, MICROS_PER_TICK, Mind, Random, Trader, number};
use crate::account::shifted;
use crate::command::{Command, Shock};
use crate::decimal::Decimal;
use crate::engine::Engine;
use crate::event::{Condition, Event, Events, Execution};
use crate::exchange::Exchange;
use crate::refusal::Refusal;
use crate::scenario::{ScenarioError, Span};
use crate::units::{AccountId, Quantity, Side, SymbolId};
use serde::{Deserialize, Serialize};

/// A shock as clients and scenarios write it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ShockRequest {
    /// Informed traders learn that the instrument is worth this much more (or less).
    News {
        /// Name of the instrument.
        symbol: String,
        /// The change of its worth.
        basis_points: i32,
    },
    /// Somebody trades a quantity whatever it costs.
    Sweep {
        /// Name of the instrument.
        symbol: String,
        /// The sweeper's side.
        side: Side,
        /// How much in all.
        quantity: Decimal,
        /// Over how long.
        over: Span,
    },
    /// Trading stops for a while.
    Halt {
        /// Name of the instrument.
        symbol: String,
        /// For how long.
        lasts: Span,
    },
    /// Resting liquidity of the crowd is withdrawn to this share, in basis points.
    Thin {
        /// Name of the instrument.
        symbol: String,
        /// What stays.
        basis_points: u16,
    },
}

/// A shock and when it strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduled {
    /// When first.
    pub at: Span,
    /// And again every so often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// What.
    pub shock: ShockRequest,
}

/// A scheduled shock in the engine's units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    at: u64,
    every: Option<u64>,
    shock: Shock,
}

impl ShockRequest {
    fn read(&self, engine: &Engine) -> Result<Shock, Refusal> {
        let (Self::News { symbol: name, .. }
        | Self::Sweep { symbol: name, .. }
        | Self::Halt { symbol: name, .. }
        | Self::Thin { symbol: name, .. }) = self;
        let market = engine
            .markets
            .iter()
            .find(|market| market.instrument.symbol() == name);
        let unknown = || Refusal::UnknownSymbol(name.chars().take(40).collect());
        let market = market.ok_or_else(unknown)?;
        let symbol = market.book.symbol;
        Ok(match self {
            Self::News { basis_points, .. } => Shock::News {
                symbol,
                basis_points: *basis_points,
            },
            Self::Sweep {
                side,
                quantity,
                over,
                ..
            } => Shock::Sweep {
                symbol,
                side: *side,
                quantity: market
                    .instrument
                    .quantity(quantity.as_str())
                    .map_err(|error| Refusal::quantity(&error))?,
                ticks: u32::try_from(over.ticks()).unwrap_or(u32::MAX),
            },
            Self::Halt { lasts, .. } => Shock::Halt {
                symbol,
                ticks: u32::try_from(lasts.ticks()).unwrap_or(u32::MAX),
            },
            Self::Thin { basis_points, .. } => Shock::Thin {
                symbol,
                basis_points: *basis_points,
            },
        })
    }
}

impl Scheduled {
    pub(super) fn read(&self, engine: &Engine) -> Result<Due, Refusal> {
        let shock = self.shock.read(engine)?;
        check(&shock)?;
        Ok(Due {
            at: self.at.ticks(),
            every: self.every.map(Span::ticks),
            shock,
        })
    }
}

impl Due {
    fn strikes(&self, now: u64) -> bool {
        now == self.at
            || self
                .every
                .is_some_and(|every| now > self.at && (now - self.at).is_multiple_of(every.max(1)))
    }
}

impl Exchange {
    /// Reads a shock. Changes nothing.
    pub fn read_shock(&self, request: &ShockRequest) -> Result<Command, Refusal> {
        request.read(&self.engine).map(Command::Inject)
    }
}

impl Flow {
    /// The schedule in the engine's units.
    pub(crate) fn schedule(
        &mut self,
        shocks: &[Scheduled],
        engine: &Engine,
    ) -> Result<(), ScenarioError> {
        for (index, scheduled) in shocks.iter().enumerate() {
            let path = format!("flow.shocks[{index}].shock");
            let due = scheduled.read(engine);
            self.shocks
                .push(due.map_err(|refusal| ScenarioError::new(&path, &refusal))?);
        }
        Ok(())
    }

    /// What the scenario has for the present tick of market time; halts that are over.
    pub(crate) fn strike(&mut self, engine: &mut Engine, events: &mut Events) {
        let now = engine.clock.market;
        for index in 0..engine.markets.len() {
            let market = &mut engine.markets[index];
            if market.halted_until != 0 && market.halted_until <= now {
                market.halted_until = 0;
                let condition = (market.book.symbol, Condition::Reopened);
                events.push(Event::Simulator(engine.simulator(Some(condition))));
            }
        }
        for index in 0..self.shocks.len() {
            let due = self.shocks[index];
            if due.strikes(now) {
                self.shock(due.shock, engine, events);
            }
        }
    }

    /// Checks a shock that a client sent, and lets it strike.
    pub(crate) fn inject(
        &mut self,
        shock: Shock,
        engine: &mut Engine,
        events: &mut Events,
    ) -> Result<(), Refusal> {
        let symbol = shock.symbol();
        if symbol.index() >= engine.markets.len() {
            return Err(Refusal::UnknownSymbol(format!("#{}", symbol.0)));
        }
        check(&shock)?;
        if self.visiting() >= VISITORS_MAX {
            let problem = format!("{VISITORS_MAX} shocks are under way; wait for one to end");
            return Err(Refusal::InvalidControl(problem));
        }
        self.shock(shock, engine, events);
        Ok(())
    }

    fn shock(&mut self, shock: Shock, engine: &mut Engine, events: &mut Events) {
        let now = engine.clock.market;
        let (symbol, condition) = match shock {
            Shock::News {
                symbol,
                basis_points,
            } => {
                self.worth[symbol.index()].shift(basis_points);
                let target = shifted(engine.markets[symbol.index()].mark(), basis_points.into());
                let lots = Quantity(LOTS);
                let informed = Visitor::Informed {
                    target,
                    lots,
                    orders: INFORMED_ORDERS,
                };
                self.visit(symbol, informed, engine);
                (symbol, Condition::News)
            }
            Shock::Sweep {
                symbol,
                side,
                quantity,
                ticks,
            } => {
                let parts = i64::from(ticks).clamp(1, PARTS_MAX);
                let lots = Quantity((quantity.0 + parts - 1) / parts);
                let every = u64::from(ticks) * MICROS_PER_TICK / parts as u64;
                let left = quantity;
                let sweeper = Visitor::Sweeper {
                    side,
                    lots,
                    left,
                    every: every.max(1),
                };
                self.visit(symbol, sweeper, engine);
                (symbol, Condition::Sweep)
            }
            Shock::Halt { symbol, ticks } => {
                let market = &mut engine.markets[symbol.index()];
                market.halted_until = market.halted_until.max(now + u64::from(ticks));
                (symbol, Condition::Halted)
            }
            Shock::Thin {
                symbol,
                basis_points,
            } => {
                self.thin(symbol, basis_points, engine, events);
                (symbol, Condition::Thinned)
            }
        };
        events.push(Event::Simulator(
            engine.simulator(Some((symbol, condition))),
        ));
    }

    /// A trader comes for the time of a shock.
    fn visit(&mut self, symbol: SymbolId, visitor: Visitor, engine: &Engine) {
        if self.visiting() >= VISITORS_MAX {
            return;
        }
        self.visitors += 1;
        let number = number(Layer::Visitor, symbol, self.visitors);
        self.soonest = 0;
        self.traders.push(Trader {
            number,
            account: AccountId(engine.accounts.len() as u16 - 1),
            symbol,
            random: Random::new(self.seed, number),
            due: (engine.clock.market + 1) * MICROS_PER_TICK,
            mind: Mind::Visitor(visitor),
        });
    }

    fn visiting(&self) -> usize {
        self.traders
            .iter()
            .filter(|trader| matches!(trader.mind, Mind::Visitor(_)))
            .count()
    }

    /// The crowd withdraws orders, drawn by lot.
    fn thin(
        &mut self,
        symbol: SymbolId,
        basis_points: u16,
        engine: &mut Engine,
        events: &mut Events,
    ) {
        self.visitors += 1;
        let mut random = Random::new(self.seed, number(Layer::Visitor, symbol, self.visitors));
        let resting = engine.markets[symbol.index()].crowd.len();
        let kept = resting * usize::from(basis_points.min(10_000)) / 10_000;
        for left in (kept..resting).rev() {
            let crowd = &engine.markets[symbol.index()].crowd;
            let slot = crowd[random.below(left as u64 + 1) as usize];
            engine.finish(slot, Execution::Cancelled, events);
        }
    }
}

/// Bounds of a shock.
fn check(shock: &Shock) -> Result<(), Refusal> {
    let wrong = |text: String| Err(Refusal::InvalidControl(text));
    match *shock {
        Shock::News { basis_points, .. } if !(-9_000..=50_000).contains(&basis_points) => {
            wrong("news: -9000 to 50000 basis points".to_owned())
        }
        Shock::Sweep { quantity, .. } if !(1..=QUANTITY_MAX).contains(&quantity.0) => wrong(
            format!("sweep: a quantity above zero, at most {QUANTITY_MAX} lots"),
        ),
        Shock::Sweep { ticks, .. } | Shock::Halt { ticks, .. }
            if !(1..=TICKS_MAX).contains(&ticks) =>
        {
            wrong("a shock lasts from 10ms to 1h".to_owned())
        }
        Shock::Thin { basis_points, .. } if basis_points > 10_000 => {
            wrong("thin: 0 to 10000 basis points stay".to_owned())
        }
        _ => Ok(()),
    }
}

/// Lots of an informed trader's order.
const LOTS: i64 = 2_000;
/// Shocks under way at a time.
const VISITORS_MAX: usize = 16;
/// Orders of a sweep.
const PARTS_MAX: i64 = 1_000;
/// Lots of a sweep.
const QUANTITY_MAX: i64 = 1_000_000_000;
/// Ticks of a shock: an hour.
const TICKS_MAX: u32 = 360_000;
