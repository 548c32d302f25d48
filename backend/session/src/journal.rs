//! What is written down before it is done. Together with a snapshot the
//! records give every later state and every later log entry.

use holdfast_exchange::Scenario;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::connections::Connection;
use crate::id::{ClientId, ConnectionId};
use crate::message::{Command, Problem};

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Under which generation it was written.
    pub generation: u64,
    /// It comes before everything that this tick and later ones bring by themselves.
    pub tick: u64,
    /// What changes.
    pub change: Change,
}

/// What a record changes.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is a message; boxing it would cost each an allocation"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A client's message.
    Message(Message),
    /// The market rested: its clock is set back by so many ticks.
    Rest {
        /// How many.
        ticks: u64,
    },
    /// What has long been silent is forgotten.
    Forget {
        /// Connections without a leg.
        connections: Vec<ConnectionId>,
        /// Clients without a connection.
        clients: Vec<ClientId>,
    },
}

/// A client's message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The connection it came on and how it stands with this message accepted;
    /// none for a command that came by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<(ConnectionId, Connection)>,
    /// Whose it is and its number; none for a command without a key, which
    /// cannot be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<(ClientId, u64)>,
    /// What is asked.
    pub asked: Asked,
}

/// What is asked, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A command.
    Command(Command),
    /// [`Command::SessionRestart`] with the market it names: what a name stands for may change
    /// with the build, what was done may not.
    Restart {
        /// The market.
        scenario: Box<Scenario>,
        /// Its seed; as before when none is given.
        seed: Option<u64>,
    },
    /// Nothing: the message only counts as accepted. Written all the same, since
    /// a proxy that moves the connection waits for what it forwarded to be accepted.
    Nothing,
    /// A numbered message that is none; it is answered too.
    Unreadable {
        /// The type it names.
        kind: String,
        /// What is wrong with it.
        problem: Problem,
    },
}

impl Asked {
    /// Its name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::Command(command) => command.name(),
            Self::Restart { .. } => "session.restart",
            Self::Nothing => "nothing",
            Self::Unreadable { kind, .. } => kind,
        }
    }

    /// Tells it from anything else that may be asked: the same in every build (FNV-1a, 64 bits).
    pub fn print(&self) -> u64 {
        print(self)
    }

    /// The first version of the journal that knows it.
    const fn since(&self) -> u8 {
        match self {
            Self::Restart { .. } => 2,
            Self::Command(command) => match command {
                Command::OrderCancelAll(_)
                | Command::OrderCancelAfter(_)
                | Command::OrderBatch(_)
                | Command::SimulatorStep(_)
                | Command::SimulatorJump(_)
                | Command::SimulatorShock(_)
                | Command::SessionUpdate(_)
                | Command::SessionRestart(_) => 2,
                _ => 1,
            },
            Self::Nothing | Self::Unreadable { .. } => 1,
        }
    }
}

/// A number that tells values apart, the same in every build: FNV-1a of their JSON, 64 bits.
pub fn print(value: &impl Serialize) -> u64 {
    // values of these types have string keys only and writing to memory cannot fail
    let text = serde_json::to_vec(value).unwrap_or_default();
    let fold = |print: u64, byte: &u8| (print ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    text.iter().fold(0xcbf2_9ce4_8422_2325, fold)
}

/// Bytes that are no record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// A later version wrote it; taking the session over would lose it.
    #[error("journal record of version {0}; this build reads {VERSION}")]
    Version(u8),
    /// Cut short or altered.
    #[error("damaged journal record: {0}")]
    Damaged(String),
}

/// The newest version this build reads, the first byte of each record. A record is written with
/// the oldest version that has what is in it, so that a build that is rolled back reads what it
/// can.
pub const VERSION: u8 = 2;

impl Record {
    /// As it is stored: a version byte, then JSON.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(match &self.change {
            Change::Message(message) => message.asked.since(),
            Change::Rest { .. } | Change::Forget { .. } => 1,
        });
        // values of these types have string keys only and writing to memory cannot fail
        let written = serde_json::to_writer(&mut bytes, self);
        debug_assert!(written.is_ok(), "a record is always JSON");
        bytes
    }

    /// Reads it back.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            Some((&(1..=VERSION), json)) => {
                serde_json::from_slice(json).map_err(|e| RecordError::Damaged(e.to_string()))
            }
            Some((&other, _)) => Err(RecordError::Version(other)),
            None => Err(RecordError::Damaged("empty".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{CancelAll, Empty, OrderCancel};
    use crate::subscription::{Channels, Coalesce};

    fn record(change: Change) -> Record {
        Record {
            generation: 3,
            tick: 77,
            change,
        }
    }

    fn message(number: Option<(ClientId, u64)>, asked: Asked) -> Change {
        let id = ConnectionId::new(5);
        let connection = Connection {
            attempt: 2,
            accepted: 9,
            client: ClientId::of_connection(id),
            channels: Channels::ALL,
            coalesce: Coalesce::Tenth,
            tick: 77,
        };
        Change::Message(Message {
            connection: Some((id, connection)),
            number,
            asked,
        })
    }

    fn restart() -> Asked {
        Asked::Restart {
            scenario: Box::default(),
            seed: Some(7),
        }
    }

    #[test]
    fn a_build_that_is_rolled_back_is_told_only_of_what_it_cannot_read() {
        let version = |asked| record(message(None, asked)).encode()[0];
        let pause = Asked::Command(Command::SimulatorPause(Empty {}));
        let all = Asked::Command(Command::OrderCancelAll(CancelAll::default()));
        assert_eq!(
            (version(pause), version(all), version(restart())),
            (1, 2, 2)
        );
    }

    #[test]
    fn every_record_is_read_back_as_written() {
        let client: ClientId = "tab".parse().expect("a name");
        let cancel = Asked::Command(Command::OrderCancel(OrderCancel { order_id: 4 }));
        let unreadable = Asked::Unreadable {
            kind: "order.nwe".into(),
            problem: Problem::new("unknown_type", "no such type"),
        };
        for change in [
            message(Some((client.clone(), 1)), cancel),
            message(Some((client.clone(), 2)), unreadable),
            message(None, Asked::Command(Command::SimulatorPause(Empty {}))),
            message(None, restart()),
            Change::Rest { ticks: 12 },
            Change::Forget {
                connections: vec![ConnectionId::new(5)],
                clients: vec![client],
            },
        ] {
            let record = record(change);
            assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn what_is_no_record_of_this_version_is_refused() {
        let mut bytes = record(Change::Rest { ticks: 1 }).encode();
        let cut = Record::decode(&bytes[..bytes.len() - 1]);
        assert!(matches!(cut, Err(RecordError::Damaged(_))), "{cut:?}");
        bytes[0] = VERSION + 1;
        assert_eq!(
            Record::decode(&bytes),
            Err(RecordError::Version(VERSION + 1))
        );
        assert!(matches!(Record::decode(&[]), Err(RecordError::Damaged(_))));
    }
}
