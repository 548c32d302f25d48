//! Value traders, and the worth they believe in.

use super::settings::ValueSettings;
use super::{MICROS_PER_SECOND, Random, Scene};
use crate::command::NewOrder;
use crate::units::{Price, Quantity, Side};

/// Buys below and sells above what the instrument is worth.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    settings: ValueSettings,
}

impl Value {
    pub(crate) fn new(settings: &ValueSettings) -> Self {
        Self {
            settings: settings.clone(),
        }
    }

    pub(crate) fn next(&self, scene: &mut Scene<'_>) -> u64 {
        scene.now + scene.random.wait(self.settings.rate)
    }

    pub(crate) fn act(&self, scene: &mut Scene<'_>) {
        let worth = scene.worth.at(scene.now);
        let market = &scene.engine.markets[scene.symbol.index()];
        if scene.engine.clock.market < market.halted_until {
            return;
        }
        let gap = worth - market.mark().0 as f64;
        if gap.abs() < self.settings.margin {
            return;
        }
        let side = if gap > 0.0 { Side::Buy } else { Side::Sell };
        let lots = Quantity(i64::from(self.settings.lots));
        scene.place(&NewOrder::market(scene.symbol, side, lots));
    }
}

/// What an instrument is really worth, in ticks: an Ornstein-Uhlenbeck process about a mean that
/// news moves, walked whenever somebody looks.
#[derive(Clone, Debug)]
pub(crate) struct Worth {
    /// Standard deviation over a second.
    wander: f64,
    /// Per second.
    revert: f64,
    random: Random,
    mean: f64,
    value: f64,
    /// In microseconds of market time.
    since: u64,
}

impl Worth {
    pub(crate) fn new(settings: Option<&ValueSettings>, price: Price, random: Random) -> Self {
        let price = price.0 as f64;
        let (wander, revert) =
            settings.map_or((0.0, 0.0), |settings| (settings.wander, settings.revert));
        Self {
            wander,
            revert,
            random,
            mean: price,
            value: price,
            since: 0,
        }
    }

    /// The worth at a time not before the last look.
    pub(crate) fn at(&mut self, now: u64) -> f64 {
        let seconds = now.saturating_sub(self.since) as f64 / MICROS_PER_SECOND;
        self.since = self.since.max(now);
        if seconds > 0.0 && self.wander > 0.0 {
            let kept = libm::exp(-self.revert * seconds);
            let spread = self.wander * libm::sqrt(seconds);
            self.value =
                self.mean + (self.value - self.mean) * kept + spread * self.random.normal();
            self.value = self.value.max(1.0);
        }
        self.value
    }

    /// News: worth so many basis points more, for good.
    pub(crate) fn shift(&mut self, basis_points: i32) {
        let factor = (1.0 + f64::from(basis_points) / 10_000.0).max(0.01);
        self.mean *= factor;
        self.value *= factor;
    }

    /// Goes on from what was read, with its own stream of chance.
    pub(crate) fn resume(&mut self, read: Saved) {
        self.random.go_to(read.position);
        self.mean = read.mean;
        self.value = read.value;
        self.since = read.since;
    }

    pub(crate) fn save(&self) -> Saved {
        Saved {
            position: self.random.position(),
            mean: self.mean,
            value: self.value,
            since: self.since,
        }
    }
}

/// What a snapshot keeps of a worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saved {
    position: u64,
    mean: f64,
    value: f64,
    since: u64,
}

crate::snapshot::coded!(Saved {
    position,
    mean,
    value,
    since
});
