//! What must hold, after each step and at the end.

use std::collections::BTreeMap;
use std::fmt;

use holdfast_core::connection::{Ending, Lost};
use holdfast_session::engine::{Engine, Stored};
use holdfast_session::id::{ConnectionId, EntryId, Epoch};
use holdfast_session::journal::{Asked, Change, Record};
use holdfast_session::log::{Kind, Log};
use holdfast_session::message::{Said, read};
use holdfast_session::ownership::HOLD_MS;
use holdfast_session::reader::Delivery;

use crate::Sight;
use crate::client::{Client, Heard};
use crate::endpoint::MAILBOX;
use crate::proxy::Connection;
use crate::world::World;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is remembered between steps.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// How many sights were looked at.
    looked: usize,
    /// For each session who claimed it last, and when.
    claims: BTreeMap<usize, (String, u64)>,
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(what())) }
}

impl Watch {
    /// The sights so far were taken away.
    pub(crate) const fn forget(&mut self) {
        self.looked = 0;
    }

    /// After each step.
    pub(crate) fn check(&mut self, world: &World) -> Result<(), Broken> {
        for at in self.looked..world.sights.len() {
            let (now, sight) = &world.sights[at];
            if let Sight::Claimed { session, at, .. } = sight {
                self.claimed(*session, at, *now, world.calm_since)?;
            }
        }
        self.looked = world.sights.len();
        for endpoint in &world.endpoints {
            let mail = endpoint.mail_max();
            must(mail <= 4 * MAILBOX, || {
                format!("{mail} messages in a mailbox")
            })?;
        }
        let now = world.hub.now();
        for connection in world.proxies.iter().flat_map(|proxy| &proxy.connections) {
            one(connection, now)?;
        }
        Ok(())
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
}

/// What holds for one connection at any moment.
fn one(connection: &Connection, now: u64) -> Result<(), Broken> {
    let client = &connection.client;
    let name = &client.name;
    if let Some(complaint) = &client.complaint {
        return Err(Broken(format!("{name}: {complaint}")));
    }
    let (up, down) = connection.held_bytes();
    must(up <= UP_MAX && down <= DOWN_MAX, || {
        format!("{name}: {up} bytes up and {down} down are held")
    })?;
    must(client.answers <= client.commands, || {
        format!("{name}: more answers than commands")
    })?;
    let alone = connection.alone_since.filter(|_| !connection.is_over());
    must(
        alone.is_none_or(|since| now <= since + ALONE_MAX_MS),
        || format!("{name}: without an endpoint for too long"),
    )?;
    match connection.ended {
        Some(Ending::Lost(lost)) if lost != Lost::Deadline => {
            Err(Broken(format!("{name}: lost, {lost:?}")))
        }
        Some(Ending::EndpointClosed(_) | Ending::Refused(_) | Ending::ClientBroken) => {
            Err(Broken(format!("{name}: ended, {:?}", connection.ended)))
        }
        _ => Ok(()),
    }
}

/// At the end, with every fault healed and every command answered that ever will be.
pub(crate) fn conclude(world: &World) -> Result<(), Broken> {
    let mut logs = Vec::new();
    for session in 0..world.store.sessions.len() {
        logs.push(journal(world, session)?);
    }
    for connection in world.proxies.iter().flat_map(|proxy| &proxy.connections) {
        let client = &connection.client;
        let name = &client.name;
        if !connection.is_over() {
            must(connection.is_attached(), || {
                format!("{name}: still without an endpoint")
            })?;
            must(client.sse || client.answers == client.commands, || {
                let (answers, commands) = (client.answers, client.commands);
                format!("{name}: {answers} answers to {commands} commands")
            })?;
        }
        heard(client, &logs[client.session])?;
    }
    Ok(())
}

/// The journal of a session: one committer per generation, and of each connection every message
/// once and in order. Gives back the log that it leads to.
fn journal(world: &World, session: usize) -> Result<Log, Broken> {
    let stored = &world.store.sessions[session];
    let mut accepted: BTreeMap<ConnectionId, u64> = BTreeMap::new();
    let mut last = 0;
    for (claim, bytes) in &stored.committed {
        let record = Record::decode(bytes).map_err(|error| Broken(error.to_string()))?;
        let generation = claim.generation;
        must(generation >= last, || {
            format!("session {session}: generation {generation} commits after {last}")
        })?;
        last = generation;
        let owner = stored.claims.iter().find(|owner| owner.claim == *claim);
        must(owner.is_some() && record.generation == generation, || {
            format!("session {session}: a record under a claim that nobody made")
        })?;
        if let Change::Message(message) = &record.change
            && let Some((id, stands)) = &message.connection
        {
            let count = accepted.entry(*id).or_default();
            *count += 1;
            must(stands.accepted == *count, || {
                format!("{id}: message {} is accepted as {count}", stands.accepted)
            })?;
            let said = said(world, *id, *count)?;
            must(said == message.asked, || {
                format!(
                    "{id}: message {count} is not what was said: {:?}",
                    message.asked
                )
            })?;
        }
    }
    replay(world, session)
}

/// What the client of a connection said as its message of this number.
fn said(world: &World, id: ConnectionId, number: u64) -> Result<Asked, Broken> {
    let mut connections = world.proxies.iter().flat_map(|proxy| &proxy.connections);
    let connection = connections.find(|connection| ConnectionId::new(connection.id) == id);
    let said = connection.and_then(|connection| {
        let at = usize::try_from(number - 1).ok()?;
        connection.client.said.get(at)
    });
    let Some(text) = said else {
        return Err(Broken(format!("{id}: message {number} was never said")));
    };
    Ok(match read(text) {
        Said::Command { asked, .. } => asked,
        Said::Nothing | Said::Nonsense(_) => Asked::Nothing,
    })
}

/// The log as founding and journal lead to it.
fn replay(world: &World, session: usize) -> Result<Log, Broken> {
    let stored = &world.store.sessions[session];
    let committed = stored.committed.iter().map(|(_, bytes)| bytes.clone());
    let journal: Vec<_> = (0..).zip(committed).collect();
    let founding = Stored {
        snapshot: &stored.founding,
        last_act: false,
        rewound: false,
        journal: &journal,
    };
    let revived = Engine::revive(founding, u64::MAX, u64::MAX, Epoch::new(0));
    let mut revived = revived.map_err(|error| Broken(error.to_string()))?;
    let clients = world.proxies.iter().flat_map(|proxy| &proxy.connections);
    let heard = clients.filter(|connection| connection.client.session == session);
    let last = heard.filter_map(|connection| connection.client.heard.last());
    let top = last.filter_map(|heard| seq(&heard.id)).max().unwrap_or(0);
    revived.engine.walk_to_entry(&mut revived.log, top);
    Ok(revived.log)
}

/// What a client was told since its last reset is what the log says: each entry that it was due
/// once, in order, and nothing else.
fn heard(client: &Client, log: &Log) -> Result<(), Broken> {
    let name = &client.name;
    let stands_in = |heard: &Heard| matches!(heard.kind.as_str(), "snapshot" | "reset");
    let Some(start) = client.heard.iter().rposition(stands_in) else {
        return Ok(());
    };
    let begin = seq(&client.heard[start].id).unwrap_or(0);
    let Some(entries) = log.after(begin) else {
        return Err(Broken(format!(
            "{name}: the log does not reach back to {begin}"
        )));
    };
    let due = |kind: Kind, of: Option<&holdfast_session::id::ClientId>| match of {
        Some(of) => kind != Kind::Answer || (!client.sse && *of == client.id),
        None => true,
    };
    let mut due = entries.filter(|entry| due(entry.kind, entry.client.as_ref()));
    let mut prev = client.heard[start].id.clone();
    for heard in &client.heard[start + 1..] {
        let Some(entry) = due.next() else {
            return Err(Broken(format!("{name}: {} is not in the log", heard.id)));
        };
        let delivery = Delivery {
            id: log.id(entry.seq),
            prev: prev.parse::<EntryId>().map_err(|e| Broken(e.to_string()))?,
            kind: entry.kind.name(),
            body: entry.body.clone(),
        };
        let expected = if client.sse {
            delivery.event_data()
        } else {
            delivery.websocket()
        };
        must(heard.text == expected, || {
            format!("{name}: was told {} where {expected} was due", heard.text)
        })?;
        prev.clone_from(&heard.id);
    }
    Ok(())
}

fn seq(id: &str) -> Option<u64> {
    id.parse().ok().map(|id: EntryId| id.seq)
}

/// After this long nothing that was done to endpoints or store works on.
const CALM_MS: u64 = 3_000;
/// `handoff.deadline`, twice for legs that break at once, and the last dial.
const ALONE_MAX_MS: u64 = 25_000;
/// `handoff.unaccepted_buffer` and what was read with its last byte.
const UP_MAX: usize = (256 + 64) << 10;
/// `handoff.message_buffer` and the message on top.
const DOWN_MAX: usize = (2 * 64 + 64) << 10;
