//! Another session from a point of this one: the same market, orders and positions, and from there
//! on its own way.

use std::collections::VecDeque;

use holdfast_exchange::{Events, TICK_MS};

use super::state::decode;
use super::{Engine, ReviveError, Stored, VERSION};
use crate::clients::Clients;
use crate::connections::Connections;
use crate::id::EntryId;
use crate::journal::Record;
use crate::log::Log;
use crate::terms::Terms;

impl Engine {
    /// A session that goes on from here by itself, from `wall_ms` on. Labels are carried over; what
    /// clients were answered, connections and times are not.
    pub fn fork(&self, at: &EntryId, origin: &str, wall_ms: u64) -> Self {
        let exchange = self.exchange.clone();
        let anchor_ms = wall_ms.saturating_sub(exchange.tick() * TICK_MS);
        Self {
            generation: 1,
            exchange,
            clients: Clients::default(),
            connections: Connections::default(),
            terms: Terms {
                labels: self.terms.labels.clone(),
                forked_from: Some(format!("{origin}@{at}")),
                ..Terms::default()
            },
            began_anew: false,
            trail: None,
            anchor_ms,
            length: 0,
            changes: Vec::new(),
            catch_up_ticks: self.catch_up_ticks,
            waiting: VecDeque::new(),
            open: None,
            events: Events::new(),
            text: Vec::new(),
        }
    }

    /// The session as it was when entry `seq` had been emitted, from a snapshot before it and the
    /// journal; `until_tick` is where the session has come to since.
    pub fn at(
        stored: Stored<'_>,
        seq: u64,
        until_tick: u64,
        catch_up_ms: u64,
    ) -> Result<Self, ReviveError> {
        let (state, exchange) = decode(stored.snapshot)?;
        if state.engine != VERSION {
            return Err(ReviveError::Other);
        }
        let mut log = Log::new(state.epoch.clone(), state.seq).passing(u64::MAX);
        let mut engine = Self::restore(state, exchange, 0, catch_up_ms)?;
        for (number, bytes) in stored.journal {
            if *number < engine.length {
                continue;
            }
            let record =
                Record::decode(bytes).map_err(|error| ReviveError::Damaged(error.to_string()))?;
            let before = record.tick.saturating_sub(1);
            engine.walk_while(&mut log, seq, before);
            if log.top() >= seq {
                break;
            }
            engine.apply(&mut log, record);
        }
        engine.walk_while(&mut log, seq, until_tick);
        match log.top() >= seq {
            true => Ok(engine),
            false => Err(ReviveError::Other),
        }
    }

    /// The tick of the journal it is at.
    pub fn tick(&self) -> u64 {
        self.exchange.tick()
    }

    /// Lets the market go on until entry `seq` is emitted, up to a tick.
    fn walk_while(&mut self, log: &mut Log, seq: u64, until_tick: u64) {
        while log.top() < seq && self.exchange.tick() < until_tick {
            let next = self.exchange.tick() + 1;
            self.walk(log, next);
        }
    }
}
