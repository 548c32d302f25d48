//! Events and state as clients see them: names and decimal texts, ready to be serialized.
//!
//! `time` and `entered` are milliseconds of market time since the exchange began.

use crate::candle::{Candle, INTERVAL_MAX, IntervalError, joined};
use crate::command::{Kind, TimeInForce};
use crate::event::{
    BookUpdate, CandleClosed, Event, Events, Fill, Level, OrderReport, PositionReport,
    SimulatorReport, Trade,
};
use crate::exchange::Exchange;
use crate::instrument::{Instrument, money_text};
use crate::query::Depth;
use crate::scenario::Span;
use crate::units::{Side, SymbolId, TICK_MS};
use serde::Serialize;

/// An event's data; [`View::log_type`] is its type in the output log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the names say it: one for each log type")]
pub enum View {
    Book(BookView),
    Trade(TradeView),
    Candle(CandleView),
    Order(OrderView),
    Fill(FillView),
    Position(PositionView),
    Simulator(SimulatorView),
}

/// A level as text: price, quantity.
pub type LevelText = [String; 2];

/// Changed levels of a book, or all of them in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BookView {
    /// Which instrument.
    pub symbol: String,
    /// Number of the first change; absent in a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Number of the last change.
    pub last: u64,
    /// Bids, best first; quantity `0`: the level is gone.
    pub bids: Vec<LevelText>,
    /// Asks, best first.
    pub asks: Vec<LevelText>,
    /// CRC-32 of the ten best levels of each side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u32>,
    /// When it was so.
    pub time: u64,
}

/// A public trade.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "fields as in `event::Trade`")]
pub struct TradeView {
    pub trade_id: u64,
    pub symbol: String,
    pub price: String,
    pub quantity: String,
    /// The taker's side.
    pub side: Side,
    pub time: u64,
}

/// A candle.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "fields as in `Candle`")]
pub struct CandleView {
    pub symbol: String,
    /// Its length in milliseconds of market time.
    pub interval: u64,
    /// Where it begins.
    pub time: u64,
    pub open: String,
    pub high: String,
    pub low: String,
    pub close: String,
    pub volume: String,
    pub trades: u32,
    /// Whether it can change no more.
    pub closed: bool,
}

/// An order and what happened to it last.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "fields as in `OrderReport`")]
pub struct OrderView {
    pub order_id: u64,
    pub symbol: String,
    pub side: Side,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub status: &'static str,
    pub execution: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    pub quantity: String,
    pub filled: String,
    pub remaining: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_price: Option<String>,
    pub time_in_force: &'static str,
    pub entered: u64,
    pub time: u64,
}

/// One of the user's fills.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "fields as in `event::Fill`")]
pub struct FillView {
    pub trade_id: u64,
    pub order_id: u64,
    pub symbol: String,
    pub side: Side,
    pub price: String,
    pub quantity: String,
    pub fee: String,
    /// `maker` or `taker`.
    pub liquidity: &'static str,
    pub time: u64,
}

/// A position.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "fields as in `PositionReport`")]
pub struct PositionView {
    pub symbol: String,
    pub quantity: String,
    /// What a held lot cost on average; absent when flat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_price: Option<String>,
    pub realised_pnl: String,
    pub unrealised_pnl: String,
    pub fees: String,
    pub balance: String,
    pub time: u64,
}

/// The simulator.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "fields as in `SimulatorReport`")]
pub struct SimulatorView {
    pub state: &'static str,
    pub speed: f64,
    pub scenario: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<&'static str>,
    pub time: u64,
}

impl View {
    /// The type of its entry in the output log.
    #[must_use]
    pub fn log_type(&self) -> &'static str {
        match self {
            Self::Book(_) => "book",
            Self::Trade(_) => "trade",
            Self::Candle(_) => "candle",
            Self::Order(_) => "order",
            Self::Fill(_) => "fill",
            Self::Position(_) => "position",
            Self::Simulator(_) => "simulator",
        }
    }
}

impl Exchange {
    /// An event of `events` as clients see it.
    #[must_use]
    pub fn view(&self, events: &Events, event: &Event) -> View {
        match event {
            Event::Book(update) => View::Book(self.view_update(update, events.levels(update))),
            Event::Trade(trade) => View::Trade(self.view_trade(trade)),
            Event::Candle(closed) => View::Candle(self.view_candle(closed, true)),
            Event::Order(report) => View::Order(self.view_order(report)),
            Event::Fill(fill) => View::Fill(self.view_fill(fill)),
            Event::Position(position) => View::Position(self.view_position(position)),
            Event::Simulator(report) => View::Simulator(self.view_simulator(report)),
        }
    }

    /// A whole book.
    #[must_use]
    pub fn view_depth(&self, depth: &Depth) -> BookView {
        let instrument = self.instrument(depth.symbol);
        BookView {
            symbol: instrument.symbol().to_owned(),
            first: None,
            last: depth.last,
            bids: level_texts(instrument, depth.bids.iter()),
            asks: level_texts(instrument, depth.asks.iter()),
            checksum: Some(depth.checksum),
            time: self.market_time() * TICK_MS,
        }
    }

    /// A change of a book.
    #[must_use]
    pub fn view_update(&self, update: &BookUpdate, levels: &[Level]) -> BookView {
        let instrument = self.instrument(update.symbol);
        let of = |side| levels.iter().filter(move |level| level.side == side);
        BookView {
            symbol: instrument.symbol().to_owned(),
            first: Some(update.first),
            last: update.last,
            bids: level_texts(instrument, of(Side::Buy).rev()),
            asks: level_texts(instrument, of(Side::Sell)),
            checksum: update.checksum,
            time: self.market_time() * TICK_MS,
        }
    }

    /// A trade.
    #[must_use]
    pub fn view_trade(&self, trade: &Trade) -> TradeView {
        let instrument = self.instrument(trade.symbol);
        TradeView {
            trade_id: trade.id.0,
            symbol: instrument.symbol().to_owned(),
            price: instrument.price_text(trade.price),
            quantity: instrument.quantity_text(trade.quantity),
            side: trade.taker,
            time: trade.time * TICK_MS,
        }
    }

    /// A candle, finished or running.
    #[must_use]
    pub fn view_candle(&self, of: &CandleClosed, closed: bool) -> CandleView {
        let instrument = self.instrument(of.symbol);
        let price = |price| instrument.price_text(price);
        CandleView {
            symbol: instrument.symbol().to_owned(),
            interval: of.interval * TICK_MS,
            time: of.candle.start * TICK_MS,
            open: price(of.candle.open),
            high: price(of.candle.high),
            low: price(of.candle.low),
            close: price(of.candle.close),
            volume: instrument.quantity_text(of.candle.volume),
            trades: of.candle.trades,
            closed,
        }
    }

    /// The finished candles of an instrument, oldest first, and the running one.
    #[must_use]
    pub fn view_candles(&self, symbol: SymbolId) -> Vec<CandleView> {
        let interval = self.scenario().candle.ticks();
        let closed = |candle| CandleClosed {
            symbol,
            interval,
            candle,
        };
        let finished = self
            .candles(symbol)
            .map(|candle| self.view_candle(&closed(*candle), true));
        let running = self.running_candle(symbol);
        let running = running.map(|candle| self.view_candle(&closed(*candle), false));
        finished.chain(running).collect()
    }

    /// The same, joined into candles of a multiple of the market's own interval. One that has lost
    /// its beginning to what is forgotten is left out.
    pub fn view_candles_of(
        &self,
        symbol: SymbolId,
        interval: Span,
    ) -> Result<Vec<CandleView>, IntervalError> {
        let (base, asked) = (self.scenario().candle, interval.ticks());
        if asked == 0 || asked % base.ticks() != 0 || interval > INTERVAL_MAX {
            return Err(IntervalError {
                asked: interval,
                base,
            });
        }
        if interval == base {
            return Ok(self.view_candles(symbol));
        }
        let finished = self.candles(symbol).count();
        let cut = finished >= usize::from(self.scenario().remembered);
        let running = self.running_candle(symbol);
        let all = self.candles(symbol).chain(running).copied();
        let shown = |candle: Candle| {
            let closed = self.market_time() >= candle.start + asked;
            let of = CandleClosed {
                symbol,
                interval: asked,
                candle,
            };
            self.view_candle(&of, closed)
        };
        Ok(joined(all, asked, cut).into_iter().map(shown).collect())
    }

    /// An order.
    #[must_use]
    pub fn view_order(&self, report: &OrderReport) -> OrderView {
        let instrument = self.instrument(report.symbol);
        let price = |price| Some(instrument.price_text(price));
        let quantity = |quantity| instrument.quantity_text(quantity);
        let remaining = if report.status.is_final() {
            crate::Quantity::ZERO
        } else {
            report.quantity - report.filled
        };
        let (kind, limit, stop, trail) = match report.kind {
            Kind::Limit { price } => ("limit", Some(price), None, None),
            Kind::Market => ("market", None, None, None),
            Kind::Stop { trigger } => ("stop", None, Some(trigger), None),
            Kind::StopLimit { trigger, price } => ("stop_limit", Some(price), Some(trigger), None),
            Kind::TakeProfit { trigger } => ("take_profit", None, Some(trigger), None),
            Kind::TakeProfitLimit { trigger, price } => {
                ("take_profit_limit", Some(price), Some(trigger), None)
            }
            Kind::TrailingStop { distance } => ("trailing_stop", None, None, Some(distance)),
        };
        OrderView {
            order_id: report.id.0,
            symbol: instrument.symbol().to_owned(),
            side: report.side,
            kind,
            status: report.status.as_str(),
            execution: report.execution.as_str(),
            code: report.code,
            quantity: quantity(report.quantity),
            filled: quantity(report.filled),
            remaining: quantity(remaining),
            price: limit.and_then(price),
            stop_price: report.trigger.or(stop).and_then(price),
            trail: trail.and_then(price),
            display: report.display.map(quantity),
            average_price: instrument
                .average(report.value, report.filled)
                .and_then(price),
            time_in_force: match report.time_in_force {
                TimeInForce::Gtc => "gtc",
                TimeInForce::Ioc => "ioc",
                TimeInForce::Fok => "fok",
                TimeInForce::Gtd(_) => "gtd",
                TimeInForce::Day => "day",
            },
            entered: report.entered * TICK_MS,
            time: report.time * TICK_MS,
        }
    }

    /// A fill.
    #[must_use]
    pub fn view_fill(&self, fill: &Fill) -> FillView {
        let instrument = self.instrument(fill.symbol);
        FillView {
            trade_id: fill.trade.0,
            order_id: fill.order.0,
            symbol: instrument.symbol().to_owned(),
            side: fill.side,
            price: instrument.price_text(fill.price),
            quantity: instrument.quantity_text(fill.quantity),
            fee: money_text(fill.fee),
            liquidity: if fill.maker { "maker" } else { "taker" },
            time: fill.time * TICK_MS,
        }
    }

    /// A position.
    #[must_use]
    pub fn view_position(&self, position: &PositionReport) -> PositionView {
        let instrument = self.instrument(position.symbol);
        let average = instrument.average(position.cost, position.quantity);
        PositionView {
            symbol: instrument.symbol().to_owned(),
            quantity: instrument.quantity_text(position.quantity),
            average_price: average.map(|price| instrument.price_text(price)),
            realised_pnl: money_text(position.realised),
            unrealised_pnl: money_text(position.unrealised),
            fees: money_text(position.fees),
            balance: money_text(position.balance),
            time: position.time * TICK_MS,
        }
    }

    /// The simulator.
    #[must_use]
    pub fn view_simulator(&self, report: &SimulatorReport) -> SimulatorView {
        let condition = report.condition;
        SimulatorView {
            state: report.state.as_str(),
            speed: f64::from(report.speed) / 1_000.0,
            scenario: self.scenario().name.clone(),
            symbol: condition.map(|(symbol, _)| self.instrument(symbol).symbol().to_owned()),
            condition: condition.map(|(_, condition)| condition.as_str()),
            time: report.time * TICK_MS,
        }
    }
}

fn level_texts<'a>(
    instrument: &Instrument,
    levels: impl Iterator<Item = &'a Level>,
) -> Vec<LevelText> {
    levels
        .map(|level| {
            [
                instrument.price_text(level.price),
                instrument.quantity_text(level.quantity),
            ]
        })
        .collect()
}
