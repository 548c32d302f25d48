//! The books beside the session's own word.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::account::Account;
use super::command::Commands;
use super::entry::{Emitted, EntryId, Kind, Record, print_of};
use super::findings::Findings;

/// What one session says that it emitted and executed, read page by page while it runs: it keeps
/// its log for a while only.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// By epoch, in order.
    logs: HashMap<u64, Vec<Emitted>>,
    top: Option<EntryId>,
    /// When the log was asked for last, and to its end.
    asked: Option<Duration>,
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
        if entry.kind == Kind::Order {
            self.orders.extend(order);
        }
    }

    /// The log was read to its end by an answer to a request made `at`.
    pub fn read_to_end(&mut self, at: Duration) {
        self.asked = Some(at);
    }

    /// A command that the session says it executed, and what it answered.
    pub fn executed(&mut self, number: u64, what: Executed) {
        self.executed.insert(number, what);
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
        let mut found = Findings::default();
        let records = account.records();
        let mut at: Option<EntryId> = None;
        for (place, record) in records.iter().enumerate() {
            match record.kind {
                Kind::Reset => {
                    at = None;
                    // What differs before it is what it takes back.
                    found.retracted += found.altered + found.foreign;
                    (found.altered, found.foreign) = (0, 0);
                }
                Kind::Snapshot => {
                    let from = at.filter(|at| at.epoch == record.id.epoch);
                    if let Some(from) = from {
                        let due = self.due(listener, from, record.id.seq).count();
                        found.condensed += due as u64;
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
        found
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
        found: &mut Findings,
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
                Some(record) if record.content.coalesced => found.condensed += 1,
                _ => found.missing += 1,
            }
        }
    }

    /// A message that was received: was it emitted, for this connection, and so?
    fn same(&self, found: &mut Findings, listener: &Listener, record: &Record) {
        let log = self.logs.get(&record.id.epoch);
        let log = log.map_or(&[][..], Vec::as_slice);
        let seq = record.id.seq;
        match log.binary_search_by_key(&seq, |entry| entry.id.seq) {
            Ok(place) => {
                found.audited += 1;
                let entry = &log[place];
                let alike = record.content.coalesced || record.content == entry.content;
                found.altered += u64::from(record.kind != entry.kind || !alike);
                found.foreign += u64::from(!listener.is_due(entry));
            }
            Err(place) if place > 0 && place == log.len() => {
                // It came before the log was asked for, and is not there.
                let before = self.asked.is_some_and(|asked| record.at < asked);
                found.foreign += u64::from(before && self.is_top(log[place - 1].id));
            }
            Err(_) => found.unaudited += 1,
        }
    }

    fn is_top(&self, id: EntryId) -> bool {
        self.top == Some(id)
    }
}

/// The place of the first entry with a larger number.
fn place_after(log: &[Emitted], seq: u64) -> usize {
    log.partition_point(|entry| entry.id.seq <= seq)
}

/// How far ahead the message may be that a coalesced one went into; a turn of the server looks at
/// no more entries than that.
const CONDENSED_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::super::entry::Content;
    use super::*;

    fn id(seq: u64) -> EntryId {
        EntryId { epoch: 1, seq }
    }

    fn content(seq: u64) -> Content {
        Content {
            print: seq,
            symbol: 5,
            ..Content::default()
        }
    }

    /// Trades 1 to 10, but 4 is an answer to `load` and 5 one to somebody else.
    fn audit() -> Audit {
        let mut audit = Audit::default();
        for seq in 1..=10 {
            let (kind, client) = match seq {
                4 => (Kind::Answer, Some(print_of("load"))),
                5 => (Kind::Answer, Some(print_of("page"))),
                _ => (Kind::Trade, None),
            };
            let entry = Emitted {
                id: id(seq),
                kind,
                content: content(seq),
                client,
            };
            audit.emitted(entry, None);
        }
        audit
    }

    fn account(seqs: &[u64]) -> Account {
        let mut account = Account::default();
        let mut prev = id(2);
        let mut receive = |kind, id, prev, content| {
            account.received(Record {
                at: Duration::ZERO,
                kind,
                id,
                prev,
                content,
            });
        };
        receive(Kind::Snapshot, id(2), None, Content::default());
        for &seq in seqs {
            let kind = if seq == 4 || seq == 5 {
                Kind::Answer
            } else {
                Kind::Trade
            };
            receive(kind, id(seq), Some(prev), content(seq));
            prev = id(seq);
        }
        account
    }

    fn websocket() -> Listener {
        Listener::new(None, Some("load"))
    }

    #[test]
    fn a_book_with_everything_that_was_due_is_clean() {
        let (audit, whole) = (audit(), account(&[3, 4, 6, 7, 8, 9, 10]));
        let found = audit.compare(&whole, &websocket());
        assert_eq!((found.audited, found.clean()), (7, true), "{found:?}");
        assert!(audit.is_covered_by(&whole, &websocket()));
        let stream = Listener::new(None, None);
        let found = audit.compare(&account(&[3, 6, 7, 8, 9, 10]), &stream);
        assert!(found.clean(), "an event stream gets no answers: {found:?}");
    }

    #[test]
    fn what_was_due_and_did_not_come_is_missing_even_at_the_end() {
        let audit = audit();
        let found = audit.compare(&account(&[3, 6, 7, 9]), &websocket());
        assert_eq!(found.missing, 3, "the answer 4, 8, and 10 at the end");
        assert!(!audit.is_covered_by(&account(&[3, 4, 6, 7, 8, 9]), &websocket()));
        let orders = Listener::new(Some(vec![Kind::Order]), Some("load"));
        assert!(audit.compare(&account(&[4]), &orders).clean());
    }

    #[test]
    fn what_nobody_emitted_and_what_was_changed_is_found() {
        let mut audit = audit();
        audit.logs.get_mut(&1).expect("its log")[7].content.print = 99;
        let found = audit.compare(&account(&[3, 4, 6, 7, 8, 9, 10]), &websocket());
        assert_eq!((found.altered, found.missing), (1, 0));

        let log = audit.logs.get_mut(&1).expect("its log");
        log.pop();
        audit.top = log.last().map(|entry| entry.id);
        let whole = account(&[3, 4, 6, 7, 8, 9, 10]);
        assert_eq!(audit.compare(&whole, &websocket()).foreign, 0, "came later");
        audit.read_to_end(Duration::from_millis(1));
        assert_eq!(audit.compare(&whole, &websocket()).foreign, 1);
    }

    #[test]
    fn what_a_reset_takes_back_is_told_and_not_silent() {
        let mut audit = audit();
        audit.logs.get_mut(&1).expect("its log")[5].content.print = 99;
        let mut account = account(&[3, 4, 6]);
        account.reset(Duration::ZERO);
        account.received(Record {
            at: Duration::ZERO,
            kind: Kind::Snapshot,
            id: id(10),
            prev: None,
            content: Content::default(),
        });
        let found = audit.compare(&account, &websocket());
        assert_eq!((found.retracted, found.altered), (1, 0), "{found:?}");
        assert!(found.clean_but_told() && !found.clean());
    }

    #[test]
    fn an_answer_to_somebody_else_is_foreign() {
        let strange = account(&[3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(audit().compare(&strange, &websocket()).foreign, 1);
    }

    #[test]
    fn what_a_coalesced_message_or_a_snapshot_stands_for_is_not_missing() {
        let audit = audit();
        let mut slow = account(&[3, 4]);
        let folded = Content {
            coalesced: true,
            ..content(0)
        };
        for (kind, seq, prev, content) in [
            (Kind::Trade, 8, 4, folded),
            (Kind::Snapshot, 10, 8, Content::default()),
        ] {
            slow.received(Record {
                at: Duration::ZERO,
                kind,
                id: id(seq),
                prev: Some(id(prev)),
                content,
            });
        }
        let found = audit.compare(&slow, &websocket());
        assert!(found.clean(), "{found:?}");
        assert_eq!(found.condensed, 3, "6 and 7 folded, 9 in the snapshot");
    }

    #[test]
    fn a_part_of_the_log_that_was_not_read_proves_nothing() {
        let mut audit = Audit::default();
        let whole = self::audit();
        for entry in whole.logs[&1].iter().filter(|entry| entry.id.seq != 7) {
            audit.emitted(*entry, None);
        }
        let found = audit.compare(&account(&[3, 4, 6, 7, 8, 9, 10]), &websocket());
        assert_eq!((found.unaudited, found.foreign, found.missing), (1, 0, 0));
    }

    #[test]
    fn an_order_that_no_answer_accounts_for_and_an_answer_without_deed_are_found() {
        let mut audit = Audit::default();
        let mut commands = Commands::default();
        for order in [7, 8] {
            let number = commands.next(Duration::ZERO);
            commands.answered(number, Duration::ZERO, true, Some(order));
            let executed = Executed {
                ok: true,
                order: Some(order),
            };
            audit.executed(number, executed);
        }
        for (seq, order) in [(1, 7), (2, 8), (3, 9)] {
            let entry = Emitted {
                id: id(seq),
                kind: Kind::Order,
                content: content(seq),
                client: None,
            };
            audit.emitted(entry, Some(order));
        }
        let found = audit.compare_commands(&commands);
        assert_eq!((found.executed_twice, found.unexecuted), (1, 0));
        let number = commands.next(Duration::ZERO);
        commands.answered(number, Duration::ZERO, false, None);
        assert_eq!(audit.compare_commands(&commands).unexecuted, 1);
    }
}
