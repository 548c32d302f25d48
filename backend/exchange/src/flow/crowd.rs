//! The base layer: zero intelligence after Daniels, Farmer, Gillemot, Iori and Smith ("Santa Fe").
//!
//! Limit orders arrive at each price on the own side of the opposite best at a constant rate,
//! market orders at a constant rate, and every resting order is cancelled at a constant rate.
//! Far from the best the mean depth of a price is arrivals over cancellations, which the tests
//! check against.

use super::Random;
use crate::command::{NewOrder, SelfTrade};
use crate::engine::Engine;
use crate::event::{Events, Execution};
use crate::scenario::ScenarioError;
use crate::units::{AccountId, Price, Quantity, Side, SymbolId};
use serde::{Deserialize, Serialize};

/// The rates of the crowd, for each instrument.
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

impl CrowdSettings {
    pub(crate) fn check(&self) -> Result<(), ScenarioError> {
        for (key, rate, most) in [
            ("limit_rate", self.limit_rate, 1_000.0),
            ("market_rate", self.market_rate, 10_000.0),
            ("cancel_rate", self.cancel_rate, 1_000.0),
        ] {
            if !(rate > 0.0 && rate <= most) {
                let problem = format!("above 0 and at most {most} a second");
                return Err(ScenarioError::new(&format!("flow.crowd.{key}"), &problem));
            }
        }
        if !(2..=1_000).contains(&self.prices) {
            return Err(ScenarioError::new("flow.crowd.prices", &"2 to 1000"));
        }
        if !(1..=1_000_000).contains(&self.lots) {
            return Err(ScenarioError::new("flow.crowd.lots", &"1 to 1000000"));
        }
        let resting = 2.0 * f64::from(self.prices) * self.limit_rate / self.cancel_rate;
        if resting > 100_000.0 {
            let problem = format!(
                "{resting:.0} orders would rest (2 * prices * limit_rate / cancel_rate); at most 100000"
            );
            return Err(ScenarioError::new("flow.crowd", &problem));
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    settings: CrowdSettings,
    /// Limit orders a second, all prices and both sides.
    limits: f64,
}

impl Crowd {
    pub(crate) fn new(settings: &CrowdSettings) -> Self {
        let limits = 2.0 * f64::from(settings.prices) * settings.limit_rate;
        Self {
            settings: settings.clone(),
            limits,
        }
    }

    /// Fills an empty book with what would rest in it on average.
    pub(crate) fn open(
        &self,
        account: AccountId,
        symbol: SymbolId,
        random: &mut Random,
        engine: &mut Engine,
        events: &mut Events,
    ) {
        let middle = engine.markets[symbol.index()].last;
        let mean = self.settings.limit_rate / self.settings.cancel_rate;
        for distance in 1..=i64::from(self.settings.prices) {
            for side in [Side::Buy, Side::Sell] {
                let price = middle - Price(distance * side.sign());
                for _ in 0..random.poisson(mean) {
                    self.limit(account, symbol, side, price, engine, events);
                }
            }
        }
    }

    /// When it acts next: all its processes are Poisson, so their sum is.
    pub(crate) fn next(
        &self,
        symbol: SymbolId,
        random: &mut Random,
        now: u64,
        engine: &Engine,
    ) -> u64 {
        let cancels = self.cancels(symbol, engine);
        now + random.wait(self.limits + self.settings.market_rate + cancels)
    }

    pub(crate) fn act(
        &self,
        account: AccountId,
        symbol: SymbolId,
        random: &mut Random,
        engine: &mut Engine,
        events: &mut Events,
    ) {
        let cancels = self.cancels(symbol, engine);
        let mut draw = random.unit() * (self.limits + self.settings.market_rate + cancels);
        if draw < cancels {
            let crowd = &engine.markets[symbol.index()].crowd;
            let slot = crowd[random.below(crowd.len() as u64) as usize];
            engine.finish(slot, Execution::Cancelled, events);
            return;
        }
        draw -= cancels;
        let side = if random.below(2) == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let market = &engine.markets[symbol.index()];
        if engine.clock.market < market.halted_until {
            return;
        }
        if draw < self.settings.market_rate {
            let lots = Quantity(i64::from(self.settings.lots));
            let order = among_many(NewOrder::market(symbol, side, lots));
            engine.place_simulated(account, &order, events);
            return;
        }
        let distance = random.below(u64::from(self.settings.prices)) as i64 + 1;
        let opposite = market.book.best(side.opposite());
        let anchor = opposite.unwrap_or(market.last + Price(side.sign()));
        let price = anchor - Price(distance * side.sign());
        self.limit(account, symbol, side, price, engine, events);
    }

    fn limit(
        &self,
        account: AccountId,
        symbol: SymbolId,
        side: Side,
        price: Price,
        engine: &mut Engine,
        events: &mut Events,
    ) {
        let lots = Quantity(i64::from(self.settings.lots));
        let order = among_many(NewOrder::limit(symbol, side, price, lots));
        engine.place_simulated(account, &order, events);
    }

    fn cancels(&self, symbol: SymbolId, engine: &Engine) -> f64 {
        let resting = engine.markets[symbol.index()].crowd.len();
        resting as f64 * self.settings.cancel_rate
    }
}

/// The crowd has one account but is many people: its orders may meet each other.
fn among_many(order: NewOrder) -> NewOrder {
    NewOrder {
        self_trade: SelfTrade::None,
        ..order
    }
}
