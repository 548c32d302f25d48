//! The crowd's market orders: a Poisson process, with the layers switched on a Hawkes process
//! whose events are parts of large orders.
//!
//! The Hawkes intensity falls between events, so its present value bounds it until the next:
//! Ogata's thinning draws a candidate at the bound and keeps it with the chance that is left of
//! the intensity. Each event costs two exponentials, whatever came before.

use super::crowd::{Reaction, among_many};
use super::settings::{ClusterSettings, CrowdSettings, FlowSettings, LargeOrderSettings};
use super::{MICROS_PER_SECOND, Random, Scene};
use crate::command::NewOrder;
use crate::snapshot::{Reader, RestoreError, Writer, coded};
use crate::units::{Quantity, Side};

#[derive(Clone, Debug)]
pub(crate) struct Takers {
    /// Market orders a second that nothing brought about.
    base: f64,
    lots: Quantity,
    reaction: Reaction,
    clusters: Option<ClusterSettings>,
    large: Option<LargeOrderSettings>,
    /// Excitement at `since`: additional orders a second, of the short and the long kind.
    fast: f64,
    slow: f64,
    /// In microseconds of market time.
    since: u64,
    /// Large orders under way.
    working: Vec<Large>,
}

/// What is left of a large order.
#[derive(Clone, Copy, Debug)]
struct Large {
    side: Side,
    parts: u64,
}

coded!(Large { side, parts });

impl Takers {
    pub(crate) fn new(crowd: &CrowdSettings, settings: &FlowSettings) -> Self {
        let reaction = Reaction::new(crowd, settings.queues.as_ref());
        // the clusters bring 1 / (1 - branching) orders for each that comes by itself
        let alone = settings
            .clusters
            .as_ref()
            .map_or(1.0, |clusters| 1.0 - clusters.branching);
        Self {
            base: crowd.market_rate * alone * reaction.proposals(),
            lots: Quantity(i64::from(crowd.lots)),
            reaction,
            clusters: settings.clusters.clone(),
            large: settings.large_orders.clone(),
            fast: 0.0,
            slow: 0.0,
            since: 0,
            working: Vec::new(),
        }
    }

    pub(crate) fn next(&self, scene: &mut Scene<'_>) -> u64 {
        scene.now + scene.random.wait(self.base + self.fast + self.slow)
    }

    pub(crate) fn act(&mut self, scene: &mut Scene<'_>) {
        let bound = self.base + self.fast + self.slow;
        self.calm_down(scene.now);
        let intensity = self.base + self.fast + self.slow;
        if scene.random.unit() * bound > intensity {
            return;
        }
        self.excite();
        let side = self.side(scene.random);
        let market = &scene.engine.markets[scene.symbol.index()];
        if scene.engine.clock.market < market.halted_until {
            return;
        }
        let best = market.book.best(side.opposite());
        let queue = best.map_or(Quantity::ZERO, |price| {
            market.book.quantity_at(side.opposite(), price)
        });
        if self.reaction.shuns(queue, scene.random) {
            return;
        }
        scene.place(&among_many(NewOrder::market(scene.symbol, side, self.lots)));
    }

    pub(crate) fn put(&self, writer: &mut Writer) {
        writer.put(&(self.fast, self.slow));
        writer.put(&self.since);
        writer.put(&self.working);
    }

    pub(crate) fn take(&mut self, reader: &mut Reader<'_>) -> Result<(), RestoreError> {
        (self.fast, self.slow) = reader.take()?;
        self.since = reader.take()?;
        self.working = reader.take()?;
        Ok(())
    }

    /// Excitement fades until `now`.
    fn calm_down(&mut self, now: u64) {
        if let Some(clusters) = &self.clusters {
            let seconds = (now - self.since) as f64 / MICROS_PER_SECOND;
            self.fast *= libm::exp(-clusters.fast * seconds);
            self.slow *= libm::exp(-clusters.slow * seconds);
        }
        self.since = now;
    }

    /// Half of what an order brings about comes soon, half later.
    fn excite(&mut self) {
        if let Some(clusters) = &self.clusters {
            self.fast += clusters.branching / 2.0 * clusters.fast;
            self.slow += clusters.branching / 2.0 * clusters.slow;
        }
    }

    /// The side of the next market order.
    fn side(&mut self, random: &mut Random) -> Side {
        let Some(large) = &self.large else {
            return random.side();
        };
        while self.working.len() < usize::from(large.count) {
            self.working.push(Large::draw(large.tail, random));
        }
        let index = random.below(self.working.len() as u64) as usize;
        let order = &mut self.working[index];
        let side = order.side;
        order.parts -= 1;
        if order.parts == 0 {
            *order = Large::draw(large.tail, random);
        }
        side
    }
}

impl Large {
    /// A large order whose number of parts exceeds n with a chance of n to the minus `tail`.
    fn draw(tail: f64, random: &mut Random) -> Self {
        let parts = libm::pow(random.unit(), -1.0 / tail);
        Self {
            side: random.side(),
            parts: (parts.min(PARTS_MAX) as u64).max(1),
        }
    }
}

/// Parts of a large order.
const PARTS_MAX: f64 = 10_000.0;
