//! The synthetic market: who trades besides the user, and when.
//!
//! Every simulated trader has its own stream of chance, keyed by the seed and its number, so that
//! one more trader shifts nobody else's draws. Each says when it acts next; the earliest goes
//! first, the lower number where two are due at once.

mod crowd;
mod random;

use crate::engine::Engine;
use crate::event::Events;
use crate::scenario::ScenarioError;
use crate::snapshot::{Reader, RestoreError, Writer};
use crate::units::{AccountId, SymbolId};
use crowd::Crowd;
pub use crowd::CrowdSettings;
pub(crate) use random::Random;
use serde::{Deserialize, Serialize};

/// Parts of a tick in which the flow keeps its time: microseconds of market time.
pub(crate) const MICROS_PER_TICK: u64 = crate::units::TICK_MS * 1_000;
pub(crate) const MICROS_PER_SECOND: f64 = 1_000_000.0;

/// The layers of the synthetic market. The crowd is on unless it is `null`, the others are off
/// unless they are given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowSettings {
    /// The zero-intelligence base: limit orders, market orders and cancellations at random.
    pub crowd: Option<CrowdSettings>,
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self {
            crowd: Some(CrowdSettings::default()),
        }
    }
}

impl FlowSettings {
    pub(crate) fn check(&self, _symbols: usize) -> Result<(), ScenarioError> {
        self.crowd.iter().try_for_each(CrowdSettings::check)
    }

    /// How many accounts the simulated traders need.
    pub(crate) fn accounts(&self) -> u16 {
        1
    }
}

/// One simulated trader.
#[derive(Clone, Debug)]
pub(crate) struct Trader {
    pub(crate) account: AccountId,
    pub(crate) symbol: SymbolId,
    pub(crate) random: Random,
    /// When it acts next, in microseconds of market time.
    pub(crate) due: u64,
    pub(crate) mind: Mind,
}

/// How a trader decides.
#[derive(Clone, Debug)]
pub(crate) enum Mind {
    Crowd(Crowd),
}

/// All simulated traders.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) traders: Vec<Trader>,
}

impl Flow {
    pub(crate) fn new(settings: &FlowSettings, seed: u64, engine: &Engine) -> Self {
        let mut traders = Vec::new();
        for (market, settings) in engine.markets.iter().zip(settings.crowd.iter().cycle()) {
            let symbol = market.book.symbol;
            let number = u64::from(symbol.0);
            traders.push(Trader {
                account: engine.crowd(),
                symbol,
                random: Random::new(seed, number),
                due: 0,
                mind: Mind::Crowd(Crowd::new(settings)),
            });
        }
        Self { traders }
    }

    pub(crate) fn put(&self, writer: &mut Writer) {
        for trader in &self.traders {
            writer.put(&(trader.random.position(), trader.due));
        }
    }

    /// Reads the state of the traders that this scenario has.
    pub(crate) fn take(&mut self, reader: &mut Reader<'_>) -> Result<(), RestoreError> {
        for trader in &mut self.traders {
            let (position, due) = reader.take()?;
            trader.random.go_to(position);
            trader.due = due;
        }
        Ok(())
    }

    /// Fills the books before the first tick.
    pub(crate) fn open(&mut self, engine: &mut Engine, events: &mut Events) {
        for trader in &mut self.traders {
            let Mind::Crowd(crowd) = &mut trader.mind;
            crowd.open(
                trader.account,
                trader.symbol,
                &mut trader.random,
                engine,
                events,
            );
            trader.due = crowd.next(trader.symbol, &mut trader.random, 0, engine);
        }
    }

    /// Lets everybody act who is due before the end of the present tick of market time.
    pub(crate) fn run(&mut self, engine: &mut Engine, events: &mut Events) {
        let end = (engine.clock.market + 1) * MICROS_PER_TICK;
        loop {
            let next = self.traders.iter_mut().min_by_key(|trader| trader.due);
            let Some(trader) = next.filter(|trader| trader.due < end) else {
                return;
            };
            let now = trader.due;
            let Mind::Crowd(crowd) = &mut trader.mind;
            crowd.act(
                trader.account,
                trader.symbol,
                &mut trader.random,
                engine,
                events,
            );
            trader.due = crowd.next(trader.symbol, &mut trader.random, now, engine);
            engine.wake(events);
        }
    }
}
