//! The accounts of one connection: what it received, asked and was answered.
//!
//! Everything is written down as it comes and judged at the end, by rules that a client can check
//! by itself: each message carries `prev`, the id of the one before it that this connection was
//! due, so nothing can be missing, doubled or out of place without a trace.

use std::collections::BTreeMap;
use std::time::Duration;

/// `<epoch>.<seq>`: an entry of a session's output log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryId {
    epoch: String,
    seq: u64,
}

impl EntryId {
    /// `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.split_once('.')?;
        let seq = seq.parse().ok()?;
        (!epoch.is_empty()).then(|| Self {
            epoch: epoch.to_owned(),
            seq,
        })
    }
}

/// What a message is to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of the log: its id is its own, and larger than any before.
    Entry,
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
            "snapshot" => Self::Snapshot,
            "reset" => Self::Reset,
            _ => Self::Entry,
        }
    }
}

#[derive(Debug, Clone)]
struct Record {
    at: Duration,
    kind: Kind,
    id: EntryId,
    prev: Option<EntryId>,
}

/// One connection's book.
#[derive(Debug, Clone, Default)]
pub struct Account {
    records: Vec<Record>,
    /// Commands by number: how many answers each got.
    commands: BTreeMap<u64, u32>,
    strange_answers: u64,
    /// Who answered first, and how many answers came, and how many of them from somebody else.
    home: Option<String>,
    answers: u64,
    wandered: u64,
    overflow: bool,
    ended: Option<String>,
}

/// What is wrong with an account; all zero is well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Findings {
    pub received: u64,
    pub commands: u64,
    /// Places where something is missing.
    pub lost: u64,
    pub doubled: u64,
    pub reordered: u64,
    /// The server said that it could not go on: not silent, but a loss.
    pub resets: u64,
    pub unanswered: u64,
    pub answered_twice: u64,
    /// Plain requests that were answered.
    pub requests: u64,
    /// Answers from another endpoint than the first one.
    pub wandered: u64,
    /// Ended before the client wanted it.
    pub disconnected: u64,
}

impl Account {
    /// A message with an id, `at` after the start of the run.
    pub fn received(&mut self, at: Duration, kind: Kind, id: EntryId, prev: Option<EntryId>) {
        if self.records.len() == RECORDS_MAX {
            self.overflow = true;
            return;
        }
        self.records.push(Record { at, kind, id, prev });
    }

    /// Numbers the next command.
    pub fn command(&mut self) -> u64 {
        let number = self.commands.len() as u64 + 1;
        self.commands.insert(number, 0);
        number
    }

    pub fn answered(&mut self, number: u64) {
        match self.commands.get_mut(&number) {
            Some(answers) => *answers += 1,
            None => self.strange_answers += 1,
        }
    }

    /// An answer named the endpoint it came from.
    pub fn answered_by(&mut self, endpoint: &str) {
        self.answers += 1;
        let home = self.home.get_or_insert_with(|| endpoint.to_owned());
        self.wandered += u64::from(home != endpoint);
    }

    /// Whether every command has its answer.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.commands.values().all(|&answers| answers > 0)
    }

    /// The connection ended although nobody here wanted it.
    pub fn disconnected(&mut self, why: impl Into<String>) {
        self.ended.get_or_insert_with(|| why.into());
    }

    #[must_use]
    pub fn end(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    /// The times between two messages.
    pub fn pauses(&self) -> impl Iterator<Item = Duration> {
        self.records
            .windows(2)
            .map(|pair| pair[1].at.saturating_sub(pair[0].at))
    }

    /// The longest of them.
    #[must_use]
    pub fn longest_pause(&self) -> Duration {
        self.pauses().max().unwrap_or_default()
    }

    /// Goes through the whole book.
    #[must_use]
    pub fn judge(&self) -> Findings {
        let mut findings = Findings {
            received: self.records.len() as u64,
            commands: self.commands.len() as u64,
            unanswered: self
                .commands
                .values()
                .filter(|&&answers| answers == 0)
                .count() as u64,
            answered_twice: self
                .commands
                .values()
                .filter(|&&answers| answers > 1)
                .count() as u64
                + self.strange_answers,
            requests: self.answers,
            wandered: self.wandered,
            disconnected: u64::from(self.ended.is_some()),
            // A book that was not kept to its end proves nothing.
            lost: u64::from(self.overflow),
            ..Findings::default()
        };
        for pair in self.records.windows(2) {
            findings.follow(&pair[0], &pair[1]);
        }
        findings
    }

    /// The same book without one entry in its middle: judging it must find a loss, or the ledger
    /// is blind. `None` if there is no such entry.
    #[must_use]
    pub fn with_one_missing(&self) -> Option<Self> {
        let entries = (1..self.records.len().saturating_sub(1)).filter(|&place| {
            let followed = &self.records[place + 1];
            self.records[place].kind == Kind::Entry && followed.kind == Kind::Entry
        });
        let entries: Vec<usize> = entries.collect();
        let place = *entries.get(entries.len() / 2)?;
        let mut damaged = self.clone();
        damaged.records.remove(place);
        Some(damaged)
    }
}

impl Findings {
    /// Whether anything went wrong.
    #[must_use]
    pub fn clean(&self) -> bool {
        Self {
            received: 0,
            commands: 0,
            requests: 0,
            ..*self
        } == Self::default()
    }

    /// The sum of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            commands: self.commands + other.commands,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            reordered: self.reordered + other.reordered,
            resets: self.resets + other.resets,
            unanswered: self.unanswered + other.unanswered,
            answered_twice: self.answered_twice + other.answered_twice,
            requests: self.requests + other.requests,
            wandered: self.wandered + other.wandered,
            disconnected: self.disconnected + other.disconnected,
        }
    }

    fn follow(&mut self, before: &Record, now: &Record) {
        if now.kind == Kind::Reset {
            self.resets += 1;
            return;
        }
        if now.id.epoch != before.id.epoch {
            // Another log without a reset: nothing connects it to what was there.
            self.lost += u64::from(before.kind != Kind::Reset);
            return;
        }
        match now.kind {
            Kind::Snapshot if now.id.seq < before.id.seq => self.reordered += 1,
            Kind::Snapshot | Kind::Reset => {}
            Kind::Entry if now.id.seq == before.id.seq => self.doubled += 1,
            Kind::Entry if now.id.seq < before.id.seq => self.reordered += 1,
            Kind::Entry => self.lost += u64::from(now.prev.as_ref() != Some(&before.id)),
        }
    }
}

/// Of one connection: at 100 messages a second more than two hours.
const RECORDS_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seq: u64) -> EntryId {
        EntryId::parse(&format!("e1.{seq}")).expect("an id")
    }

    /// A snapshot at 10, then entries with the ids and predecessors given.
    fn account(entries: &[(u64, u64)]) -> Account {
        let mut account = Account::default();
        account.received(Duration::ZERO, Kind::Snapshot, id(10), None);
        for (place, (seq, prev)) in entries.iter().enumerate() {
            let at = Duration::from_millis(10 * (place as u64 + 1));
            account.received(at, Kind::Entry, id(*seq), Some(id(*prev)));
        }
        account
    }

    #[test]
    fn a_chain_without_a_break_is_clean_even_if_numbers_are_skipped() {
        let findings = account(&[(11, 10), (14, 11), (15, 14)]).judge();
        assert!(findings.clean(), "{findings:?}");
        assert_eq!(findings.received, 4);
    }

    #[test]
    fn a_missing_a_doubled_and_a_late_message_are_told_apart() {
        assert_eq!(account(&[(11, 10), (13, 12)]).judge().lost, 1);
        assert_eq!(account(&[(11, 10), (11, 10)]).judge().doubled, 1);
        assert_eq!(
            account(&[(11, 10), (12, 11), (11, 10)]).judge().reordered,
            1
        );
    }

    #[test]
    fn a_snapshot_may_stand_where_the_connection_is_but_not_behind() {
        let mut good = account(&[(11, 10)]);
        good.received(Duration::ZERO, Kind::Snapshot, id(11), None);
        good.received(Duration::ZERO, Kind::Entry, id(12), Some(id(11)));
        assert!(good.judge().clean());

        let mut bad = account(&[(11, 10)]);
        bad.received(Duration::ZERO, Kind::Snapshot, id(10), None);
        assert_eq!(bad.judge().reordered, 1);
    }

    #[test]
    fn another_epoch_is_a_loss_unless_a_reset_says_so() {
        let other = |seq| EntryId::parse(&format!("e2.{seq}")).expect("an id");
        let mut silent = account(&[(11, 10)]);
        silent.received(Duration::ZERO, Kind::Entry, other(12), Some(id(11)));
        assert_eq!(silent.judge().lost, 1);

        let mut told = account(&[(11, 10)]);
        told.received(Duration::ZERO, Kind::Reset, other(3), None);
        told.received(Duration::ZERO, Kind::Snapshot, other(3), None);
        told.received(Duration::ZERO, Kind::Entry, other(4), Some(other(3)));
        assert_eq!(
            told.judge(),
            Findings {
                received: 5,
                resets: 1,
                ..Findings::default()
            }
        );
    }

    #[test]
    fn every_command_needs_exactly_one_answer() {
        let mut account = Account::default();
        let (one, two, three) = (account.command(), account.command(), account.command());
        account.answered(one);
        assert!(!account.settled());
        account.answered(two);
        account.answered(two);
        account.answered(99);
        let findings = account.judge();
        assert_eq!(
            (findings.commands, findings.unanswered),
            (3, 1),
            "{three} has none"
        );
        assert_eq!(
            findings.answered_twice, 2,
            "one twice, one that nobody asked for"
        );
    }

    #[test]
    fn a_book_with_one_entry_taken_out_is_never_clean() {
        let whole = account(&[(11, 10), (12, 11), (13, 12), (14, 13)]);
        assert!(whole.judge().clean());
        let damaged = whole.with_one_missing().expect("has a middle");
        assert_eq!(damaged.judge().lost, 1);
        assert!(account(&[(11, 10)]).with_one_missing().is_none());
    }

    #[test]
    fn answers_of_another_endpoint_than_the_first_are_counted() {
        let mut account = Account::default();
        for endpoint in ["a", "a", "b", "a"] {
            account.answered_by(endpoint);
        }
        let findings = account.judge();
        assert_eq!((findings.requests, findings.wandered), (4, 1));
        assert!(!findings.clean());
    }

    #[test]
    fn ids_without_epoch_or_number_are_refused() {
        assert!(
            ["", "e1", ".5", "e1.x", "e1.-1"]
                .iter()
                .all(|text| EntryId::parse(text).is_none())
        );
    }

    #[test]
    fn the_longest_pause_is_between_two_neighbours() {
        let mut account = account(&[(11, 10), (12, 11)]);
        account.received(
            Duration::from_millis(320),
            Kind::Entry,
            id(13),
            Some(id(12)),
        );
        assert_eq!(account.longest_pause(), Duration::from_millis(300));
    }
}
