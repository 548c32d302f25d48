//! Entries that were emitted before the snapshot a session was revived from,
//! made again from an older one.

use super::{ReviveError, Stored, decode};
use crate::engine::{Engine, VERSION};
use crate::log::Log;

/// A place that a session has been at: whoever comes to it by another way can
/// tell whether it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    seq: u64,
    length: u64,
    tick: u64,
    /// Of the exchange's state.
    hash: u64,
}

impl Mark {
    pub(super) fn new(engine: &Engine, log: &Log) -> Self {
        Self {
            seq: log.top(),
            length: engine.length,
            tick: engine.exchange.tick(),
            hash: engine.exchange.state_hash(),
        }
    }
}

impl Engine {
    /// The entries after `seq` up to `until`, where the session was revived.
    /// They are only given when the way there ends in the very state that was
    /// found there: after a rollback, say, part of it was gone by another
    /// version, and other entries were sent.
    pub fn regenerate(past: Stored<'_>, until: &Mark, seq: u64) -> Result<Log, ReviveError> {
        let (state, exchange) = decode(past.snapshot)?;
        if state.engine != VERSION {
            return Err(ReviveError::Other);
        }
        let mut log = Log::new(state.epoch.clone(), state.seq).passing(seq);
        let mut engine = Self::restore(state, exchange, 0, u64::MAX)?;
        engine.replay(&mut log, past.journal, until.length)?;
        engine.walk(&mut log, until.tick);
        if Mark::new(&engine, &log) == *until {
            Ok(log)
        } else {
            Err(ReviveError::Other)
        }
    }
}
