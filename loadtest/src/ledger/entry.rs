//! One message of a session's output, as far as accounts are concerned.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `<epoch>.<seq>`: a place in a session's output log. The epoch is opaque and kept as its hash:
/// accounts have millions of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryId {
    pub epoch: u64,
    pub seq: u64,
}

impl EntryId {
    /// `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.split_once('.')?;
        let seq = seq.parse().ok()?;
        (!epoch.is_empty()).then(|| Self {
            epoch: print_of(epoch),
            seq,
        })
    }
}

/// What a message is to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Book,
    Trade,
    Candle,
    Order,
    Fill,
    Position,
    Simulator,
    Answer,
    /// An entry of the log of a type that this program does not know.
    Other,
    /// Made for this connection: the state up to and including its id.
    Snapshot,
    /// The server says that it cannot go on where the connection was.
    Reset,
}

impl Kind {
    /// By the `type` of a message.
    #[must_use]
    pub fn of(message_type: &str) -> Self {
        match message_type {
            "book" => Self::Book,
            "trade" => Self::Trade,
            "candle" => Self::Candle,
            "order" => Self::Order,
            "fill" => Self::Fill,
            "position" => Self::Position,
            "simulator" => Self::Simulator,
            "answer" => Self::Answer,
            "snapshot" => Self::Snapshot,
            "reset" => Self::Reset,
            _ => Self::Other,
        }
    }

    /// Of the log, with an id of its own that is larger than any before.
    #[must_use]
    pub fn is_entry(self) -> bool {
        !matches!(self, Self::Snapshot | Self::Reset)
    }

    /// Whether its `time` is the moment at which it came into being.
    fn is_timed(self) -> bool {
        matches!(self, Self::Book | Self::Trade | Self::Order | Self::Fill)
    }
}

/// What a message says, as far as it is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Content {
    /// Hash of the data.
    pub print: u64,
    /// Hash of the symbol it is about; 0 for none.
    pub symbol: u64,
    /// Market time at which it came into being, in milliseconds.
    pub time_ms: Option<u64>,
    /// It stands for several entries of its kind and symbol, of which it is the last.
    pub coalesced: bool,
}

impl Content {
    /// Of the value of `data`; for an answer, of all that is not its id, `prev` and type.
    #[must_use]
    pub fn of(kind: Kind, data: &Value) -> Self {
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        let time_ms = data["time"].as_u64().filter(|_| kind.is_timed());
        Self {
            print: hasher.finish(),
            symbol: data["symbol"].as_str().map_or(0, print_of),
            time_ms,
            coalesced: data["coalesced"] == true,
        }
    }
}

/// A message that a connection received.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// After the start of the run.
    pub at: Duration,
    pub kind: Kind,
    pub id: EntryId,
    pub prev: Option<EntryId>,
    pub content: Content,
}

/// An entry that the session says it emitted.
#[derive(Debug, Clone, Copy)]
pub struct Emitted {
    pub id: EntryId,
    pub kind: Kind,
    pub content: Content,
    /// Hash of the name of the one client it is for.
    pub client: Option<u64>,
}

/// A text as the ledger keeps it.
#[must_use]
pub fn print_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_without_epoch_or_number_are_refused() {
        assert!(
            ["", "e1", ".5", "e1.x", "e1.-1"]
                .iter()
                .all(|text| EntryId::parse(text).is_none())
        );
        assert_ne!(EntryId::parse("e1.5"), EntryId::parse("e2.5"));
    }

    #[test]
    fn contents_that_differ_in_one_value_have_different_prints() {
        let of = |data: Value| Content::of(Kind::Trade, &data);
        let one = of(json!({ "symbol": "ACME", "price": "1.0", "time": 20 }));
        assert_eq!(
            one,
            of(json!({ "time": 20, "price": "1.0", "symbol": "ACME" }))
        );
        assert_eq!(one.time_ms, Some(20));
        let other = of(json!({ "symbol": "ACME", "price": "1.1", "time": 20 }));
        assert_ne!(one.print, other.print);
        assert_eq!(one.symbol, other.symbol);
    }
}
