//! The books beside the session's own word.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::account::Account;
use super::command::Commands;
use super::deviation::{Deviation, Texts, Wrong};
use super::entry::{Emitted, EntryId, Kind, Record, print_of};
use super::findings::Findings;

/// What one session says that it emitted and executed, read page by page while it runs: it keeps
/// its log for a while only.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// By epoch, in order.
    logs: HashMap<u64, Vec<Emitted>>,
    texts: Texts,
    top: Option<EntryId>,
    /// When the log was asked for last, and to its end.
    asked: Option<Duration>,
    /// The session no longer has what follows on the last entry, and nothing later was read.
    torn: bool,
    executed: BTreeMap<u64, Executed>,
    /// Every order that the log speaks of.
    orders: BTreeSet<u64>,
}

/// What the session says a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executed {
    pub ok: bool,
    pub order: Option<u64>,
}

/// What a connection is due.
#[derive(Debug, Clone)]
pub struct Listener {
    /// `None`: everything.
    channels: Option<Vec<Kind>>,
    /// Hash of the name of the client whose answers it is sent.
    client: Option<u64>,
}

impl Listener {
    /// Of a WebSocket of this client, or of an event stream, which carries no answers.
    #[must_use]
    pub fn new(channels: Option<Vec<Kind>>, client: Option<&str>) -> Self {
        Self {
            channels,
            client: client.map(print_of),
        }
    }

    fn is_due(&self, entry: &Emitted) -> bool {
        match entry.client {
            Some(client) => self.client == Some(client),
            None => self
                .channels
                .as_ref()
                .is_none_or(|channels| channels.contains(&entry.kind)),
        }
    }
}

impl Audit {
    /// The next entry of the log; `order` is the one it speaks of. An entry that is known is
    /// passed over.
    pub fn emitted(&mut self, entry: Emitted, order: Option<u64>) {
        let log = self.logs.entry(entry.id.epoch).or_default();
        if log.last().is_some_and(|last| last.id.seq >= entry.id.seq) {
            return;
        }
        log.push(entry);
        self.top = Some(entry.id);
        self.torn = false;
        if entry.kind == Kind::Order {
            self.orders.extend(order);
        }
    }

    /// The same, keeping its text for a while.
    pub fn emitted_text(&mut self, entry: Emitted, order: Option<u64>, text: &str) {
        self.texts.keep(entry.id, text);
        self.emitted(entry, order);
    }

    /// The session does not have what follows on the last entry any more.
    pub fn torn(&mut self) {
        self.torn = true;
    }

    /// The log was read to its end by an answer to a request made `at`.
    pub fn read_to_end(&mut self, at: Duration) {
        self.asked = Some(at);
    }

    /// A command that the session says it executed, and what it answered.
    pub fn executed(&mut self, number: u64, what: Executed) {
        self.executed.insert(number, what);
    }

    /// Whether the log as it was read goes as far as what this connection had received by `by`.
    #[must_use]
    pub fn reaches(&self, account: &Account, by: Duration) -> bool {
        let mut latest_first = account.records().iter().rev();
        let last = latest_first.find(|record| record.at <= by);
        let (Some(last), Some(top), false) = (last, self.top, self.torn) else {
            return true;
        };
        last.id.epoch != top.epoch || last.id.seq <= top.seq
    }

    /// The last entry read.
    #[must_use]
    pub fn top(&self) -> Option<EntryId> {
        self.top
    }

    /// Whether a connection has received everything that it was due of what was read.
    #[must_use]
    pub fn is_covered_by(&self, account: &Account, listener: &Listener) -> bool {
        let (Some(top), Some(last)) = (self.top, account.last()) else {
            return true;
        };
        if last.epoch != top.epoch {
            return false;
        }
        let log = self.logs.get(&top.epoch).map_or(&[][..], Vec::as_slice);
        let behind = &log[place_after(log, last.seq)..];
        !behind.iter().any(|entry| listener.is_due(entry))
    }

    /// Holds the book of a connection beside the log.
    #[must_use]
    pub fn compare(&self, account: &Account, listener: &Listener) -> Findings {
        self.examine(account, listener).0
    }

    /// The same, and the first of what is wrong, to look at.
    #[must_use]
    pub fn examine(&self, account: &Account, listener: &Listener) -> (Findings, Vec<Deviation>) {
        let mut found = Found {
            findings: Findings::default(),
            wrong: Vec::new(),
        };
        let records = account.records();
        let mut at: Option<EntryId> = None;
        for (place, record) in records.iter().enumerate() {
            match record.kind {
                Kind::Reset => {
                    at = None;
                    found.take_back();
                }
                Kind::Snapshot => {
                    let from = at.filter(|at| at.epoch == record.id.epoch);
                    if let Some(from) = from {
                        let due = self.due(listener, from, record.id.seq).count();
                        found.findings.condensed += due as u64;
                    }
                    at = Some(record.id);
                }
                _ => {
                    let from = at.or(record.prev).unwrap_or(record.id);
                    let rest = &records[place..];
                    self.missing(&mut found, listener, from, record.id.seq, rest);
                    self.same(&mut found, listener, record);
                    at = Some(record.id);
                }
            }
        }
        if let (Some(at), Some(top)) = (at, self.top)
            && at.epoch == top.epoch
        {
            self.missing(&mut found, listener, at, top.seq + 1, &[]);
        }
        let shown = found.wrong.iter();
        let shown = shown.map(|(wrong, id, record)| self.show(account, *wrong, *id, *record));
        (found.findings, shown.collect())
    }

    fn show(
        &self,
        account: &Account,
        wrong: Wrong,
        id: EntryId,
        record: Option<Record>,
    ) -> Deviation {
        let log = self.logs.get(&id.epoch).map_or(&[][..], Vec::as_slice);
        let logged = place_of(log, id.seq).ok().map(|place| log[place].kind);
        Deviation {
            wrong,
            kind: record
                .map(|record| record.kind)
                .or(logged)
                .unwrap_or(Kind::Other),
            seq: id.seq,
            at: record.map(|record| record.at.as_secs_f64()),
            log_end: log.last().map(|last| last.id.seq),
            log_read_at: self.asked.map(|asked| asked.as_secs_f64()),
            received: account.text(id),
            logged: self.texts.find(id),
        }
    }

    /// Holds what was answered beside what was executed.
    #[must_use]
    pub fn compare_commands(&self, commands: &Commands) -> Findings {
        let mut found = Findings::default();
        let mut orders = BTreeSet::new();
        for (number, command) in commands.iter() {
            if command.answers == 0 {
                continue;
            }
            let wanted = Executed {
                ok: command.ok,
                order: command.order,
            };
            let stands = self.executed.get(&number) == Some(&wanted);
            let own = command.order.is_none_or(|order| orders.insert(order));
            found.unexecuted += u64::from(!stands || !own);
        }
        // An order of a command whose answer is missing is judged there.
        if commands.settled() && commands.findings().taken_back == 0 {
            found.executed_twice = self.orders.difference(&orders).count() as u64;
        }
        found
    }

    /// What was due after `from` and before `until`.
    fn due<'a>(
        &'a self,
        listener: &'a Listener,
        from: EntryId,
        until: u64,
    ) -> impl Iterator<Item = &'a Emitted> {
        let log = self.logs.get(&from.epoch).map_or(&[][..], Vec::as_slice);
        log[place_after(log, from.seq)..]
            .iter()
            .take_while(move |entry| entry.id.seq < until)
            .filter(|entry| listener.is_due(entry))
    }

    fn missing(
        &self,
        found: &mut Found,
        listener: &Listener,
        from: EntryId,
        until: u64,
        rest: &[Record],
    ) {
        for entry in self.due(listener, from, until) {
            let alike = rest.iter().take(CONDENSED_MAX).find(|record| {
                record.kind == entry.kind && record.content.symbol == entry.content.symbol
            });
            match alike {
                Some(record) if record.content.coalesced => found.findings.condensed += 1,
                _ => found.is_wrong(Wrong::Missing, entry.id, None),
            }
        }
    }

    /// A message that was received: was it emitted, for this connection, and so?
    fn same(&self, found: &mut Found, listener: &Listener, record: &Record) {
        let log = self.logs.get(&record.id.epoch);
        let log = log.map_or(&[][..], Vec::as_slice);
        let seq = record.id.seq;
        match place_of(log, seq) {
            Ok(place) => {
                found.findings.audited += 1;
                let entry = &log[place];
                let alike = record.content.coalesced || record.content == entry.content;
                if record.kind != entry.kind || !alike {
                    found.is_wrong(Wrong::Altered, record.id, Some(*record));
                }
                if !listener.is_due(entry) {
                    found.is_wrong(Wrong::NotDue, record.id, Some(*record));
                }
            }
            Err(place) if place > 0 && place == log.len() && !self.torn => {
                // It came before the log was asked for, and is not there.
                let before = self.asked.is_some_and(|asked| record.at < asked);
                if before && self.is_top(log[place - 1].id) {
                    found.is_wrong(Wrong::Beyond, record.id, Some(*record));
                }
            }
            Err(_) => found.findings.unaudited += 1,
        }
    }

    fn is_top(&self, id: EntryId) -> bool {
        self.top == Some(id)
    }
}

/// What is found while a book is gone through.
struct Found {
    findings: Findings,
    wrong: Vec<(Wrong, EntryId, Option<Record>)>,
}

impl Found {
    fn is_wrong(&mut self, wrong: Wrong, id: EntryId, record: Option<Record>) {
        let count = match wrong {
            Wrong::Beyond | Wrong::NotDue => &mut self.findings.foreign,
            Wrong::Altered => &mut self.findings.altered,
            Wrong::Missing => &mut self.findings.missing,
        };
        *count += 1;
        if self.wrong.len() < SHOWN_MAX {
            self.wrong.push((wrong, id, record));
        }
    }

    /// A reset says that what differed before it is not so.
    fn take_back(&mut self) {
        let findings = &mut self.findings;
        findings.retracted += findings.altered + findings.foreign;
        (findings.altered, findings.foreign) = (0, 0);
        self.wrong.retain(|(wrong, ..)| *wrong == Wrong::Missing);
    }
}

fn place_of(log: &[Emitted], seq: u64) -> Result<usize, usize> {
    log.binary_search_by_key(&seq, |entry| entry.id.seq)
}

/// The place of the first entry with a larger number.
fn place_after(log: &[Emitted], seq: u64) -> usize {
    log.partition_point(|entry| entry.id.seq <= seq)
}

/// How far ahead the message may be that a coalesced one went into; a turn of the server looks at
/// no more entries than that.
const CONDENSED_MAX: usize = 512;
/// Of each connection.
const SHOWN_MAX: usize = 20;

#[cfg(test)]
mod tests;
