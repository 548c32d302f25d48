//! What has been accepted from each connection, over all its legs. A leg is
//! one dial of it; a later leg ends the earlier ones for good.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, ConnectionId};
use crate::subscription::{Channels, Coalesce};

/// How many connections one session remembers.
pub const CONNECTIONS_MAX: usize = 1_024;

/// What is kept of each connection until ten minutes after its last leg.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    known: BTreeMap<ConnectionId, Connection>,
}

/// One client's WebSocket or event stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// The highest attempt seen: the leg that may speak.
    pub attempt: u32,
    /// How many data messages are durably accepted.
    pub accepted: u64,
    /// Whose commands come on it.
    pub client: ClientId,
    /// What it is sent.
    pub channels: Channels,
    /// How often.
    pub coalesce: Coalesce,
    /// When it was last heard of; decides when it may be forgotten.
    pub tick: u64,
}

/// Why a dial is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A later attempt was seen: 409.
    Superseded {
        /// The highest.
        highest: u32,
    },
    /// No more connections are remembered: 429.
    Full,
}

impl Connections {
    /// Takes a dial. A known connection keeps what was changed on it while it
    /// was open: its subscriptions win over those of the request.
    pub fn dial(&mut self, id: ConnectionId, asked: Connection) -> Result<&Connection, Refused> {
        let full = self.known.len() >= CONNECTIONS_MAX;
        match self.known.entry(id) {
            std::collections::btree_map::Entry::Occupied(known) => {
                let known = known.into_mut();
                if asked.attempt <= known.attempt {
                    return Err(Refused::Superseded {
                        highest: known.attempt,
                    });
                }
                known.attempt = asked.attempt;
                known.tick = asked.tick;
                Ok(known)
            }
            std::collections::btree_map::Entry::Vacant(_) if full => Err(Refused::Full),
            std::collections::btree_map::Entry::Vacant(room) => Ok(room.insert(asked)),
        }
    }

    /// What is known of a connection.
    pub fn find(&self, id: ConnectionId) -> Option<&Connection> {
        self.known.get(&id)
    }

    /// For changes while it is open.
    pub fn find_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.known.get_mut(&id)
    }

    /// What a journal record says about a connection, known here or not.
    pub fn recall(&mut self, id: ConnectionId, said: Connection) -> &mut Connection {
        let known = self.known.entry(id).or_insert_with(|| said.clone());
        known.attempt = known.attempt.max(said.attempt);
        known.accepted = known.accepted.max(said.accepted);
        known.tick = known.tick.max(said.tick);
        known
    }

    /// Connections last heard of at or before `tick`.
    pub fn silent_since(&self, tick: u64) -> impl Iterator<Item = ConnectionId> {
        self.known
            .iter()
            .filter(move |(_, known)| known.tick <= tick)
            .map(|(id, _)| *id)
    }

    /// Forgets a connection.
    pub fn forget(&mut self, id: ConnectionId) {
        self.known.remove(&id);
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ConnectionId = ConnectionId::new(1);

    fn dial(attempt: u32) -> Connection {
        Connection {
            attempt,
            accepted: 0,
            client: ClientId::of_connection(ID),
            channels: Channels::ALL,
            coalesce: Coalesce::None,
            tick: 5,
        }
    }

    #[test]
    fn a_later_attempt_goes_on_from_what_was_accepted() {
        let mut connections = Connections::default();
        connections.dial(ID, dial(1)).expect("the first");
        connections.find_mut(ID).expect("known").accepted = 7;
        connections.find_mut(ID).expect("known").channels = Channels::NONE;
        let known = connections.dial(ID, dial(3)).expect("a later one");
        assert_eq!(
            (known.attempt, known.accepted, known.channels),
            (3, 7, Channels::NONE)
        );
    }

    #[test]
    fn an_attempt_that_is_not_above_the_highest_is_refused() {
        let mut connections = Connections::default();
        connections.dial(ID, dial(2)).expect("the first");
        for attempt in [1, 2] {
            let refused = connections.dial(ID, dial(attempt)).cloned();
            assert_eq!(refused, Err(Refused::Superseded { highest: 2 }));
        }
    }

    #[test]
    fn a_record_never_lowers_what_is_known() {
        let mut connections = Connections::default();
        connections.recall(
            ID,
            Connection {
                accepted: 9,
                ..dial(4)
            },
        );
        let known = connections.recall(
            ID,
            Connection {
                accepted: 3,
                ..dial(2)
            },
        );
        assert_eq!((known.attempt, known.accepted), (4, 9));
    }

    #[test]
    fn their_number_is_bounded() {
        let mut connections = Connections::default();
        for id in 0..CONNECTIONS_MAX {
            connections
                .dial(ConnectionId::new(id as u128 + 10), dial(1))
                .expect("room");
        }
        assert_eq!(connections.dial(ID, dial(1)).cloned(), Err(Refused::Full));
    }
}
