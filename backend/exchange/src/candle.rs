//! Open, high, low, close over a stretch of market time.

use crate::units::{Price, Quantity};
use std::collections::VecDeque;

/// One candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candle {
    /// Where it begins, in ticks of market time.
    pub start: u64,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Lots traded.
    pub volume: Quantity,
    /// In how many trades.
    pub trades: u32,
}

/// The running candle of one instrument and the latest finished ones. A stretch without trades
/// makes no candle.
#[derive(Clone, Debug)]
pub(crate) struct Candles {
    pub(crate) interval: u64,
    pub(crate) kept: usize,
    pub(crate) running: Option<Candle>,
    pub(crate) finished: VecDeque<Candle>,
}

impl Candles {
    pub(crate) fn new(interval: u64, kept: usize) -> Self {
        Self {
            interval,
            kept,
            running: None,
            finished: VecDeque::with_capacity(kept + 1),
        }
    }

    pub(crate) fn trade(&mut self, now: u64, price: Price, quantity: Quantity) {
        match &mut self.running {
            Some(candle) => {
                candle.high = candle.high.max(price);
                candle.low = candle.low.min(price);
                candle.close = price;
                candle.volume += quantity;
                candle.trades += 1;
            }
            running => {
                *running = Some(Candle {
                    start: now - now % self.interval,
                    open: price,
                    high: price,
                    low: price,
                    close: price,
                    volume: quantity,
                    trades: 1,
                });
            }
        }
    }

    /// The running candle if its time is over at `now`; it moves to the finished ones.
    pub(crate) fn close(&mut self, now: u64) -> Option<Candle> {
        let candle = self
            .running
            .filter(|candle| now >= candle.start + self.interval)?;
        self.running = None;
        if self.finished.len() == self.kept {
            self.finished.pop_front();
        }
        self.finished.push_back(candle);
        Some(candle)
    }
}
