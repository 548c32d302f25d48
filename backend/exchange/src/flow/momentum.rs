//! A momentum trader: buys what has risen and sells what has fallen, within a limit.

use super::Scene;
use super::settings::MomentumSettings;
use crate::command::NewOrder;
use crate::snapshot::{Reader, RestoreError, Writer};
use crate::units::{Quantity, Side};

#[derive(Clone, Debug)]
pub(crate) struct Momentum {
    settings: MomentumSettings,
    /// Averages of the middle over the last few and the last many looks, in ticks; `None` before
    /// the first look.
    averages: Option<(f64, f64)>,
}

/// Weight of the newest look in the quick and in the slow average.
const QUICK: f64 = 0.2;
const SLOW: f64 = 0.02;

impl Momentum {
    pub(crate) fn new(settings: &MomentumSettings) -> Self {
        Self {
            settings: settings.clone(),
            averages: None,
        }
    }

    pub(crate) fn next(&self, scene: &mut Scene<'_>) -> u64 {
        scene.now + scene.random.wait(self.settings.rate)
    }

    pub(crate) fn act(&mut self, scene: &mut Scene<'_>) {
        let market = &scene.engine.markets[scene.symbol.index()];
        let middle = market.mark().0 as f64;
        let (mut quick, mut slow) = self.averages.unwrap_or((middle, middle));
        quick += QUICK * (middle - quick);
        slow += SLOW * (middle - slow);
        self.averages = Some((quick, slow));
        if scene.engine.clock.market < market.halted_until {
            return;
        }
        let trend = quick - slow;
        let account = &scene.engine.accounts[scene.account.index()];
        let held = account.positions[scene.symbol.index()].quantity;
        let limit = i64::from(self.settings.position);
        let order = if trend > self.settings.threshold && held.0 < limit {
            Side::Buy
        } else if trend < -self.settings.threshold && held.0 > -limit {
            Side::Sell
        } else if trend.abs() < self.settings.threshold / 2.0 && held.0 != 0 {
            // the trend is over: out
            if held.0 > 0 { Side::Sell } else { Side::Buy }
        } else {
            return;
        };
        let lots = Quantity(i64::from(self.settings.lots));
        scene.place(&NewOrder::market(scene.symbol, order, lots));
    }

    pub(crate) fn put(&self, writer: &mut Writer) {
        writer.put(&self.averages);
    }

    pub(crate) fn take(&mut self, reader: &mut Reader<'_>) -> Result<(), RestoreError> {
        self.averages = reader.take()?;
        Ok(())
    }
}
