//! The synthetic market: who trades besides the user, and when.
//!
//! Layers that are switched on one by one: the crowd (zero intelligence), queue-reactive rates,
//! clustering and large orders in its market orders, makers, momentum traders, value traders, and
//! shocks. Every simulated trader has its own stream of chance, keyed by the seed and its number,
//! so that one more trader shifts nobody else's draws. Each says when it acts next; the earliest
//! goes first, the one earlier in the list where two are due at once.

mod crowd;
mod maker;
mod momentum;
mod random;
mod settings;
mod shock;
mod taker;
mod value;
mod visitor;

use crate::command::NewOrder;
use crate::engine::Engine;
use crate::event::Events;
use crate::market::crosses;
use crate::snapshot::{Reader, RestoreError, Writer};
use crate::units::{AccountId, OrderId, Price, Quantity, Side, SymbolId, TICK_MS};
use crowd::Crowd;
use maker::Maker;
use momentum::Momentum;
pub(crate) use random::Random;
pub use settings::{
    ClusterSettings, CrowdSettings, FlowSettings, LargeOrderSettings, MakerSettings,
    MomentumSettings, QueueSettings, ValueSettings,
};
pub use shock::{Scheduled, ShockRequest};
use taker::Takers;
use value::{Value, Worth};
use visitor::Visitor;

/// Parts of a tick in which the flow keeps its time: microseconds of market time.
pub(crate) const MICROS_PER_TICK: u64 = TICK_MS * 1_000;
pub(crate) const MICROS_PER_SECOND: f64 = 1_000_000.0;

/// One simulated trader in one instrument.
#[derive(Clone, Debug)]
pub(crate) struct Trader {
    /// Which stream of chance is its own.
    number: u64,
    account: AccountId,
    symbol: SymbolId,
    random: Random,
    /// When it acts next, in microseconds of market time.
    due: u64,
    mind: Mind,
}

/// How a trader decides.
#[derive(Clone, Debug)]
enum Mind {
    Crowd(Crowd),
    Takers(Takers),
    Maker(Maker),
    Momentum(Momentum),
    Value(Value),
    Visitor(Visitor),
}

/// What a trader has before it when its time has come.
pub(crate) struct Scene<'a> {
    pub(crate) engine: &'a mut Engine,
    pub(crate) events: &'a mut Events,
    pub(crate) random: &'a mut Random,
    pub(crate) worth: &'a mut Worth,
    pub(crate) account: AccountId,
    pub(crate) symbol: SymbolId,
    /// In microseconds of market time.
    pub(crate) now: u64,
}

/// All simulated traders.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    seed: u64,
    traders: Vec<Trader>,
    /// Nobody acts before this time, in microseconds of market time: most ticks end here.
    soonest: u64,
    /// What each instrument is really worth, as value traders see it.
    worth: Vec<Worth>,
    shocks: Vec<shock::Due>,
    /// Traders a shock brought; they leave when it is over.
    visitors: u64,
}

/// The layer a trader belongs to: the upper part of its number.
#[derive(Clone, Copy)]
enum Layer {
    Crowd = 1,
    Takers,
    Worth,
    Maker,
    Momentum,
    Value,
    Visitor,
}

impl Flow {
    pub(crate) fn new(settings: &FlowSettings, seed: u64, engine: &Engine) -> Self {
        let worth = engine.markets.iter().map(|market| {
            let number = number(Layer::Worth, market.book.symbol, 0);
            Worth::new(
                settings.value.as_ref(),
                market.last,
                Random::new(seed, number),
            )
        });
        let worth = worth.collect();
        let (traders, shocks) = (Vec::new(), Vec::new());
        let mut flow = Self {
            seed,
            traders,
            soonest: 0,
            worth,
            shocks,
            visitors: 0,
        };
        for market in &engine.markets {
            flow.enlist(settings, market.book.symbol, engine);
        }
        flow
    }

    /// The traders of one instrument.
    fn enlist(&mut self, settings: &FlowSettings, symbol: SymbolId, engine: &Engine) {
        let crowd = engine.crowd();
        if let Some(base) = &settings.crowd {
            let mind = Mind::Crowd(Crowd::new(base, settings.queues.as_ref()));
            self.add(Layer::Crowd, 0, crowd, symbol, mind);
            let mind = Mind::Takers(Takers::new(base, settings));
            self.add(Layer::Takers, 0, crowd, symbol, mind);
        }
        let mut account = crowd.0 + 1 + symbol.0 * settings.traders();
        if let Some(makers) = &settings.makers {
            for index in 0..makers.count {
                let mind = Mind::Maker(Maker::new(makers));
                self.add(Layer::Maker, index, AccountId(account), symbol, mind);
                account += 1;
            }
        }
        if let Some(momentum) = &settings.momentum {
            for index in 0..momentum.count {
                let mind = Mind::Momentum(Momentum::new(momentum));
                self.add(Layer::Momentum, index, AccountId(account), symbol, mind);
                account += 1;
            }
        }
        if let Some(value) = &settings.value {
            for index in 0..value.count {
                let mind = Mind::Value(Value::new(value));
                self.add(Layer::Value, index, AccountId(account), symbol, mind);
                account += 1;
            }
        }
    }

    fn add(&mut self, layer: Layer, index: u16, account: AccountId, symbol: SymbolId, mind: Mind) {
        let number = number(layer, symbol, u64::from(index));
        let random = Random::new(self.seed, number);
        self.traders.push(Trader {
            number,
            account,
            symbol,
            random,
            due: 0,
            mind,
        });
    }

    /// Fills the books before the first tick and sets everybody's first time.
    pub(crate) fn open(&mut self, engine: &mut Engine, events: &mut Events) {
        for trader in &mut self.traders {
            let Trader {
                account,
                symbol,
                random,
                due,
                mind,
                ..
            } = trader;
            let worth = &mut self.worth[symbol.index()];
            let (account, symbol, now) = (*account, *symbol, 0);
            let mut scene = Scene {
                engine,
                events,
                random,
                worth,
                account,
                symbol,
                now,
            };
            if let Mind::Crowd(crowd) = mind {
                crowd.open(&mut scene);
            }
            *due = mind.next(&mut scene);
        }
    }

    /// Lets everybody act who is due before the end of the present tick of market time.
    pub(crate) fn run(&mut self, engine: &mut Engine, events: &mut Events) {
        let end = (engine.clock.market + 1) * MICROS_PER_TICK;
        while self.soonest < end {
            let due = self
                .traders
                .iter()
                .enumerate()
                .min_by_key(|(_, trader)| trader.due);
            self.soonest = due.map_or(u64::MAX, |(_, trader)| trader.due);
            let Some((index, _)) = due.filter(|(_, trader)| trader.due < end) else {
                return;
            };
            let Trader {
                account,
                symbol,
                random,
                due,
                mind,
                ..
            } = &mut self.traders[index];
            let worth = &mut self.worth[symbol.index()];
            let (account, symbol, now) = (*account, *symbol, *due);
            let mut scene = Scene {
                engine,
                events,
                random,
                worth,
                account,
                symbol,
                now,
            };
            let stays = mind.act(&mut scene);
            *due = mind.next(&mut scene);
            if !stays {
                self.traders.remove(index);
            }
            engine.wake(events);
        }
    }

    pub(crate) fn put(&self, writer: &mut Writer) {
        writer.put(&self.visitors);
        writer.count(self.worth.len());
        for worth in &self.worth {
            writer.put(&worth.save());
        }
        writer.count(self.traders.len());
        for trader in &self.traders {
            writer.put(&trader.number);
            writer.put(&(trader.random.position(), trader.due));
            trader.mind.put(writer);
        }
    }

    /// Reads the traders' state: those of the scenario are there already, visitors come back.
    pub(crate) fn take(
        &mut self,
        reader: &mut Reader<'_>,
        visitors: AccountId,
    ) -> Result<(), RestoreError> {
        self.visitors = reader.take()?;
        let worth: Vec<value::Saved> = reader.take()?;
        if worth.len() != self.worth.len() {
            return Err(reader.damaged());
        }
        for (own, read) in self.worth.iter_mut().zip(worth) {
            own.resume(read);
        }
        let settled = self.traders.len();
        for index in 0..reader.count()? {
            let number: u64 = reader.take()?;
            let (position, due) = reader.take()?;
            if index >= settled {
                let symbol = SymbolId((number >> 32) as u16);
                if symbol.index() >= self.worth.len() {
                    return Err(reader.damaged());
                }
                let random = Random::new(self.seed, number);
                let mind = Mind::Visitor(reader.take()?);
                let account = visitors;
                self.traders.push(Trader {
                    number,
                    account,
                    symbol,
                    random,
                    due,
                    mind,
                });
            } else if self.traders[index].number == number {
                self.traders[index].mind.take(reader)?;
            } else {
                return Err(reader.damaged());
            }
            self.traders[index].random.go_to(position);
            self.traders[index].due = due;
        }
        Ok(())
    }
}

impl Scene<'_> {
    /// Enters an order of the trader's.
    fn place(&mut self, order: &NewOrder) {
        self.engine
            .place_simulated(self.account, order, self.events);
    }

    /// Enters a limit order unless it would trade at once.
    fn quote(&mut self, side: Side, price: Price, lots: Quantity) -> Option<OrderId> {
        let best = self.engine.markets[self.symbol.index()]
            .book
            .best(side.opposite());
        if best.is_some_and(|best| crosses(side, price, best)) {
            return None;
        }
        let order = NewOrder::limit(self.symbol, side, price, lots);
        let report = self
            .engine
            .place_simulated(self.account, &order, self.events);
        report.map(|report| report.id)
    }
}

impl Mind {
    /// Acts; whether it stays in the market.
    fn act(&mut self, scene: &mut Scene<'_>) -> bool {
        match self {
            Self::Crowd(crowd) => crowd.act(scene),
            Self::Takers(takers) => takers.act(scene),
            Self::Maker(maker) => maker.act(scene),
            Self::Momentum(momentum) => momentum.act(scene),
            Self::Value(value) => value.act(scene),
            Self::Visitor(visitor) => return visitor.act(scene),
        }
        true
    }

    /// When it acts next.
    fn next(&mut self, scene: &mut Scene<'_>) -> u64 {
        match self {
            Self::Crowd(crowd) => crowd.next(scene),
            Self::Takers(takers) => takers.next(scene),
            Self::Maker(maker) => maker.next(scene),
            Self::Momentum(momentum) => momentum.next(scene),
            Self::Value(value) => value.next(scene),
            Self::Visitor(visitor) => visitor.next(scene),
        }
    }

    fn put(&self, writer: &mut Writer) {
        match self {
            Self::Crowd(_) | Self::Value(_) => {}
            Self::Takers(takers) => takers.put(writer),
            Self::Maker(maker) => maker.put(writer),
            Self::Momentum(momentum) => momentum.put(writer),
            Self::Visitor(visitor) => writer.put(visitor),
        }
    }

    fn take(&mut self, reader: &mut Reader<'_>) -> Result<(), RestoreError> {
        match self {
            Self::Crowd(_) | Self::Value(_) => Ok(()),
            Self::Takers(takers) => takers.take(reader),
            Self::Maker(maker) => maker.take(reader),
            Self::Momentum(momentum) => momentum.take(reader),
            Self::Visitor(visitor) => reader.take().map(|read| *visitor = read),
        }
    }
}

/// A trader's number: layer, instrument, place in the layer.
fn number(layer: Layer, symbol: SymbolId, index: u64) -> u64 {
    (layer as u64) << 48 | u64::from(symbol.0) << 32 | (index & 0xFFFF_FFFF)
}
