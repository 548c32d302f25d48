//! Open, high, low, close over a stretch of market time.

use crate::scenario::Span;
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

/// An interval that candles cannot be joined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked} is no multiple of this market's candles of {base}, up to {INTERVAL_MAX}")]
pub struct IntervalError {
    /// What was asked for.
    pub asked: Span,
    /// How long the market's own candles are.
    pub base: Span,
}

/// The longest interval that candles are joined to.
pub(crate) const INTERVAL_MAX: Span = Span::seconds(24 * 3_600);

/// Joins candles, given oldest first, into longer ones of `interval` ticks. Where earlier candles
/// may have been forgotten (`cut`), a first one that lacks its beginning is left out.
pub(crate) fn joined(
    candles: impl Iterator<Item = Candle>,
    interval: u64,
    cut: bool,
) -> Vec<Candle> {
    let mut longer: Vec<Candle> = Vec::new();
    let mut whole = true;
    for candle in candles {
        let start = candle.start - candle.start % interval;
        match longer.last_mut().filter(|last| last.start == start) {
            Some(last) => last.extend(&candle),
            None => {
                whole &= !longer.is_empty() || !cut || candle.start == start;
                longer.push(Candle { start, ..candle });
            }
        }
    }
    if !whole {
        longer.remove(0);
    }
    longer
}

impl Candle {
    /// Takes in the candle that follows.
    fn extend(&mut self, next: &Self) {
        self.high = self.high.max(next.high);
        self.low = self.low.min(next.low);
        self.close = next.close;
        self.volume += next.volume;
        self.trades += next.trades;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A candle of one tick that opens and closes at prices around its number.
    fn candle(start: u64) -> Candle {
        let price = 100 + start.cast_signed();
        Candle {
            start,
            open: Price(price),
            high: Price(price + 5),
            low: Price(price - 5),
            close: Price(price + 1),
            volume: Quantity(2),
            trades: 1,
        }
    }

    #[test]
    fn candles_are_joined_and_stretches_without_trades_make_none() {
        // 6 and 7 alone of the second stretch, none of the third
        let candles = [0, 1, 2, 3, 6, 7, 13].map(candle);
        let longer = joined(candles.into_iter(), 4, false);
        let starts: Vec<u64> = longer.iter().map(|candle| candle.start).collect();
        assert_eq!(starts, [0, 4, 12]);
        let first = Candle {
            open: Price(100),
            high: Price(108),
            low: Price(95),
            close: Price(104),
            volume: Quantity(8),
            trades: 4,
            ..candle(0)
        };
        assert_eq!(longer[0], first);
        let same = joined(candles.into_iter(), 1, true);
        assert_eq!(
            same, candles,
            "of the market's own length nothing is joined"
        );
    }

    #[test]
    fn a_candle_whose_beginning_is_forgotten_is_left_out() {
        let candles = [2, 3, 4, 5].map(candle);
        let starts = |cut| -> Vec<u64> {
            let longer = joined(candles.into_iter(), 4, cut);
            longer.iter().map(|candle| candle.start).collect()
        };
        assert_eq!(starts(true), [4]);
        assert_eq!(starts(false), [0, 4], "nothing was traded before");
    }
}
