//! One instrument's market: its book, its tape and its candles.

use crate::book::Book;
use crate::candle::Candles;
use crate::event::Trade;
use crate::instrument::Instrument;
use crate::orders::Slot;
use crate::units::{Price, Side, SymbolId};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub(crate) instrument: Instrument,
    pub(crate) book: Book,
    /// The latest trades, oldest first.
    pub(crate) tape: VecDeque<Trade>,
    pub(crate) tape_kept: usize,
    pub(crate) candles: Candles,
    /// The last traded price; before the first trade the scenario's.
    pub(crate) last: Price,
    /// Market time until which no order is accepted.
    pub(crate) halted_until: u64,
    /// Lowest and highest trade since sleeping orders were last looked at.
    pub(crate) touched: Option<(Price, Price)>,
    /// Sleeping orders, oldest first.
    pub(crate) sleeping: Vec<Slot>,
    /// The crowd's resting orders, in no particular but a fixed order: one is drawn by lot to be
    /// cancelled.
    pub(crate) crowd: Vec<Slot>,
}

impl Market {
    pub(crate) fn new(
        symbol: SymbolId,
        instrument: Instrument,
        price: Price,
        tape_kept: usize,
        candles: Candles,
    ) -> Self {
        Self {
            instrument,
            book: Book::new(symbol),
            tape: VecDeque::with_capacity(tape_kept + 1),
            tape_kept,
            candles,
            last: price,
            halted_until: 0,
            touched: None,
            sleeping: Vec::new(),
            crowd: Vec::new(),
        }
    }

    /// What a lot is reckoned at: the middle of the book, the last trade where a side is empty.
    pub(crate) fn mark(&self) -> Price {
        match (self.book.best(Side::Buy), self.book.best(Side::Sell)) {
            (Some(bid), Some(ask)) => Price((bid.0 + ask.0) / 2),
            _ => self.last,
        }
    }

    pub(crate) fn record(&mut self, trade: Trade) {
        self.last = trade.price;
        let (low, high) = self.touched.unwrap_or((trade.price, trade.price));
        self.touched = Some((low.min(trade.price), high.max(trade.price)));
        self.candles.trade(trade.time, trade.price, trade.quantity);
        if self.tape.len() == self.tape_kept {
            self.tape.pop_front();
        }
        self.tape.push_back(trade);
    }
}

/// Whether a taker of `side` with this limit may trade at `price`.
pub(crate) fn crosses(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}
