//! From the exchange's events to entries of the log.

use holdfast_exchange::{Event, TICK_MS};

use super::{Engine, trail};
use crate::log::{Kind, Log};

impl Engine {
    /// Lets the market make its steps up to `tick`, and emits.
    pub(super) fn walk(&mut self, log: &mut Log, tick: u64) {
        // one by one, so that each entry carries the time of its own tick
        while self.exchange.tick() < tick {
            let next = self.exchange.tick() + 1;
            self.exchange.advance(next, &mut self.events);
            if !self.events.is_empty() {
                self.emit(log);
            }
        }
    }

    /// Writes the events that have come up into the log.
    pub(super) fn emit(&mut self, log: &mut Log) {
        let at_ms = self.time_ms();
        for event in self.events.iter() {
            if log.pass() {
                continue;
            }
            let (kind, symbol) = match event {
                Event::Book(update) => (Kind::Book, Some(update.symbol.0)),
                Event::Trade(trade) => (Kind::Trade, Some(trade.symbol.0)),
                Event::Candle(closed) => (Kind::Candle, Some(closed.symbol.0)),
                Event::Order(_) => (Kind::Order, None),
                Event::Fill(_) => (Kind::Fill, None),
                Event::Position(_) => (Kind::Position, None),
                Event::Simulator(_) => (Kind::Simulator, None),
            };
            self.text.clear();
            let view = self.exchange.view(&self.events, event);
            if serde_json::to_writer(&mut self.text, &view).is_ok() {
                let body = String::from_utf8_lossy(&self.text);
                log.push(kind, symbol, None, &body, at_ms);
                if let Some(trail) = &mut self.trail {
                    trail::emitted(trail, log, kind, &body, at_ms);
                }
            }
        }
        self.events.clear();
        if std::mem::take(&mut self.began_anew) && !log.pass() {
            let body = r#"{"reason":"restarted"}"#;
            log.push(Kind::Reset, None, None, body, at_ms);
        }
    }

    /// Wall time of the present tick: the same at every replay.
    pub(super) fn time_ms(&self) -> u64 {
        self.anchor_ms + self.exchange.tick() * TICK_MS
    }
}
