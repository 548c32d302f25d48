//! The output log: what a session emits, numbered, in one order for everybody.

use std::sync::Arc;

use crate::id::ClientId;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Prices of a book that changed.
    Book,
    /// A trade.
    Trade,
    /// A candle.
    Candle,
    /// An order of the user.
    Order,
    /// A fill of the user.
    Fill,
    /// A position of the user.
    Position,
    /// The simulator's state.
    Simulator,
    /// What a command came to; for its client only.
    Answer,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Book,
        Self::Trade,
        Self::Candle,
        Self::Order,
        Self::Fill,
        Self::Position,
        Self::Simulator,
        Self::Answer,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Trade => "trade",
            Self::Candle => "candle",
            Self::Order => "order",
            Self::Fill => "fill",
            Self::Position => "position",
            Self::Simulator => "simulator",
            Self::Answer => "answer",
        }
    }

    /// Whether a later entry of it can stand for earlier ones.
    pub const fn is_market_data(self) -> bool {
        matches!(self, Self::Book | Self::Trade | Self::Candle)
    }

    /// Its place in a set of channels; answers are no channel.
    pub(crate) const fn bit(self) -> Option<u8> {
        match self {
            Self::Book => Some(1),
            Self::Trade => Some(1 << 1),
            Self::Candle => Some(1 << 2),
            Self::Order => Some(1 << 3),
            Self::Fill => Some(1 << 4),
            Self::Position => Some(1 << 5),
            Self::Simulator => Some(1 << 6),
            Self::Answer => None,
        }
    }
}

/// One entry, serialized once and shared by everybody who is sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number; the first is 1.
    pub seq: u64,
    /// What it is about.
    pub kind: Kind,
    /// For answers, whose.
    pub client: Option<ClientId>,
    /// A JSON object: the value of `data`, or for answers `n`, `ok` and the rest.
    pub body: Arc<str>,
}
