//! What can be asked of an exchange without changing it.

use crate::candle::Candle;
use crate::checksum;
use crate::event::{Execution, Fill, Level, OrderReport, PositionReport, SimulatorReport, Trade};
use crate::exchange::Exchange;
use crate::instrument::Instrument;
use crate::scenario::Scenario;
use crate::units::{AccountId, Money, OrderId, Price, Quantity, Side, SymbolId};

/// A book at one moment: the number of its last change, and its levels, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Which book.
    pub symbol: SymbolId,
    /// Number of the last change in it; the next update's `first` is one above.
    pub last: u64,
    /// What is bid.
    pub bids: Vec<Level>,
    /// What is asked.
    pub asks: Vec<Level>,
    /// CRC-32 of the ten best levels of each side.
    pub checksum: u32,
}

/// An account's money and what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funds {
    /// What was paid in, and what trading brought or cost.
    pub balance: Money,
    /// With all positions at their present worth.
    pub equity: Money,
    /// Buying power tied up by positions and working orders.
    pub used: Money,
    /// Buying power left: equity times leverage, without what is used.
    pub available: Money,
}

impl Exchange {
    /// The last tick that was worked off.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.engine.clock.tick
    }

    /// Market time, in ticks.
    #[must_use]
    pub fn market_time(&self) -> u64 {
        self.engine.clock.market
    }

    /// The seed it was made with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The scenario it was made with.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Whether it runs, and how fast.
    #[must_use]
    pub fn simulator(&self) -> SimulatorReport {
        self.engine.simulator(None)
    }

    /// The instruments, in the order of their [`SymbolId`]s.
    pub fn instruments(&self) -> impl ExactSizeIterator<Item = (SymbolId, &Instrument)> {
        self.engine
            .markets
            .iter()
            .map(|market| (market.book.symbol, &market.instrument))
    }

    /// The number of a symbol.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<SymbolId> {
        self.instruments()
            .find(|(_, instrument)| instrument.symbol() == name)
            .map(|(id, _)| id)
    }

    /// An instrument.
    ///
    /// # Panics
    /// If `symbol` does not come from this exchange.
    #[must_use]
    pub fn instrument(&self, symbol: SymbolId) -> &Instrument {
        &self.engine.markets[symbol.index()].instrument
    }

    /// The book, at most `levels` of each side.
    #[must_use]
    pub fn depth(&self, symbol: SymbolId, levels: usize) -> Depth {
        let market = &self.engine.markets[symbol.index()];
        Depth {
            symbol,
            last: market.book.published,
            bids: market.book.levels(Side::Buy).take(levels).collect(),
            asks: market.book.levels(Side::Sell).take(levels).collect(),
            checksum: checksum::of(market),
        }
    }

    /// The latest trades, oldest first.
    pub fn trades(&self, symbol: SymbolId) -> impl DoubleEndedIterator<Item = &Trade> {
        self.engine.markets[symbol.index()].tape.iter()
    }

    /// The latest finished candles, oldest first.
    pub fn candles(&self, symbol: SymbolId) -> impl DoubleEndedIterator<Item = &Candle> {
        self.engine.markets[symbol.index()].candles.finished.iter()
    }

    /// The candle that is not finished.
    #[must_use]
    pub fn running_candle(&self, symbol: SymbolId) -> Option<&Candle> {
        self.engine.markets[symbol.index()].candles.running.as_ref()
    }

    /// The last traded price.
    #[must_use]
    pub fn last_price(&self, symbol: SymbolId) -> Price {
        self.engine.markets[symbol.index()].last
    }

    /// The user's working orders, oldest first.
    #[must_use]
    pub fn working_orders(&self) -> Vec<OrderReport> {
        let engine = &self.engine;
        let slots = engine.orders.of(AccountId::USER).into_iter();
        slots
            .map(|slot| engine.describe(slot, Execution::New, engine.working_status(slot)))
            .collect()
    }

    /// The user's finished orders as far as they are remembered, in the order they finished.
    pub fn finished_orders(&self) -> impl DoubleEndedIterator<Item = &OrderReport> {
        self.engine
            .history
            .orders
            .iter()
            .filter(|order| order.account == AccountId::USER)
    }

    /// One of the user's orders, working or remembered.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<OrderReport> {
        let engine = &self.engine;
        let live = engine
            .orders
            .find(id)
            .map(|slot| engine.describe(slot, Execution::New, engine.working_status(slot)));
        live.or_else(|| {
            self.finished_orders()
                .rev()
                .find(|order| order.id == id)
                .copied()
        })
        .filter(|order| order.account == AccountId::USER)
    }

    /// The user's fills as far as they are remembered, oldest first.
    pub fn fills(&self) -> impl DoubleEndedIterator<Item = &Fill> {
        self.engine
            .history
            .fills
            .iter()
            .filter(|fill| fill.account == AccountId::USER)
    }

    /// The user's position in each instrument, flat ones too.
    #[must_use]
    pub fn positions(&self) -> Vec<PositionReport> {
        let symbols = self.engine.markets.iter().map(|market| market.book.symbol);
        symbols
            .map(|symbol| self.engine.position(AccountId::USER, symbol))
            .collect()
    }

    /// The user's money.
    #[must_use]
    pub fn balance(&self) -> Money {
        self.engine.accounts[AccountId::USER.index()].balance
    }

    /// The user's money and what is behind it, as the balance check sees it.
    #[must_use]
    pub fn funds(&self) -> Funds {
        let account = &self.engine.accounts[AccountId::USER.index()];
        let (mut equity, mut used) = (account.balance, Money::ZERO);
        for (market, position) in self.engine.markets.iter().zip(&account.positions) {
            let worth = |lots: i64| market.instrument.notional(market.mark(), Quantity(lots));
            let held = position.quantity.0;
            let [buys, sells] = position.working.map(|lots| lots.0);
            equity += worth(held);
            used += worth((held + buys).abs().max((held - sells).abs()));
        }
        let power = equity.0.max(0) * i128::from(self.engine.limits.leverage);
        Funds {
            balance: account.balance,
            equity,
            used,
            available: Money((power - used.0).max(0)),
        }
    }
}
