//! The base layer: zero intelligence after Daniels, Farmer, Gillemot, Iori and Smith ("Santa Fe").
//!
//! Limit orders arrive at each price on the own side of the opposite best at a constant rate, and
//! every resting order is cancelled at a constant rate (market orders: `taker.rs`). Far from the
//! best the mean depth of a price is arrivals over cancellations, which the tests check against.
//!
//! With the queue-reactive layer, orders are proposed twice as often and done with a chance of one
//! half at the usual queue, less where they would make a long queue longer or a short one shorter.

use super::settings::{CrowdSettings, QueueSettings};
use super::{Random, Scene};
use crate::command::{NewOrder, SelfTrade};
use crate::engine::Engine;
use crate::event::Execution;
use crate::units::{Price, Quantity, Side, SymbolId};

#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    settings: CrowdSettings,
    reaction: Reaction,
    /// Proposed limit orders a second, all prices and both sides.
    limits: f64,
    /// Proposed cancellations a second of one order.
    cancels: f64,
}

impl Crowd {
    pub(crate) fn new(settings: &CrowdSettings, queues: Option<&QueueSettings>) -> Self {
        let reaction = Reaction::new(settings, queues);
        let proposals = reaction.proposals();
        Self {
            settings: settings.clone(),
            reaction,
            limits: 2.0 * f64::from(settings.prices) * settings.limit_rate * proposals,
            cancels: settings.cancel_rate * proposals,
        }
    }

    /// Fills an empty book with what would rest in it on average.
    pub(crate) fn open(&self, scene: &mut Scene<'_>) {
        let middle = scene.engine.markets[scene.symbol.index()].last;
        let mean = self.settings.limit_rate / self.settings.cancel_rate;
        for distance in 1..=i64::from(self.settings.prices) {
            for side in [Side::Buy, Side::Sell] {
                let price = middle - Price(distance * side.sign());
                for _ in 0..scene.random.poisson(mean) {
                    self.limit(scene, side, price);
                }
            }
        }
    }

    /// When it acts next: its processes are Poisson, so their sum is.
    pub(crate) fn next(&self, scene: &mut Scene<'_>) -> u64 {
        let rate = self.limits + self.cancels * resting(scene.engine, scene.symbol);
        scene.now + scene.random.wait(rate)
    }

    pub(crate) fn act(&self, scene: &mut Scene<'_>) {
        let cancels = self.cancels * resting(scene.engine, scene.symbol);
        let draw = scene.random.unit() * (self.limits + cancels);
        if draw < cancels {
            self.cancel(scene);
            return;
        }
        let side = scene.random.side();
        let distance = scene.random.below(u64::from(self.settings.prices)) as i64 + 1;
        let market = &scene.engine.markets[scene.symbol.index()];
        if scene.engine.clock.market < market.halted_until {
            return;
        }
        let opposite = market.book.best(side.opposite());
        let anchor = opposite.unwrap_or_else(|| market.last + Price(side.sign()));
        let price = anchor - Price(distance * side.sign());
        let queue = market.book.quantity_at(side, price);
        if self.reaction.shuns(queue, scene.random) {
            return;
        }
        self.limit(scene, side, price);
    }

    fn cancel(&self, scene: &mut Scene<'_>) {
        let market = &scene.engine.markets[scene.symbol.index()];
        let slot = market.crowd[scene.random.below(market.crowd.len() as u64) as usize];
        let place = scene.engine.orders.get(slot).place;
        let queue = market.book.quantity_around(place);
        if self.reaction.bears(queue, scene.random) {
            return;
        }
        scene
            .engine
            .finish(slot, Execution::Cancelled, scene.events);
    }

    fn limit(&self, scene: &mut Scene<'_>, side: Side, price: Price) {
        let lots = Quantity(i64::from(self.settings.lots));
        scene.place(&among_many(NewOrder::limit(
            scene.symbol,
            side,
            price,
            lots,
        )));
    }
}

/// The crowd has one account but is many people: its orders may meet each other.
pub(super) fn among_many(order: NewOrder) -> NewOrder {
    NewOrder {
        self_trade: SelfTrade::None,
        ..order
    }
}

/// How the length of a queue sways those who would join, leave or take from it.
#[derive(Clone, Debug)]
pub(super) struct Reaction {
    /// The usual queue in lots; `None`: nobody looks.
    usual: Option<f64>,
}

impl Reaction {
    pub(super) fn new(settings: &CrowdSettings, queues: Option<&QueueSettings>) -> Self {
        Self {
            usual: queues.map(|queues| queues.usual * f64::from(settings.lots)),
        }
    }

    /// How many times as often actions are proposed as they would be without looking.
    pub(super) fn proposals(&self) -> f64 {
        if self.usual.is_some() { 2.0 } else { 1.0 }
    }

    /// Whether somebody does not join (or take from) this queue, likelier the longer it is.
    pub(super) fn shuns(&self, queue: Quantity, random: &mut Random) -> bool {
        self.usual
            .is_some_and(|usual| random.unit() > usual / (usual + queue.0 as f64))
    }

    /// Whether somebody stays in this queue, likelier the shorter it is.
    fn bears(&self, queue: Quantity, random: &mut Random) -> bool {
        self.usual
            .is_some_and(|usual| random.unit() <= usual / (usual + queue.0 as f64))
    }
}

fn resting(engine: &Engine, symbol: SymbolId) -> f64 {
    engine.markets[symbol.index()].crowd.len() as f64
}
