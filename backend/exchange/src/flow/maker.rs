//! A market maker: quotes around the middle, shifted against what it holds.

use super::Scene;
use super::settings::MakerSettings;
use crate::event::Execution;
use crate::snapshot::{Reader, RestoreError, Writer};
use crate::units::{OrderId, Price, Quantity, Side};

#[derive(Clone, Debug)]
pub(crate) struct Maker {
    settings: MakerSettings,
    /// Its orders as far as it knows; some may have traded.
    quotes: Vec<OrderId>,
}

impl Maker {
    pub(crate) fn new(settings: &MakerSettings) -> Self {
        let room = usize::from(settings.quotes) * 2;
        Self {
            settings: settings.clone(),
            quotes: Vec::with_capacity(room),
        }
    }

    pub(crate) fn next(&self, scene: &mut Scene<'_>) -> u64 {
        scene.now + scene.random.wait(self.settings.rate)
    }

    /// Takes its quotes out and puts new ones in.
    pub(crate) fn act(&mut self, scene: &mut Scene<'_>) {
        for order in self.quotes.drain(..) {
            if let Some(slot) = scene.engine.orders.find(order) {
                scene
                    .engine
                    .finish(slot, Execution::Cancelled, scene.events);
            }
        }
        let market = &scene.engine.markets[scene.symbol.index()];
        if scene.engine.clock.market < market.halted_until {
            return;
        }
        let account = &scene.engine.accounts[scene.account.index()];
        let held = account.positions[scene.symbol.index()].quantity;
        let shift = held.0 / i64::from(self.settings.patience);
        let middle = market.mark() - Price(shift);
        let lots = Quantity(i64::from(self.settings.lots));
        for step in 0..i64::from(self.settings.quotes) {
            let away = i64::from(self.settings.half_spread) + step;
            for side in [Side::Buy, Side::Sell] {
                let price = middle - Price(away * side.sign());
                self.quotes.extend(scene.quote(side, price, lots));
            }
        }
    }

    pub(crate) fn put(&self, writer: &mut Writer) {
        writer.put(&self.quotes);
    }

    pub(crate) fn take(&mut self, reader: &mut Reader<'_>) -> Result<(), RestoreError> {
        self.quotes = reader.take()?;
        Ok(())
    }
}
