//! The engine as bytes, and back from snapshot and journal.

use holdfast_exchange::{Events, Exchange, RestoreError, TICK_MS};
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Engine, VERSION};
use crate::clients::Clients;
use crate::connections::Connections;
use crate::id::Epoch;
use crate::journal::{Record, RecordError};
use crate::log::Log;
use crate::terms::Terms;
use crate::trail::{Place, Trail, Why};

mod past;

pub use past::Mark;

/// Everything but the exchange, which writes itself.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    pub(super) engine: u32,
    pub(super) epoch: Epoch,
    pub(super) seq: u64,
    anchor_ms: u64,
    length: u64,
    changes: Vec<(u64, u64)>,
    clients: Clients,
    connections: Connections,
    /// Where the trail stands; a build that knows of none drops it, and another begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trail: Option<Place>,
    /// Since layout 2.
    #[serde(default, skip_serializing_if = "is_default")]
    terms: Terms,
}

/// The newest layout this build reads: the first byte. A state is written in the oldest one that
/// has what is in it, so that a build that is rolled back reads what it can. Since the third the
/// session's own part may be deflated (RFC 1951).
pub(super) const LAYOUT: u8 = 3;

/// A part of the session's own that is larger is deflated, in bytes: answers and the names of
/// clients fill most of it, and say the same again and again.
const PLAIN_MAX: usize = 16 << 10;

/// What a deflated part may come to, in bytes: more is damage.
const INFLATED_MAX: usize = 64 << 20;

/// Deflate's least thorough level: the others save little here and cost more.
const DEFLATE_LEVEL: u8 = 1;

fn is_default(terms: &Terms) -> bool {
    *terms == Terms::default()
}

/// A session brought back.
#[derive(Debug)]
pub struct Revived {
    /// As it was after the last record of its journal.
    pub engine: Engine,
    /// What was emitted since the snapshot it was revived from.
    pub log: Log,
    /// Whether the log goes on; if not, nobody can resume.
    pub same_epoch: bool,
    /// Where the snapshot stands that it was revived from.
    pub mark: Mark,
}

/// Why a session cannot be brought back here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReviveError {
    /// Another build wrote it; it must go to a build that can read it.
    #[error("the state was written by a version that this build cannot read: {0}")]
    Later(String),
    /// Another version ran the market there; this one would lead to other entries.
    #[error("the state was written by another version")]
    Other,
    /// It cannot be read.
    #[error("the state is damaged: {0}")]
    Damaged(String),
}

/// What a store gives for a revival.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The snapshot to start from: its bytes.
    pub snapshot: &'a [u8],
    /// Written after the last act of its owner: nothing has happened since.
    pub last_act: bool,
    /// The store may have lost what was written last: what clients have seen may be missing.
    pub rewound: bool,
    /// The journal, each record with its number; those the snapshot includes are skipped.
    pub journal: &'a [(u64, Vec<u8>)],
}

impl Engine {
    /// The whole state at a command boundary; `None` while an append is open.
    pub fn state(&self, log: &Log) -> Option<Vec<u8>> {
        if self.open.is_some() {
            return None;
        }
        let state = State {
            engine: VERSION,
            epoch: log.epoch().clone(),
            seq: log.top(),
            anchor_ms: self.anchor_ms,
            length: self.length,
            changes: self.changes.clone(),
            clients: self.clients.clone(),
            connections: self.connections.clone(),
            trail: self.trail.as_ref().map(Trail::place),
            terms: self.terms.clone(),
        };
        let plain = serde_json::to_vec(&state).ok()?;
        let (layout, own) = if plain.len() > PLAIN_MAX {
            (LAYOUT, compress_to_vec(&plain, DEFLATE_LEVEL))
        } else if is_default(&self.terms) {
            (1, plain)
        } else {
            (2, plain)
        };
        let exchange = self.exchange.snapshot();
        let mut bytes = Vec::with_capacity(own.len() + exchange.len() + 5);
        bytes.push(layout);
        bytes.extend(u32::try_from(own.len()).ok()?.to_be_bytes());
        bytes.extend(own);
        bytes.extend(exchange);
        Some(bytes)
    }

    /// Brings a session back under `generation`. Where the journal would lead to
    /// other entries than it did (another version of the engine, after a crash; a
    /// store that has lost its last moments), the log starts anew as `fresh`.
    pub fn revive(
        stored: Stored<'_>,
        generation: u64,
        catch_up_ms: u64,
        fresh: Epoch,
    ) -> Result<Revived, ReviveError> {
        let (state, exchange) = decode(stored.snapshot)?;
        let same_epoch = !stored.rewound && (state.engine == VERSION || stored.last_act);
        let epoch = if same_epoch {
            state.epoch.clone()
        } else {
            fresh
        };
        let mut log = Log::new(epoch, state.seq);
        let trail = state.trail.clone();
        let mut engine = Self::restore(state, exchange, generation, catch_up_ms)?;
        let mark = Mark::new(&engine, &log);
        match trail {
            Some(place) if same_epoch => engine.trail = Some(Trail::at(place)),
            Some(_) => engine.begin_trail(&log, log.epoch().clone(), Why::Epoch),
            None => {}
        }
        engine.replay(&mut log, stored.journal, u64::MAX)?;
        Ok(Revived {
            engine,
            log,
            same_epoch,
            mark,
        })
    }

    pub(super) fn restore(
        state: State,
        exchange: &[u8],
        generation: u64,
        catch_up_ms: u64,
    ) -> Result<Self, ReviveError> {
        let exchange = Exchange::restore(exchange).map_err(|error| match error {
            RestoreError::Format(_) => ReviveError::Later(error.to_string()),
            _ => ReviveError::Damaged(error.to_string()),
        })?;
        Ok(Self {
            generation,
            exchange,
            clients: state.clients,
            connections: state.connections,
            terms: state.terms,
            began_anew: false,
            anchor_ms: state.anchor_ms,
            length: state.length,
            changes: state.changes,
            catch_up_ticks: catch_up_ms / TICK_MS,
            waiting: std::collections::VecDeque::new(),
            open: None,
            trail: None,
            events: Events::new(),
            text: Vec::new(),
        })
    }

    /// Applies what the journal has from here on, up to `length` records in all.
    fn replay(
        &mut self,
        log: &mut Log,
        journal: &[(u64, Vec<u8>)],
        length: u64,
    ) -> Result<(), ReviveError> {
        let start = journal.partition_point(|(number, _)| *number < self.length);
        for (number, bytes) in &journal[start..] {
            if *number >= length {
                break;
            }
            if *number != self.length {
                let missing = format!("record {} is missing", self.length);
                return Err(ReviveError::Damaged(missing));
            }
            let record = Record::decode(bytes).map_err(|error| match error {
                RecordError::Version(_) => ReviveError::Later(error.to_string()),
                RecordError::Damaged(why) => ReviveError::Damaged(why),
            })?;
            self.apply(log, record);
        }
        Ok(())
    }
}

/// The session's own state, and the exchange's bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<(State, &[u8]), ReviveError> {
    let damaged = |why: &str| ReviveError::Damaged(why.into());
    let (layout, rest) = bytes.split_first().ok_or_else(|| damaged("empty"))?;
    if !(1..=LAYOUT).contains(layout) {
        return Err(ReviveError::Later(format!(
            "layout {layout} of the session; this build reads 1 to {LAYOUT}"
        )));
    }
    let (length, rest) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| damaged("cut short"))?;
    let length = u32::from_be_bytes(*length) as usize;
    let (own, exchange) = rest
        .split_at_checked(length)
        .ok_or_else(|| damaged("cut short"))?;
    let inflated;
    let plain = if *layout < 3 {
        own
    } else {
        inflated = decompress_to_vec_with_limit(own, INFLATED_MAX)
            .map_err(|error| damaged(&error.to_string()))?;
        &inflated
    };
    let state = serde_json::from_slice(plain).map_err(|error| damaged(&error.to_string()))?;
    Ok((state, exchange))
}
