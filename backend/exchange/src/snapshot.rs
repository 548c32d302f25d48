//! The whole state as bytes, and back: all of it, or an error.
//!
//! A header (magic, format, hash of the rest), then the scenario, then the state in an order that
//! depends on nothing but the state: the same state gives the same bytes in every build, so their
//! hash stands for it. Orders lie as they queue in the books.

mod codec;
mod state;

use crate::exchange::Exchange;
use crate::scenario::{Scenario, ScenarioError};
pub(crate) use codec::{Coded, Reader, Writer, coded, coded_enum};

/// The snapshot format this build writes.
pub const FORMAT: u16 = 2;

const MAGIC: [u8; 4] = *b"hfex";
const HEADER: usize = 14;

/// Why bytes are no snapshot of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Something else.
    #[error("not a snapshot of an exchange")]
    Foreign,
    /// Written by another format.
    #[error("snapshot format {0} is not supported; this build reads {FORMAT}")]
    Format(u16),
    /// Cut short or altered.
    #[error("snapshot is damaged at byte {0}")]
    Damaged(usize),
    /// Its scenario is refused by this build.
    #[error("scenario in the snapshot: {0}")]
    Scenario(#[from] ScenarioError),
}

impl Exchange {
    /// The whole state, scenario included.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let room = 8_192 + 24 * self.engine.orders.len() as usize;
        let mut writer = Writer::with_room(room);
        writer.raw(&MAGIC);
        writer.raw(&FORMAT.to_le_bytes());
        writer.raw(&[0; 8]);
        state::put(self, &mut writer);
        let mut bytes = writer.into_bytes();
        let hash = hash(&bytes[HEADER..]);
        bytes[HEADER - 8..HEADER].copy_from_slice(&hash.to_le_bytes());
        bytes
    }

    /// The exchange a snapshot was taken of.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let (header, body) = bytes
            .split_at_checked(HEADER)
            .ok_or(RestoreError::Foreign)?;
        if header[..4] != MAGIC {
            return Err(RestoreError::Foreign);
        }
        let format = u16::from_le_bytes([header[4], header[5]]);
        if format != FORMAT {
            return Err(RestoreError::Format(format));
        }
        if header[6..] != hash(body).to_le_bytes() {
            return Err(RestoreError::Damaged(HEADER));
        }
        let mut reader = Reader::new(body);
        let exchange = state::take(&mut reader)?;
        if reader.is_empty() {
            Ok(exchange)
        } else {
            Err(reader.damaged())
        }
    }

    /// A fingerprint of the whole state: equal states have equal ones, in every build.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let mut writer = Writer::default();
        state::put(self, &mut writer);
        hash(&writer.into_bytes())
    }

    /// The same of everything but the ticks, which go on whether the market does or not: while
    /// the simulator stands still only commands change it.
    #[must_use]
    pub fn market_hash(&self) -> u64 {
        let mut still = self.clone();
        still.engine.clock.tick = 0;
        still.state_hash()
    }
}

/// Reads the scenario that travels in a snapshot.
fn read_scenario(text: &[u8], reader: &Reader<'_>) -> Result<Scenario, RestoreError> {
    serde_json::from_slice(text).map_err(|_| reader.damaged())
}

/// Eight bytes at a time, multiplied and folded; finds damage, is no defence against malice.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0x9E37_79B9_7F4A_7C15 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        hash ^= hash >> 32;
    }
    hash
}
