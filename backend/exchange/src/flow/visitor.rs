//! Traders a shock brings: they come, trade, and leave.

use super::Scene;
use crate::command::{NewOrder, TimeInForce};
use crate::snapshot::coded_enum;
use crate::units::{Price, Quantity, Side};

#[derive(Clone, Debug)]
pub(crate) enum Visitor {
    /// Knows where the price will be, and trades until it is there.
    Informed {
        /// Where.
        target: Price,
        /// How much at a time.
        lots: Quantity,
        /// How many orders more at most.
        orders: u64,
    },
    /// Has to get rid of (or to get) so much in equal parts, whatever it costs.
    Sweeper {
        side: Side,
        /// How much at a time.
        lots: Quantity,
        left: Quantity,
        /// Microseconds between two orders.
        every: u64,
    },
}

coded_enum!(Visitor {
    Informed { target, lots, orders } = 0,
    Sweeper { side, lots, left, every } = 1,
});

impl Visitor {
    pub(crate) fn next(&self, scene: &mut Scene<'_>) -> u64 {
        match self {
            Self::Informed { .. } => scene.now + scene.random.wait(INFORMED_RATE),
            Self::Sweeper { every, .. } => scene.now + every,
        }
    }

    /// Trades; whether it stays.
    pub(crate) fn act(&mut self, scene: &mut Scene<'_>) -> bool {
        let market = &scene.engine.markets[scene.symbol.index()];
        if scene.engine.clock.market < market.halted_until {
            return true;
        }
        match self {
            Self::Informed {
                target,
                lots,
                orders,
            } => {
                let mark = market.mark();
                if (mark - *target).0.abs() <= 1 || *orders == 0 {
                    return false;
                }
                let side = if mark < *target {
                    Side::Buy
                } else {
                    Side::Sell
                };
                *orders -= 1;
                // a limit at the target: never beyond it
                let order = NewOrder::limit(scene.symbol, side, *target, *lots);
                scene.place(&NewOrder {
                    time_in_force: TimeInForce::Ioc,
                    ..order
                });
                true
            }
            Self::Sweeper {
                side, lots, left, ..
            } => {
                let part = (*lots).min(*left);
                *left -= part;
                scene.place(&NewOrder::market(scene.symbol, *side, part));
                *left > Quantity::ZERO
            }
        }
    }
}

/// Orders a second of an informed trader.
const INFORMED_RATE: f64 = 20.0;
/// Orders of an informed trader before it gives up.
pub(crate) const INFORMED_ORDERS: u64 = 1_000;
