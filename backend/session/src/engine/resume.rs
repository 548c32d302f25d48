//! Where a leg starts in the log.

use holdfast_exchange::TICK_MS;

use super::Engine;
use crate::id::EntryId;
use crate::log::Log;
use crate::view::ResetReason;

/// How far ahead of this owner's clock the market may be taken, in ticks, to
/// reach a place that the owner before, whose clock was ahead, has emitted: 1 s.
const SKEW_TICKS: u64 = 1_000 / TICK_MS;

/// Where a leg starts, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the top, with a snapshot.
    Fresh,
    /// After this entry; what follows it is replayed.
    After(u64),
    /// It cannot go on from where it was: a reset, then a snapshot.
    Reset(ResetReason),
}

impl Engine {
    /// Finds the place named by `last_event_id`, as it was sent. `generation` is
    /// the one under which the connection was served before, where known.
    pub fn start(
        &mut self,
        log: &mut Log,
        last_event_id: Option<&str>,
        generation: Option<u64>,
    ) -> Start {
        let Some(text) = last_event_id else {
            return Start::Fresh;
        };
        let place: EntryId = match text.parse() {
            Ok(place) => place,
            Err(_) => return Start::Reset(ResetReason::Epoch),
        };
        if place.epoch != *log.epoch() {
            return Start::Reset(ResetReason::Epoch);
        }
        if place.seq == 0 {
            return Start::Fresh;
        }
        if generation.is_some_and(|seen| seen > self.generation) {
            // the store has lost the claim of the owner that served it
            return Start::Reset(ResetReason::Diverged);
        }
        if self.diverged(place.seq, generation) {
            return Start::Reset(ResetReason::Diverged);
        }
        self.reach(log, place.seq);
        if place.seq > log.top() {
            Start::Reset(ResetReason::Ahead)
        } else if place.seq < log.bottom() {
            Start::Reset(ResetReason::Trimmed)
        } else {
            Start::After(place.seq)
        }
    }

    /// Whether a command of a later generation changed an entry at or before
    /// `seq` that the owner of `generation` had emitted without it.
    fn diverged(&self, seq: u64, generation: Option<u64>) -> bool {
        let Some(seen) = generation else { return false };
        let later = self
            .changes
            .iter()
            .find(|(generation, _)| *generation > seen);
        later.is_some_and(|(_, first)| seq >= *first)
    }

    fn reach(&mut self, log: &mut Log, seq: u64) {
        if self.open.is_some() {
            return;
        }
        let limit = self.exchange.tick() + SKEW_TICKS;
        while log.top() < seq && self.exchange.tick() < limit {
            let next = self.exchange.tick() + 1;
            self.walk(log, next);
        }
    }
}
