//! What can be asked of a session without changing it.

use holdfast_exchange::view::SimulatorView;
use holdfast_exchange::view::{BookView, CandleView, FillView, OrderView, PositionView, TradeView};
use holdfast_exchange::{IntervalError, OrderId, Quantity, Span, SymbolId, TICK_MS, money_text};
use serde::Serialize;

use super::Engine;
use crate::id::ClientId;
use crate::log::Log;
use crate::view::{Balance, Fingerprint, SimulatorState, Statistics, Symbol};

/// How many levels of each side a snapshot shows.
const LEVELS_MAX: usize = 50;

/// How many trades and candles of each symbol, and finished orders, it shows.
const LATEST_MAX: usize = 100;

/// The values of [`crate::view::Snapshot`] without the session, ready to be written.
#[derive(Debug, Serialize)]
pub struct Whole {
    books: Vec<BookView>,
    trades: Vec<TradeView>,
    candles: Vec<CandleView>,
    orders: Vec<OrderView>,
    positions: Vec<PositionView>,
    simulator: SimulatorView,
    n: u64,
}

impl Engine {
    /// Everything at this moment, as `client` needs it to go on.
    pub fn whole(&self, client: Option<&ClientId>) -> Whole {
        let symbols: Vec<SymbolId> = self.exchange.instruments().map(|(id, _)| id).collect();
        let books = symbols.iter().map(|symbol| self.book_of(*symbol)).collect();
        let trades = symbols
            .iter()
            .flat_map(|symbol| self.trades_of(*symbol))
            .collect();
        let candles = symbols
            .iter()
            .flat_map(|symbol| self.candles_of(*symbol))
            .collect();
        Whole {
            books,
            trades,
            candles,
            orders: self.orders(false).into_iter().rev().collect(),
            positions: self.positions(),
            simulator: self.simulator(),
            n: client.map_or(0, |client| self.clients.last(client)),
        }
    }

    /// The book of a symbol, if there is one of that name, at most `levels` of each side.
    pub fn book(&self, symbol: &str, levels: usize) -> Option<BookView> {
        let symbol = self.exchange.symbol(symbol)?;
        Some(
            self.exchange
                .view_depth(&self.exchange.depth(symbol, levels)),
        )
    }

    /// The candles of a symbol that are remembered, oldest first, and the running one; joined into
    /// longer ones where an interval is given.
    pub fn candles(
        &self,
        symbol: &str,
        interval: Option<Span>,
    ) -> Option<Result<Vec<CandleView>, IntervalError>> {
        let symbol = self.exchange.symbol(symbol)?;
        let own = self.exchange.scenario().candle;
        let interval = interval.unwrap_or(own);
        Some(self.exchange.view_candles_of(symbol, interval))
    }

    /// The user's fills that are remembered, newest first.
    pub fn fills(&self) -> Vec<FillView> {
        let newest_first = self.exchange.fills().rev();
        newest_first
            .map(|fill| self.exchange.view_fill(fill))
            .collect()
    }

    /// The user's money.
    pub fn balance(&self) -> Balance {
        let funds = self.exchange.funds();
        Balance {
            asset: "cash".into(),
            balance: money_text(funds.balance),
            equity: money_text(funds.equity),
            used: money_text(funds.used),
            available: money_text(funds.available),
        }
    }

    /// Tells whether two owners have come to the same exchange.
    pub fn fingerprint(&self, log: &Log) -> Fingerprint {
        Fingerprint {
            fingerprint: format!("{:016x}", self.exchange.market_hash()),
            time: self.exchange.market_time() * TICK_MS,
            epoch: log.epoch().to_string(),
            seq: log.top(),
            generation: self.generation,
        }
    }

    /// What was counted of a symbol over the candles that are remembered.
    pub fn statistics(&self, name: &str) -> Option<Statistics> {
        let symbol = self.exchange.symbol(name)?;
        let instrument = self.exchange.instrument(symbol);
        let price = |price| instrument.price_text(price);
        let running = self.exchange.running_candle(symbol);
        let candles: Vec<_> = self.exchange.candles(symbol).chain(running).collect();
        let best = self.exchange.depth(symbol, 1);
        let (bid, ask) = (best.bids.first(), best.asks.first());
        let spread = bid.zip(ask).map(|(bid, ask)| ask.price - bid.price);
        let volume = candles
            .iter()
            .fold(Quantity::ZERO, |sum, candle| sum + candle.volume);
        let now = self.exchange.market_time();
        Some(Statistics {
            symbol: name.into(),
            since: candles.first().map_or(now, |candle| candle.start) * TICK_MS,
            time: now * TICK_MS,
            open: candles.first().map(|candle| price(candle.open)),
            high: candles.iter().map(|candle| candle.high).max().map(price),
            low: candles.iter().map(|candle| candle.low).min().map(price),
            last: price(self.exchange.last_price(symbol)),
            volume: instrument.quantity_text(volume),
            trades: candles.iter().map(|candle| u64::from(candle.trades)).sum(),
            bid: bid.map(|level| price(level.price)),
            ask: ask.map(|level| price(level.price)),
            spread: spread.map(price),
        })
    }

    /// The trades of a symbol that are remembered, oldest first.
    pub fn trades(&self, symbol: &str) -> Option<Vec<TradeView>> {
        let symbol = self.exchange.symbol(symbol)?;
        let trades = self.exchange.trades(symbol);
        Some(
            trades
                .map(|trade| self.exchange.view_trade(trade))
                .collect(),
        )
    }

    /// What the user holds.
    pub fn positions(&self) -> Vec<PositionView> {
        self.exchange
            .positions()
            .iter()
            .map(|held| self.exchange.view_position(held))
            .collect()
    }

    /// The user's orders, newest first: working ones, and finished ones as far
    /// as they are remembered.
    pub fn orders(&self, open_only: bool) -> Vec<OrderView> {
        let mut orders = self.exchange.working_orders();
        if !open_only {
            orders.extend(self.exchange.finished_orders().copied());
        }
        orders.sort_unstable_by_key(|order| std::cmp::Reverse(order.id));
        orders
            .iter()
            .map(|order| self.exchange.view_order(order))
            .collect()
    }

    /// One of the user's orders.
    pub fn order(&self, id: u64) -> Option<OrderView> {
        self.exchange
            .order(OrderId(id))
            .map(|order| self.exchange.view_order(&order))
    }

    /// What the simulator is doing.
    pub fn simulator(&self) -> SimulatorView {
        self.exchange.view_simulator(&self.exchange.simulator())
    }

    /// The simulator's state by itself.
    pub fn simulator_state(&self) -> SimulatorState {
        match self.exchange.simulator().state {
            holdfast_exchange::SimulatorState::Running => SimulatorState::Running,
            holdfast_exchange::SimulatorState::Paused => SimulatorState::Paused,
            holdfast_exchange::SimulatorState::Stopped => SimulatorState::Stopped,
        }
    }

    /// What can be traded.
    pub fn symbols(&self) -> Vec<Symbol> {
        let symbol = |instrument: &holdfast_exchange::Instrument| Symbol {
            symbol: instrument.symbol().into(),
            tick: instrument.tick().to_string(),
            lot: instrument.lot().to_string(),
        };
        self.exchange
            .instruments()
            .map(|(_, instrument)| symbol(instrument))
            .collect()
    }

    /// The name of the market.
    pub fn scenario(&self) -> &str {
        &self.exchange.scenario().name
    }

    /// The seed of the market.
    pub fn seed(&self) -> u64 {
        self.exchange.seed()
    }

    fn book_of(&self, symbol: SymbolId) -> BookView {
        self.exchange
            .view_depth(&self.exchange.depth(symbol, LEVELS_MAX))
    }

    fn trades_of(&self, symbol: SymbolId) -> Vec<TradeView> {
        let latest: Vec<_> = self
            .exchange
            .trades(symbol)
            .rev()
            .take(LATEST_MAX)
            .collect();
        latest
            .into_iter()
            .rev()
            .map(|trade| self.exchange.view_trade(trade))
            .collect()
    }

    fn candles_of(&self, symbol: SymbolId) -> Vec<CandleView> {
        let mut candles = self.exchange.view_candles(symbol);
        let over = candles.len().saturating_sub(LATEST_MAX);
        candles.drain(..over);
        candles
    }
}
