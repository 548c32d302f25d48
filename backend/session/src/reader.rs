//! One connection's way through the output log: what it is sent next, in which
//! shape, and what each message follows on. It pulls; a connection that is not
//! read from costs nothing but its place.

mod fold;

use std::fmt::Write;
use std::sync::Arc;

use crate::id::{ClientId, EntryId};
use crate::log::{Entry, Kind, Log};
use crate::subscription::{Channels, Coalesce};
pub use fold::{Folded, fold};

/// A backlog above this many entries is folded even where none was asked for:
/// the reader is slow, and would only fall further behind.
pub const BACKLOG_MAX: u64 = 256;

/// How many entries one turn looks at.
pub const TURN_MAX: usize = 512;

/// A message with an id, ready to be written in the shape of its transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id: of the entry, or of the last entry a snapshot includes.
    pub id: EntryId,
    /// The id of the entry before it that this connection was due.
    pub prev: EntryId,
    /// `snapshot`, `reset`, or the name of an entry's kind.
    pub kind: &'static str,
    /// A JSON object, shared with everybody who is sent the same.
    pub body: Arc<str>,
}

impl Delivery {
    /// Whether a leg may go on behind it. Behind a reset it may not: the snapshot that belongs to
    /// it is still to come, and has the same id.
    pub fn is_place(&self) -> bool {
        self.kind != "reset"
    }

    /// The text message of a WebSocket.
    pub fn websocket(&self) -> String {
        let Self {
            id,
            prev,
            kind,
            body,
        } = self;
        let mut text = String::with_capacity(body.len() + 128);
        // writing to a String cannot fail
        let _ = write!(text, r#"{{"id":"{id}","prev":"{prev}","type":"{kind}","#);
        match *kind {
            "answer" => text.push_str(&body[1..]),
            _ => {
                text.push_str(r#""data":"#);
                text.push_str(body);
                text.push('}');
            }
        }
        text
    }

    /// The `data` of a server-sent event; its `id` and `event` are
    /// [`Self::id`] and [`Self::kind`].
    pub fn event_data(&self) -> String {
        let Self { prev, body, .. } = self;
        let comma = if body.len() > 2 { "," } else { "" };
        format!(r#"{{"prev":"{prev}"{comma}{}"#, &body[1..])
    }
}

/// What a reader does after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing more until the log grows.
    Wait,
    /// Nothing more until then (milliseconds of the caller's clock), unless an
    /// entry comes that is not folded.
    WaitUntil(u64),
    /// There is more.
    Again,
    /// What it was due is no longer kept: bring it up to date with a snapshot.
    Snapshot,
}

/// One connection's place in the log.
#[derive(Debug, Clone)]
pub struct Reader {
    /// All up to here has been looked at.
    cursor: u64,
    prev: EntryId,
    channels: Channels,
    coalesce: Coalesce,
    /// Whose answers it is sent; none on transports that carry no answers.
    client: Option<ClientId>,
    /// When folded data is due next.
    due_ms: u64,
    /// A reset was sent: the snapshot that belongs to it is still to come.
    owed: bool,
}

impl Reader {
    /// A reader whose next entry is the one after `start`.
    pub fn new(
        start: EntryId,
        channels: Channels,
        coalesce: Coalesce,
        client: Option<ClientId>,
    ) -> Self {
        Self {
            cursor: start.seq,
            prev: start,
            channels,
            coalesce,
            client,
            due_ms: 0,
            owed: false,
        }
    }

    /// Changes what it is sent from here on.
    pub const fn subscribe(&mut self, channels: Channels) {
        self.channels = channels;
    }

    /// Whether entries have come that it has not looked at.
    pub const fn is_behind(&self, log: &Log) -> bool {
        self.cursor < log.top()
    }

    /// A snapshot or reset made for this connection, as of entry `seq`.
    pub fn stand_in(&mut self, kind: &'static str, id: EntryId, body: Arc<str>) -> Delivery {
        self.cursor = id.seq;
        self.owed = false;
        self.deliver(id, kind, body)
    }

    /// Looks at what has come and adds what is to be sent to `out`.
    pub fn turn(&mut self, log: &Log, now_ms: u64, out: &mut Vec<Delivery>) -> Next {
        let entries = log.after(self.cursor).filter(|_| !self.owed);
        let Some(entries) = entries else {
            return Next::Snapshot;
        };
        let behind = log.top() - self.cursor;
        if behind == 0 {
            return Next::Wait;
        }
        let mut entries: Vec<Arc<Entry>> = entries.take(TURN_MAX).cloned().collect();
        let reset = entries.iter().position(|entry| entry.kind == Kind::Reset);
        entries.truncate(reset.map_or(entries.len(), |at| at + 1));
        let slow = behind > BACKLOG_MAX;
        let due = slow || now_ms >= self.due_ms;
        if self.coalesce == Coalesce::None && !slow {
            self.send_each(log, &entries, out);
        } else {
            self.send_folded(log, &entries, due, out);
        }
        if reset.is_some() {
            // what came after it is in the snapshot
            self.owed = true;
            return Next::Snapshot;
        }
        if self.coalesce == Coalesce::None && !slow {
            return Next::Wait;
        }
        if due {
            self.due_ms = now_ms + self.coalesce.interval_ms();
        }
        match self.is_behind(log) {
            false => Next::Wait,
            true if due => Next::Again,
            true => Next::WaitUntil(self.due_ms),
        }
    }

    fn wants(&self, entry: &Entry) -> bool {
        match &entry.client {
            Some(client) => self.client.as_ref() == Some(client),
            None => self.channels.contains(entry.kind),
        }
    }

    fn send_each(&mut self, log: &Log, entries: &[Arc<Entry>], out: &mut Vec<Delivery>) {
        for entry in entries {
            self.cursor = entry.seq;
            if self.wants(entry) {
                let body = Arc::clone(&entry.body);
                out.push(self.deliver(log.id(entry.seq), entry.kind.name(), body));
            }
        }
    }

    /// Nothing overtakes folded data: what came before an entry that is not
    /// folded is sent before it, and what came after the last such entry waits
    /// until it is due.
    fn send_folded(
        &mut self,
        log: &Log,
        entries: &[Arc<Entry>],
        due: bool,
        out: &mut Vec<Delivery>,
    ) {
        let wanted: Vec<&Arc<Entry>> = entries.iter().filter(|entry| self.wants(entry)).collect();
        let runs = wanted.chunk_by(|a, b| a.kind.is_market_data() == b.kind.is_market_data());
        let mut left = wanted.len();
        for run in runs {
            left -= run.len();
            let market_data = run.first().is_some_and(|entry| entry.kind.is_market_data());
            if market_data && left == 0 && !due {
                return;
            }
            if market_data {
                for folded in fold(run) {
                    let delivery = self.deliver(log.id(folded.seq), folded.kind, folded.body);
                    out.push(delivery);
                }
            } else {
                for entry in run {
                    let body = Arc::clone(&entry.body);
                    out.push(self.deliver(log.id(entry.seq), entry.kind.name(), body));
                }
            }
            self.cursor = run.last().map_or(self.cursor, |entry| entry.seq);
        }
        // the rest is nothing this connection wants
        self.cursor = entries.last().map_or(self.cursor, |entry| entry.seq);
    }

    fn deliver(&mut self, id: EntryId, kind: &'static str, body: Arc<str>) -> Delivery {
        let prev = std::mem::replace(&mut self.prev, id.clone());
        Delivery {
            id,
            prev,
            kind,
            body,
        }
    }
}

#[cfg(test)]
mod tests;
