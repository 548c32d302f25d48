//! The book of one connection.

use std::time::Duration;

use super::deviation::Texts;
use super::entry::{Content, EntryId, Kind, Record};
use super::findings::Findings;

/// One connection's book, judged as it is written.
#[derive(Debug, Clone, Default)]
pub struct Account {
    records: Vec<Record>,
    texts: Texts,
    found: Findings,
    /// Who answered first.
    home: Option<String>,
    overflow: bool,
    ended: Option<String>,
}

impl Account {
    /// A message with an id came.
    pub fn received(&mut self, record: Record) {
        if self.records.len() == RECORDS_MAX {
            // A book that was not kept to its end proves nothing.
            self.found.lost += u64::from(!self.overflow);
            self.overflow = true;
            return;
        }
        if let Some(before) = self.records.last() {
            follow(&mut self.found, before, &record);
        }
        self.found.received += 1;
        self.records.push(record);
    }

    /// The same, keeping its text for a while.
    pub fn received_text(&mut self, record: Record, text: &str) {
        self.texts.keep(record.id, text);
        self.received(record);
    }

    /// How a message was worded, if it is still kept.
    #[must_use]
    pub fn text(&self, id: EntryId) -> Option<String> {
        self.texts.find(id)
    }

    /// The server said that it cannot go on where the connection was, which has no place of its own
    /// in the log.
    pub fn reset(&mut self, at: Duration) {
        let here = EntryId { epoch: 0, seq: 0 };
        self.received(Record {
            at,
            kind: Kind::Reset,
            id: self.last().unwrap_or(here),
            prev: None,
            content: Content::default(),
        });
    }

    /// An answer named the endpoint it came from.
    pub fn answered_by(&mut self, endpoint: &str) {
        self.found.requests += 1;
        let home = self.home.get_or_insert_with(|| endpoint.to_owned());
        self.found.wandered += u64::from(home != endpoint);
    }

    /// The connection ended although nobody here wanted it.
    pub fn disconnected(&mut self, why: impl Into<String>) {
        self.found.disconnected = 1;
        self.ended.get_or_insert_with(|| why.into());
    }

    #[must_use]
    pub fn end(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    /// What is wrong so far.
    #[must_use]
    pub fn findings(&self) -> Findings {
        self.found
    }

    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Where the connection is.
    #[must_use]
    pub fn last(&self) -> Option<EntryId> {
        self.records.last().map(|record| record.id)
    }

    /// The times between two messages, each with the moment at which it ended.
    pub fn gaps(&self) -> impl Iterator<Item = (Duration, Duration)> {
        self.records
            .windows(2)
            .map(|pair| (pair[1].at, pair[1].at.saturating_sub(pair[0].at)))
    }

    /// How late each message was that says when it came into being: against the quickest one of
    /// this connection, so that neither clock has to be right. `speed` is that of the market.
    pub fn lateness(&self, speed: f64) -> impl Iterator<Item = (Duration, Duration)> {
        let behind = move |record: &Record| {
            let born = record.content.time_ms? as f64 / speed / 1e3;
            (!record.content.coalesced).then_some(record.at.as_secs_f64() - born)
        };
        let quickest = self
            .records
            .iter()
            .filter_map(behind)
            .fold(f64::INFINITY, f64::min);
        self.records.iter().filter_map(move |record| {
            let late = behind(record)? - quickest;
            Some((record.at, Duration::from_secs_f64(late.max(0.0))))
        })
    }

    /// Goes through the whole book again.
    #[must_use]
    pub fn judge(&self) -> Findings {
        let mut again = Self {
            home: self.home.clone(),
            ended: self.ended.clone(),
            ..Self::default()
        };
        again.found.disconnected = self.found.disconnected;
        again.found.requests = self.found.requests;
        again.found.wandered = self.found.wandered;
        self.records
            .iter()
            .for_each(|record| again.received(*record));
        again.found
    }

    /// The same book without one entry in its middle: judging it must find a loss, or the ledger
    /// is blind. `None` if there is no such entry.
    #[must_use]
    pub fn with_one_missing(&self) -> Option<Self> {
        let entries = (1..self.records.len().saturating_sub(1)).filter(|&place| {
            let followed = &self.records[place + 1];
            self.records[place].kind.is_entry() && followed.kind.is_entry()
        });
        let entries: Vec<usize> = entries.collect();
        let place = *entries.get(entries.len() / 2)?;
        let mut damaged = self.clone();
        damaged.records.remove(place);
        Some(damaged)
    }
}

/// Judges a message by the one before it.
fn follow(found: &mut Findings, before: &Record, now: &Record) {
    if now.kind == Kind::Reset {
        found.resets += 1;
        return;
    }
    if before.kind == Kind::Reset {
        // Wherever it goes on from there, the client was told.
        return;
    }
    if now.id.epoch != before.id.epoch {
        // Another log without a reset: nothing connects it to what was there.
        found.lost += 1;
        return;
    }
    match now.kind {
        Kind::Snapshot if now.id.seq < before.id.seq => found.reordered += 1,
        Kind::Snapshot | Kind::Reset => {}
        _ if now.id.seq == before.id.seq => found.doubled += 1,
        _ if now.id.seq < before.id.seq => found.reordered += 1,
        _ => found.lost += u64::from(now.prev != Some(before.id)),
    }
}

/// Of one connection: at 100 messages a second more than two hours.
const RECORDS_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(epoch: u64, seq: u64) -> EntryId {
        EntryId { epoch, seq }
    }

    fn record(at_ms: u64, kind: Kind, id: EntryId, prev: Option<EntryId>) -> Record {
        Record {
            at: Duration::from_millis(at_ms),
            kind,
            id,
            prev,
            content: Content::default(),
        }
    }

    /// A snapshot at 10, then entries with the ids and predecessors given.
    fn account(entries: &[(u64, u64)]) -> Account {
        let mut account = Account::default();
        account.received(record(0, Kind::Snapshot, id(1, 10), None));
        for (place, (seq, prev)) in entries.iter().enumerate() {
            let at = 10 * (place as u64 + 1);
            account.received(record(at, Kind::Trade, id(1, *seq), Some(id(1, *prev))));
        }
        account
    }

    #[test]
    fn a_chain_without_a_break_is_clean_even_if_numbers_are_skipped() {
        let account = account(&[(11, 10), (14, 11), (15, 14)]);
        assert!(account.findings().clean(), "{:?}", account.findings());
        assert_eq!(account.findings().received, 4);
        assert_eq!(account.findings(), account.judge());
    }

    #[test]
    fn a_missing_a_doubled_and_a_late_message_are_told_apart() {
        assert_eq!(account(&[(11, 10), (13, 12)]).findings().lost, 1);
        assert_eq!(account(&[(11, 10), (11, 10)]).findings().doubled, 1);
        let late = account(&[(11, 10), (12, 11), (11, 10)]);
        assert_eq!(late.findings().reordered, 1);
    }

    #[test]
    fn a_snapshot_may_stand_where_the_connection_is_but_not_behind() {
        let mut good = account(&[(11, 10)]);
        good.received(record(20, Kind::Snapshot, id(1, 11), None));
        good.received(record(30, Kind::Trade, id(1, 12), Some(id(1, 11))));
        assert!(good.findings().clean());

        let mut bad = account(&[(11, 10)]);
        bad.received(record(20, Kind::Snapshot, id(1, 10), None));
        assert_eq!(bad.findings().reordered, 1);
    }

    #[test]
    fn another_epoch_is_a_loss_unless_a_reset_says_so() {
        let mut silent = account(&[(11, 10)]);
        silent.received(record(20, Kind::Trade, id(2, 12), Some(id(1, 11))));
        assert_eq!(silent.findings().lost, 1);

        let mut told = account(&[(11, 10)]);
        told.reset(Duration::from_millis(20));
        told.received(record(20, Kind::Snapshot, id(2, 3), None));
        told.received(record(30, Kind::Trade, id(2, 4), Some(id(2, 3))));
        let found = told.findings();
        assert_eq!((found.lost, found.resets), (0, 1));
        assert!(found.clean_but_told() && !found.clean());
    }

    #[test]
    fn a_book_with_one_entry_taken_out_is_never_clean() {
        let whole = account(&[(11, 10), (12, 11), (13, 12), (14, 13)]);
        assert!(whole.findings().clean());
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
        let findings = account.findings();
        assert_eq!((findings.requests, findings.wandered), (4, 1));
        assert!(!findings.clean());
    }

    #[test]
    fn a_message_is_as_late_as_it_is_behind_the_quickest_one() {
        let mut account = Account::default();
        for (seq, at, born) in [(1, 1_000, 50), (2, 2_000, 150), (3, 3_300, 250)] {
            account.received(Record {
                content: Content {
                    time_ms: Some(born),
                    ..Content::default()
                },
                ..record(at, Kind::Trade, id(1, seq), Some(id(1, seq - 1)))
            });
        }
        // At a tenth of the speed, 100 ms of market time are a second.
        let late: Vec<u128> = account
            .lateness(0.1)
            .map(|(_, late)| late.as_millis())
            .collect();
        assert_eq!(late, [0, 0, 300]);
        let gaps: Vec<u128> = account.gaps().map(|(_, gap)| gap.as_millis()).collect();
        assert_eq!(gaps, [1_000, 1_300]);
    }
}
