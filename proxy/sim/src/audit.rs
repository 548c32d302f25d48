//! What must hold after each step: nobody waits for ever, nobody holds too much, one owner
//! commits, what is acknowledged is in the journal. What must hold at the end is in [`account`].

mod account;

use std::collections::BTreeMap;
use std::fmt;

use holdfast_core::Admin;
use holdfast_core::connection::{Ending, Lost};
use holdfast_session::id::{ClientId, ConnectionId};
use holdfast_session::journal::{Change, Record};
use holdfast_session::ownership::HOLD_MS;
use holdfast_session::view::ResetReason;

use crate::Sight;
use crate::endpoint::{Life, MAILBOX};
use crate::proxy::{Connection, READ};
use crate::world::World;
pub(crate) use account::conclude;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(what())) }
}

/// What is remembered between steps.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// How many sights were looked at.
    looked: usize,
    /// For each session who claimed it last, and when.
    claims: BTreeMap<usize, (String, u64)>,
    journals: BTreeMap<usize, Committed>,
    /// How many answers each connection has, and since when it waits for the next.
    waits: BTreeMap<u128, (u64, u64)>,
    /// Since when each endpoint runs.
    up_since: Vec<Option<u64>>,
    /// When last something was in the way that no endpoint can help.
    rough_at: u64,
    /// Somebody slept, or could not reach whom it should.
    was_severed: bool,
}

/// What is known of one session's journal.
#[derive(Debug, Default)]
struct Committed {
    /// Which founding of it, and how many records since.
    foundings: u32,
    length: usize,
    generation: u64,
    accepted: BTreeMap<ConnectionId, u64>,
    commands: BTreeMap<ClientId, u64>,
}

impl Watch {
    /// The sights so far were taken away.
    pub(crate) const fn forget(&mut self) {
        self.looked = 0;
    }

    /// After each step.
    pub(crate) fn check(&mut self, world: &World) -> Result<(), Broken> {
        let now = world.hub.now();
        self.weather(world, now);
        for at in self.looked..world.sights.len() {
            match &world.sights[at] {
                (now, Sight::Claimed { session, at, .. }) => {
                    self.claimed(*session, at, *now, world.calm_since)?;
                }
                // A run is shorter than the time for which entries are kept. Other resets are for
                // those whose owner had lost the session and did not know.
                (_, Sight::Reset(reason)) => {
                    let trimmed = *reason == ResetReason::Trimmed;
                    let excused = match world.store.lost_at {
                        Some(_) => true,
                        None => self.was_severed && !trimmed,
                    };
                    must(excused, || {
                        format!("a resume was reset, {reason:?}, although no owner was cut off")
                    })?;
                }
                _ => {}
            }
        }
        self.looked = world.sights.len();
        for session in 0..world.store.sessions.len() {
            self.committed(world, session)?;
        }
        for endpoint in &world.endpoints {
            let mail = endpoint.mail_max();
            must(mail <= 4 * MAILBOX, || {
                format!("{mail} messages in a mailbox")
            })?;
        }
        for connection in world.proxies.iter().flat_map(|proxy| &proxy.connections) {
            self.one(world, connection, now)?;
        }
        Ok(())
    }

    /// Who runs, and whether anything is in the way of those who do.
    fn weather(&mut self, world: &World, now: u64) {
        self.up_since.resize(world.endpoints.len(), None);
        for (endpoint, since) in world.endpoints.iter().zip(&mut self.up_since) {
            match endpoint.life {
                Life::Running => since.get_or_insert(now),
                Life::Paused | Life::Dead => {
                    *since = None;
                    continue;
                }
            };
        }
        let drains = |world: &World| {
            let known = world.proxies.iter();
            let clusters = known.filter_map(|proxy| proxy.snapshot.cluster(&proxy.cluster));
            let mut endpoints = clusters.flat_map(|cluster| cluster.endpoints());
            endpoints.any(|endpoint| endpoint.admin != Admin::Ready)
        };
        self.was_severed |= world.is_severed() || world.store.lost_at.is_some();
        if world.is_severed() || world.is_unsettled() || drains(world) {
            self.rough_at = now;
        }
    }

    /// A session that was just taken stays, unless something happened to its owner.
    fn claimed(&mut self, session: usize, at: &str, now: u64, calm: u64) -> Result<(), Broken> {
        let last = self.claims.insert(session, (at.to_owned(), now));
        let Some((before, since)) = last else {
            return Ok(());
        };
        let pulled = before != at && now < since + HOLD_MS && calm + CALM_MS < since;
        must(!pulled, || {
            let held = now - since;
            format!("session {session} was pulled from {before} to {at} after {held} ms")
        })
    }

    /// What came into the journal since: under one claim after the other.
    fn committed(&mut self, world: &World, session: usize) -> Result<(), Broken> {
        let stored = &world.store.sessions[session];
        let known = self.journals.entry(session).or_default();
        if known.foundings != stored.foundings || known.length > stored.committed.len() {
            // The store lost something: what there is, is where it begins.
            *known = Committed {
                foundings: stored.foundings,
                ..Committed::default()
            };
        }
        for (claim, bytes) in &stored.committed[known.length..] {
            let record = Record::decode(bytes).map_err(|error| Broken(error.to_string()))?;
            let generation = claim.generation;
            must(generation >= known.generation, || {
                let later = known.generation;
                format!("session {session}: generation {generation} commits after {later}")
            })?;
            known.generation = generation;
            let owner = stored.claims.iter().find(|owner| owner.claim == *claim);
            must(owner.is_some() && record.generation == generation, || {
                format!("session {session}: a record under a claim that nobody made")
            })?;
            if let Change::Message(message) = record.change {
                if let Some((id, stands)) = message.connection {
                    known.accepted.insert(id, stands.accepted);
                }
                if let Some((client, n)) = message.number {
                    let last = known.commands.entry(client).or_default();
                    *last = n.max(*last);
                }
            }
        }
        known.length = stored.committed.len();
        Ok(())
    }

    /// What holds for one connection at any moment.
    fn one(&mut self, world: &World, connection: &Connection, now: u64) -> Result<(), Broken> {
        let client = &connection.client;
        let name = &client.name;
        if let Some(complaint) = &client.complaint {
            return Err(Broken(format!("{name}: {complaint}")));
        }
        let handoff = &world.cluster.handoff;
        let (up, down) = connection.machine.held();
        let up_max = handoff.unaccepted_buffer + handoff.message_buffer + READ;
        // What was read with the last byte, and the message on top.
        let down_max = 2 * handoff.message_buffer + PIECE_MAX;
        must(up <= up_max && down <= down_max, || {
            format!("{name}: {up} bytes up and {down} down are held, of {up_max} and {down_max}")
        })?;
        must(client.answers <= client.commands, || {
            format!("{name}: more answers than commands")
        })?;
        if world.store.lost_at.is_none() && !world.opaque {
            self.acknowledged(connection)?;
        }
        let alone = connection.alone_since.filter(|_| !connection.is_over());
        must(
            alone.is_none_or(|since| now <= since + ALONE_MAX_MS),
            || format!("{name}: without an endpoint for too long"),
        )?;
        let waits = client.answers < client.commands && !connection.is_over() && !client.sse;
        let progress = self.waits.entry(connection.id).or_insert((0, now));
        if !waits || progress.0 != client.answers {
            *progress = (client.answers, now);
        }
        let since = progress.1.max(self.rough_at).max(world.calm_since);
        must(world.opaque || now <= since + ANSWER_MAX_MS, || {
            format!("{name}: nothing is in the way, and a command is not answered")
        })?;
        match connection.ended {
            Some(ending) => self.ended(world, connection, ending),
            None => Ok(()),
        }
    }

    /// What a proxy or a client was told is accepted, or answered, is in the journal.
    fn acknowledged(&self, connection: &Connection) -> Result<(), Broken> {
        let client = &connection.client;
        let name = &client.name;
        let Some(known) = self.journals.get(&client.session) else {
            return Ok(());
        };
        let id = ConnectionId::new(connection.id);
        let (told, stands) = (connection.machine.accepted(), known.accepted.get(&id));
        must(told <= stands.copied().unwrap_or(0), || {
            format!("{name}: {told} accepted, and {stands:?} in the journal")
        })?;
        let (told, stands) = (client.answers, known.commands.get(&client.id));
        must(told <= stands.copied().unwrap_or(0), || {
            format!("{name}: {told} answered, and {stands:?} in the journal")
        })
    }

    /// A connection ends when it must, and no other way.
    fn ended(&self, world: &World, connection: &Connection, ending: Ending) -> Result<(), Broken> {
        let lost_at = world.store.lost_at;
        let excused = match ending {
            Ending::Lost(Lost::Deadline) => {
                let at = connection.ended_at;
                let rough = self.rough_at.max(lost_at.unwrap_or(0));
                let steady = |since: &Option<u64>| since.is_some_and(|s| s + STEADY_MS < at);
                rough + ROUGH_MS >= at || !self.up_since.iter().any(steady)
            }
            Ending::Lost(Lost::Rewound) | Ending::Refused(404) => lost_at.is_some(),
            // A message that is larger than what may be held of it.
            Ending::Lost(Lost::Torn) => world.cluster.handoff.message_buffer < MESSAGE_MAX,
            Ending::Lost(_) | Ending::EndpointClosed(_) => false,
            Ending::Refused(_) | Ending::ClientBroken => false,
            _ => true,
        };
        must(excused, || {
            format!("{}: ended, {ending:?}", connection.client.name)
        })
    }
}

/// After this long nothing that was done to endpoints or store works on.
const CALM_MS: u64 = 3_000;
/// After this long nothing that was in the way of connections works on: `handoff.deadline` and
/// `handoff.hold`, and a little.
const ROUGH_MS: u64 = 12_000;
/// An endpoint that has run this long is known to.
const STEADY_MS: u64 = 8_000;
/// `handoff.deadline`, twice for legs that break at once, and the last dial.
const ALONE_MAX_MS: u64 = 25_000;
/// A command is answered after this long, if nothing is in the way: as long as a connection may
/// be alone.
const ANSWER_MAX_MS: u64 = 25_000;
/// Bytes that come at once from an endpoint.
const PIECE_MAX: usize = 64 << 10;
/// Bytes of the largest message that anybody says.
const MESSAGE_MAX: usize = 32 << 10;
