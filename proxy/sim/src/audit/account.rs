//! What must hold at the end: each message was accepted once and in order, and what clients were
//! told is what the journal leads to.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_session::engine::{Engine, Start, Stored};
use holdfast_session::id::{ConnectionId, EntryId, Epoch};
use holdfast_session::journal::{Asked, Change, Record};
use holdfast_session::log::{Entry, Kind, Log};
use holdfast_session::message::{Said, read};
use holdfast_session::reader::{BACKLOG_MAX, Delivery, TURN_MAX, fold};

use super::{Broken, must};
use crate::client::{Client, Heard};
use crate::proxy::Connection;
use crate::world::World;

/// With every fault healed and every command answered that ever will be.
pub(crate) fn conclude(world: &World) -> Result<(), Broken> {
    let mut replayed = Vec::new();
    for session in 0..world.store.sessions.len() {
        journal(world, session)?;
        replayed.push(replay(world, session)?);
    }
    for connection in connections(world) {
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
        heard(connection, &mut replayed[client.session])?;
    }
    Ok(())
}

fn connections(world: &World) -> impl Iterator<Item = &Connection> {
    world.proxies.iter().flat_map(|proxy| &proxy.connections)
}

/// Of each connection every message once and in order, as it was said.
fn journal(world: &World, session: usize) -> Result<(), Broken> {
    let stored = &world.store.sessions[session];
    let mut accepted: BTreeMap<ConnectionId, u64> = BTreeMap::new();
    for (_, bytes) in &stored.committed {
        let record = Record::decode(bytes).map_err(|error| Broken(error.to_string()))?;
        let Change::Message(message) = &record.change else {
            continue;
        };
        let Some((id, stands)) = &message.connection else {
            continue;
        };
        let before = match stored.foundings {
            1 => 0,
            // Those before went with what the store lost.
            _ => stands.accepted - 1,
        };
        let count = accepted.entry(*id).or_insert(before);
        *count += 1;
        must(stands.accepted == *count, || {
            format!("{id}: message {} is accepted as {count}", stands.accepted)
        })?;
        let said = said(world, *id, *count)?;
        must(said == message.asked, || {
            let asked = &message.asked;
            format!("{id}: message {count} is not what was said: {asked:?}")
        })?;
    }
    Ok(())
}

/// What the client of a connection said as its message of this number.
fn said(world: &World, id: ConnectionId, number: u64) -> Result<Asked, Broken> {
    let mut known = connections(world);
    let connection = known.find(|connection| ConnectionId::new(connection.id) == id);
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

/// A session as founding and journal lead to it.
struct Replayed {
    engine: Engine,
    log: Log,
}

fn replay(world: &World, session: usize) -> Result<Replayed, Broken> {
    let stored = &world.store.sessions[session];
    let committed = stored.committed.iter().map(|(_, bytes)| bytes.clone());
    let journal: Vec<_> = (stored.founding.length..).zip(committed).collect();
    let founding = Stored {
        snapshot: &stored.founding.state,
        last_act: false,
        rewound: false,
        journal: &journal,
    };
    let revived = Engine::revive(founding, u64::MAX, u64::MAX, Epoch::new(0));
    let mut revived = revived.map_err(|error| Broken(error.to_string()))?;
    let heard = connections(world).filter(|connection| connection.client.session == session);
    let last = heard.filter_map(|connection| connection.client.heard.last());
    let top = last.filter_map(|heard| seq(&heard.id)).max().unwrap_or(0);
    revived.engine.walk_to_entry(&mut revived.log, top);
    Ok(Replayed {
        engine: revived.engine,
        log: revived.log,
    })
}

/// What a client was told since its last reset is what the log says: each entry that it was due
/// once, in order, and nothing else. What it was told before the store lost something is not
/// compared: the log of that time is gone.
fn heard(connection: &Connection, replayed: &mut Replayed) -> Result<(), Broken> {
    let client = &connection.client;
    let name = &client.name;
    let stands_in = |heard: &Heard| matches!(heard.kind.as_str(), "snapshot" | "reset");
    let reset = client.heard.iter().rposition(stands_in);
    let Some(start) = reset.max(client.heard_before_loss.checked_sub(1)) else {
        return Ok(());
    };
    let begins = replayed.log.bottom();
    let after = &client.heard[start + 1..];
    let lost = after
        .iter()
        .take_while(|heard| seq(&heard.id) <= Some(begins));
    let lost = lost.count();
    let start = start + lost;
    must(lost == 0 || client.heard_before_loss > 0, || {
        format!("{name}: the log begins after {begins}, and nothing was lost")
    })?;
    let begin = seq(&client.heard[start].id).unwrap_or(0).max(begins);
    let rest = &client.heard[start + 1..];
    let Some(entries) = replayed.log.after(begin) else {
        return must(rest.is_empty(), || {
            format!("{name}: was told more than there is after {begin}")
        });
    };
    let due: Vec<_> = entries
        .filter(|entry| is_due(client, entry))
        .cloned()
        .collect();
    let mut told = Told {
        client,
        log: &replayed.log,
        due: &due,
        prev: &client.heard[start].id,
    };
    let mut rest = rest;
    while let Some(heard) = rest.first() {
        let expected = told.next()?;
        if expected.as_ref() == Some(&heard.text) {
            told.due = &told.due[1..];
            told.prev = &heard.id;
            rest = &rest[1..];
            continue;
        }
        let folded = told.folded(rest)?;
        if folded > 0 {
            told.go_on_from(&rest[folded - 1]);
            rest = &rest[folded..];
            continue;
        }
        // The last words of an owner that had lost the session, to a connection that ended
        // before it could be told so.
        if connection.is_over() && diverged(connection, heard, replayed) {
            return Ok(());
        }
        let (told, due) = (&heard.text, expected.unwrap_or_else(|| "nothing".into()));
        return Err(Broken(format!(
            "{name}: was told {told} where {due} was due"
        )));
    }
    Ok(())
}

/// Where an account of what a client was told stands.
struct Told<'a> {
    client: &'a Client,
    log: &'a Log,
    /// What is still to be told, if nothing is folded.
    due: &'a [Arc<Entry>],
    /// The last that was told.
    prev: &'a str,
}

impl<'a> Told<'a> {
    /// What is due next, as this client is told it.
    fn next(&self) -> Result<Option<String>, Broken> {
        let next = self.due.first();
        next.map(|entry| self.text(entry.seq, entry.kind.name(), &entry.body, self.prev))
            .transpose()
    }

    /// How many of these messages are what a backlog of market data comes to: a reader that far
    /// behind is not told each entry. A leg may end among them.
    fn folded(&self, heard: &[Heard]) -> Result<usize, Broken> {
        // the backlog may have begun before these
        if self.log.top() <= BACKLOG_MAX {
            return Ok(0);
        }
        let run = self.due.iter().take(TURN_MAX);
        let run: Vec<_> = run
            .take_while(|entry| entry.kind.is_market_data())
            .collect();
        let mut longest = 0;
        for end in 2..=run.len() {
            let (mut prev, mut alike) = (self.prev, 0);
            for (folded, heard) in fold(&run[..end]).iter().zip(heard) {
                if self.text(folded.seq, folded.kind, &folded.body, prev)? != heard.text {
                    break;
                }
                (prev, alike) = (&heard.id, alike + 1);
            }
            longest = longest.max(alike);
        }
        Ok(longest)
    }

    /// The last of what was folded was told: all before it is in it, or in what follows.
    fn go_on_from(&mut self, heard: &'a Heard) {
        let told = seq(&heard.id).unwrap_or(0);
        self.due = &self.due[self.due.partition_point(|entry| entry.seq <= told)..];
        self.prev = &heard.id;
    }

    fn text(
        &self,
        seq: u64,
        kind: &'static str,
        body: &Arc<str>,
        prev: &str,
    ) -> Result<String, Broken> {
        let delivery = Delivery {
            id: self.log.id(seq),
            prev: prev.parse::<EntryId>().map_err(|e| Broken(e.to_string()))?,
            kind,
            body: Arc::clone(body),
        };
        Ok(match self.client.sse {
            true => delivery.event_data(),
            false => delivery.websocket(),
        })
    }
}

fn is_due(client: &Client, entry: &Entry) -> bool {
    match &entry.client {
        Some(of) => entry.kind != Kind::Answer || (!client.sse && *of == client.id),
        None => true,
    }
}

/// Whether a client that came back from there would be told that it cannot go on.
fn diverged(connection: &Connection, heard: &Heard, replayed: &mut Replayed) -> bool {
    let Replayed { engine, log } = replayed;
    let mut served = connection.generations.iter();
    served.any(|generation| {
        let start = engine.start(log, Some(&heard.id), Some(*generation));
        matches!(start, Start::Reset(_))
    })
}

fn seq(id: &str) -> Option<u64> {
    id.parse().ok().map(|id: EntryId| id.seq)
}
