//! The session itself: exchange, journal and log in one order of work. Append
//! to the journal, then apply, then emit; and nothing of a tick is emitted
//! while an append that comes before it is open.
//!
//! The engine does no I/O. It says what to append ([`Engine::begin`]), is told
//! that it stands ([`Engine::finish`]), and emits into the [`Log`] it is handed.
//! Its state and the entries' numbers are a function of the first snapshot and
//! the journal, whoever runs it and in however many pieces.

mod apply;
mod execute;
mod fork;
mod market;
mod query;
mod resume;
mod state;
mod trail;

use std::collections::VecDeque;

use holdfast_exchange::command::Control;
use holdfast_exchange::{Command as Order, Events, Exchange, Scenario, TICK_MS};

use crate::clients::Clients;
use crate::connections::{Connection, Connections, Refused};
use crate::id::{ClientId, ConnectionId};
use crate::journal::{Asked, Change, Message, Record};
use crate::log::Log;
use crate::message::{Answer, Problem};
use crate::terms::Terms;
use crate::trail::Trail;

pub use execute::SEED_END;
pub use query::Whole;
pub use resume::Start;
pub use state::{Mark, ReviveError, Revived, Stored};

/// Which events a journal leads to. Raised when the same journal would lead to
/// others; a session is then continued from a crash under a new epoch.
pub const VERSION: u32 = 3;

/// How many messages wait for their append at most.
pub const PENDING_MAX: usize = 256;

/// How many records one append has at most.
pub const BATCH_MAX: usize = 64;

/// How far one call of [`Engine::advance`] goes, in ticks.
const STRIDE_TICKS: u64 = 500;

/// How long a connection without a leg and a client without a connection are
/// remembered, in ticks: ten minutes.
const REMEMBERED_TICKS: u64 = 10 * 60 * 1_000 / TICK_MS;

/// A session's exchange with everything that makes it one user's.
#[derive(Debug)]
pub struct Engine {
    generation: u64,
    exchange: Exchange,
    clients: Clients,
    connections: Connections,
    /// Wall time of tick 0, in milliseconds since 1970.
    anchor_ms: u64,
    /// What its user has laid down besides.
    terms: Terms,
    /// The market was restarted and nobody was told yet.
    began_anew: bool,
    /// How many records have been appended and applied.
    length: u64,
    /// For each generation the first entry its commands changed.
    changes: Vec<(u64, u64)>,
    /// How far behind the clock the market catches up; beyond it, it rests.
    catch_up_ticks: u64,
    waiting: VecDeque<Waiting>,
    open: Option<Open>,
    /// What the ledger is to know; none without a ledger.
    trail: Option<Trail>,
    /// Reused from turn to turn.
    events: Events,
    text: Vec<u8>,
}

/// Whom to tell what a command came to, when it came without a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A message on its way into the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The connection it came on.
    pub connection: Option<ConnectionId>,
    /// Whose it is and its number.
    pub number: Option<(ClientId, u64)>,
    /// What is asked.
    pub asked: Asked,
    /// Whom to tell.
    pub ticket: Option<Ticket>,
}

/// No room for another message: stop reading until the next append is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{PENDING_MAX} messages wait for the store")]
pub struct Full;

/// What is to be appended, at which length of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// How many records the journal has had before.
    pub length: u64,
    /// Encoded, in order.
    pub records: Vec<Vec<u8>>,
}

/// What [`Engine::advance`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advanced {
    /// Up to the clock, or held by an open append.
    Done,
    /// There is more to catch up with: call again.
    Again,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the journal.
    Done,
    /// It is not.
    Undone,
    /// The journal has something else there.
    Other,
}

#[derive(Debug)]
struct Waiting {
    change: Change,
    ticket: Option<Ticket>,
}

#[derive(Debug)]
struct Open {
    records: Vec<(Record, Option<Ticket>)>,
}

/// What a new session is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Founding {
    /// The market.
    pub scenario: Scenario,
    /// Its seed.
    pub seed: u64,
    /// Now, in milliseconds since 1970.
    pub wall_ms: u64,
    /// How far behind the clock a revived market catches up, in milliseconds.
    pub catch_up_ms: u64,
}

impl Engine {
    /// A new session at tick 0, owned under generation 1.
    pub fn found(founding: &Founding) -> Result<Self, holdfast_exchange::ScenarioError> {
        let exchange = Exchange::new(&founding.scenario, founding.seed)?;
        Ok(Self {
            generation: 1,
            exchange,
            clients: Clients::default(),
            connections: Connections::default(),
            terms: Terms::default(),
            began_anew: false,
            anchor_ms: founding.wall_ms,
            length: 0,
            changes: Vec::new(),
            catch_up_ticks: founding.catch_up_ms / TICK_MS,
            waiting: VecDeque::new(),
            open: None,
            trail: None,
            events: Events::new(),
            text: Vec::new(),
        })
    }

    /// Lays down how a session that was just founded is to be.
    pub fn set_out(
        &mut self,
        terms: Terms,
        speed: Option<f64>,
        paused: bool,
    ) -> Result<(), Problem> {
        self.terms = terms;
        if let Some(asked) = speed {
            self.trade(execute::speed(asked))?;
        }
        if paused {
            self.trade(Ok(Order::Control(Control::Pause)))?;
        }
        self.events.clear();
        Ok(())
    }

    /// What its user has laid down besides the market.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Lets the market go on to wall time `wall_ms`, in bounded steps. While an
    /// append is open nothing happens. A clock that steps back stops the market
    /// until it is passed again; one that has run far ahead makes it rest.
    pub fn advance(&mut self, log: &mut Log, wall_ms: u64) -> Advanced {
        if self.open.is_some() {
            return Advanced::Done;
        }
        let due = wall_ms.saturating_sub(self.anchor_ms) / TICK_MS;
        let behind = due.saturating_sub(self.exchange.tick());
        if behind > self.catch_up_ticks {
            self.rest(behind - self.catch_up_ticks);
            return Advanced::Done;
        }
        let target = due.min(self.exchange.tick() + STRIDE_TICKS);
        self.walk(log, target);
        if target < due {
            Advanced::Again
        } else {
            Advanced::Done
        }
    }

    /// When the next tick is due, in milliseconds since 1970.
    pub fn next_tick_ms(&self) -> u64 {
        self.anchor_ms + (self.exchange.tick() + 1) * TICK_MS
    }

    /// Takes a dial of a connection: ends what its older legs had not yet got
    /// accepted. Call it only while [`Engine::settles`] says so.
    pub fn dial(
        &mut self,
        id: ConnectionId,
        attempt: u32,
        asked: &Connection,
    ) -> Result<Connection, Refused> {
        let asked = Connection {
            attempt,
            tick: self.exchange.tick(),
            ..asked.clone()
        };
        let known = self.connections.dial(id, asked)?.clone();
        self.waiting
            .retain(|waiting| waiting.connection() != Some(id));
        Ok(known)
    }

    /// Whether it is known of every message of this connection if it is accepted.
    pub fn settles(&self, id: ConnectionId) -> bool {
        let open = self.open.iter().flat_map(|open| &open.records);
        !open
            .map(|(record, _)| &record.change)
            .any(|change| connection_of(change) == Some(id))
    }

    /// Queues a message for the next append.
    pub fn submit(&mut self, incoming: Incoming) -> Result<(), Full> {
        if self.waiting.len() >= PENDING_MAX {
            return Err(Full);
        }
        let Incoming {
            connection,
            number,
            asked,
            ticket,
        } = incoming;
        let connection = connection.and_then(|id| Some((id, self.next_of(id)?)));
        let change = Change::Message(Message {
            connection,
            number,
            asked,
        });
        self.waiting.push_back(Waiting { change, ticket });
        Ok(())
    }

    /// Queues the forgetting of what has long been silent, except for `live`
    /// connections and their clients.
    pub fn forget_silent(&mut self, live: &[ConnectionId]) {
        let before = self.exchange.tick().saturating_sub(REMEMBERED_TICKS);
        if before == 0 {
            return;
        }
        let connections: Vec<_> = self
            .connections
            .silent_since(before)
            .filter(|id| !live.contains(id))
            .collect();
        let kept = |client: &ClientId| {
            live.iter().any(|id| {
                self.connections
                    .find(*id)
                    .is_some_and(|known| known.client == *client)
            })
        };
        let clients: Vec<_> = self
            .clients
            .silent_since(before)
            .filter(|client| !kept(client))
            .cloned()
            .collect();
        if !connections.is_empty() || !clients.is_empty() {
            let change = Change::Forget {
                connections,
                clients,
            };
            self.waiting.push_back(Waiting {
                change,
                ticket: None,
            });
        }
    }

    /// What to append now; `None` while an append is open or nothing waits.
    /// The records come before everything of the tick after the present one,
    /// so let the market go on first ([`Engine::advance`]).
    pub fn begin(&mut self) -> Option<Batch> {
        if self.open.is_some() || self.waiting.is_empty() {
            return None;
        }
        let count = self.waiting.len().min(BATCH_MAX);
        let (generation, tick) = (self.generation, self.exchange.tick() + 1);
        let stamp = |waiting: Waiting| {
            (
                Record {
                    generation,
                    tick,
                    change: waiting.change,
                },
                waiting.ticket,
            )
        };
        let records: Vec<_> = self.waiting.drain(..count).map(stamp).collect();
        let encoded = records.iter().map(|(record, _)| record.encode()).collect();
        self.open = Some(Open { records });
        Some(Batch {
            length: self.length,
            records: encoded,
        })
    }

    /// The append stands: applies its records, emits, and says what the commands
    /// without a connection came to.
    pub fn finish(&mut self, log: &mut Log) -> Vec<(Ticket, Answer)> {
        let Some(open) = self.open.take() else {
            return Vec::new();
        };
        let mut told = Vec::new();
        for (record, ticket) in open.records {
            let answer = self.apply(log, record);
            told.extend(ticket.zip(answer));
        }
        told
    }

    /// The append certainly does not stand: its messages wait again.
    pub fn retry(&mut self) {
        let Some(open) = self.open.take() else { return };
        for (record, ticket) in open.records.into_iter().rev() {
            self.waiting.push_front(Waiting {
                change: record.change,
                ticket,
            });
        }
    }

    /// Gives up commands without a connection that wait, and says whose they were.
    pub fn refuse_waiting(&mut self) -> Vec<Ticket> {
        let (kept, refused): (VecDeque<_>, VecDeque<_>) = self
            .waiting
            .drain(..)
            .partition(|waiting| waiting.ticket.is_none());
        self.waiting = kept;
        refused
            .into_iter()
            .filter_map(|waiting| waiting.ticket)
            .collect()
    }

    /// Whether a journal read back has what the open append brought: all of it,
    /// none, or something else in its place, which only another owner can have
    /// written.
    pub fn outcome(&self, journal: &[(u64, Vec<u8>)], length: u64) -> Outcome {
        let Some(open) = self.open.as_ref().filter(|_| length > self.length) else {
            return Outcome::Undone;
        };
        let at = journal.partition_point(|(number, _)| *number < self.length);
        let written = journal[at..].iter().map(|(_, bytes)| bytes.as_slice());
        let brought = open.records.iter().map(|(record, _)| record.encode());
        let same = length == self.length + open.records.len() as u64;
        if same && brought.eq(written) {
            Outcome::Done
        } else {
            Outcome::Other
        }
    }

    /// Whether an append is open.
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether nothing is open and nothing waits: a command boundary.
    pub fn is_settled(&self) -> bool {
        self.open.is_none() && self.waiting.is_empty()
    }

    /// How many records the journal has had.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The generation it runs under.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// A fingerprint of the market and all accounts at the present tick: the same in every process
    /// that has come here from the same start by the same journal.
    pub fn state_hash(&self) -> u64 {
        self.exchange.state_hash()
    }

    /// What is known of a connection.
    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.find(id)
    }

    /// What has been done for each client.
    pub const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Goes on under a higher generation, claimed by the same owner.
    pub const fn renew(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Lets the market go on until entry `seq` is emitted, whatever the clock
    /// says: to see again what was emitted before. At most ten minutes of market.
    pub fn walk_to_entry(&mut self, log: &mut Log, seq: u64) {
        let limit = self.exchange.tick() + REMEMBERED_TICKS;
        while log.top() < seq && self.exchange.tick() < limit {
            let next = self.exchange.tick() + 1;
            self.walk(log, next);
        }
    }

    fn rest(&mut self, ticks: u64) {
        let rests = |waiting: &Waiting| matches!(waiting.change, Change::Rest { .. });
        if !self.waiting.iter().any(rests) {
            self.waiting.push_front(Waiting {
                change: Change::Rest { ticks },
                ticket: None,
            });
        }
    }

    /// How the connection stands once its next message is accepted.
    fn next_of(&self, id: ConnectionId) -> Option<Connection> {
        let open = self.open.iter().flat_map(|open| &open.records);
        let queued = open.map(|(record, _)| &record.change);
        let queued = queued.chain(self.waiting.iter().map(|waiting| &waiting.change));
        let mut newest_first = queued.rev();
        let last = newest_first.find(|change| connection_of(change) == Some(id));
        let stands = match last {
            Some(Change::Message(Message {
                connection: Some((_, stands)),
                ..
            })) => stands,
            _ => self.connections.find(id)?,
        };
        let known = self.connections.find(id)?;
        Some(Connection {
            accepted: stands.accepted + 1,
            tick: self.exchange.tick(),
            ..known.clone()
        })
    }
}

impl Waiting {
    fn connection(&self) -> Option<ConnectionId> {
        connection_of(&self.change)
    }
}

fn connection_of(change: &Change) -> Option<ConnectionId> {
    match change {
        Change::Message(message) => message.connection.as_ref().map(|(id, _)| *id),
        Change::Rest { .. } | Change::Forget { .. } => None,
    }
}

#[cfg(test)]
mod tests;
