//! The output log: what a session emits, numbered, in one order for everybody.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::id::{ClientId, EntryId, Epoch};

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Prices of a book that changed.
    Book,
    /// A trade.
    Trade,
    /// A candle.
    Candle,
    /// An order of the user.
    Order,
    /// A fill of the user.
    Fill,
    /// A position of the user.
    Position,
    /// The simulator's state.
    Simulator,
    /// What a command came to; for its client only.
    Answer,
    /// The market began anew: what comes next rests on a snapshot that is made for each reader.
    Reset,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Book,
        Self::Trade,
        Self::Candle,
        Self::Order,
        Self::Fill,
        Self::Position,
        Self::Simulator,
        Self::Answer,
        Self::Reset,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Trade => "trade",
            Self::Candle => "candle",
            Self::Order => "order",
            Self::Fill => "fill",
            Self::Position => "position",
            Self::Simulator => "simulator",
            Self::Answer => "answer",
            Self::Reset => "reset",
        }
    }

    /// Whether a later entry of it can stand for earlier ones.
    pub const fn is_market_data(self) -> bool {
        matches!(self, Self::Book | Self::Trade | Self::Candle)
    }

    /// Its place in a set of channels; answers and resets are no channels.
    pub(crate) const fn bit(self) -> Option<u8> {
        match self {
            Self::Book => Some(1),
            Self::Trade => Some(1 << 1),
            Self::Candle => Some(1 << 2),
            Self::Order => Some(1 << 3),
            Self::Fill => Some(1 << 4),
            Self::Position => Some(1 << 5),
            Self::Simulator => Some(1 << 6),
            Self::Answer | Self::Reset => None,
        }
    }
}

/// One entry, serialized once and shared by everybody who is sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number; the first is 1.
    pub seq: u64,
    /// What it is about.
    pub kind: Kind,
    /// Of market data, which symbol, in the exchange's order.
    pub symbol: Option<u16>,
    /// For answers, whose.
    pub client: Option<ClientId>,
    /// A JSON object: the value of `data`, or for answers `n`, `ok` and the rest.
    pub body: Arc<str>,
}

/// How long an entry is kept, in milliseconds.
pub const KEPT_MS: u64 = 5 * 60 * 1_000;

/// How many entries are kept.
pub const ENTRIES_MAX: usize = 4_096;

/// How many bytes of bodies are kept.
pub const BYTES_MAX: usize = 512 * 1_024;

/// The latest entries of a session, in order and without gaps.
#[derive(Debug, Clone)]
pub struct Log {
    epoch: Epoch,
    entries: VecDeque<Kept>,
    bytes: usize,
    /// Number of the last entry ever pushed.
    top: u64,
    /// Entries up to here are only counted.
    passed: u64,
}

#[derive(Debug, Clone)]
struct Kept {
    entry: Arc<Entry>,
    at_ms: u64,
}

impl Log {
    /// An empty log whose last entry was `top`; 0 for a new one.
    pub const fn new(epoch: Epoch, top: u64) -> Self {
        Self {
            epoch,
            entries: VecDeque::new(),
            bytes: 0,
            top,
            passed: 0,
        }
    }

    /// The same, for whoever wants the entries after `seq` alone: those before it are counted and
    /// need not be written.
    pub(crate) fn passing(self, seq: u64) -> Self {
        Self {
            passed: seq,
            ..self
        }
    }

    /// Counts an entry that nobody wants; `false` when the next one is to be pushed.
    pub(crate) const fn pass(&mut self) -> bool {
        let passes = self.top < self.passed;
        if passes {
            self.top += 1;
        }
        passes
    }

    /// The epoch its entries are named by.
    pub const fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The number of the last entry.
    pub const fn top(&self) -> u64 {
        self.top
    }

    /// The oldest place that can be resumed from.
    pub fn bottom(&self) -> u64 {
        self.top - self.entries.len() as u64
    }

    /// The full name of a place.
    pub fn id(&self, seq: u64) -> EntryId {
        EntryId {
            epoch: self.epoch.clone(),
            seq,
        }
    }

    /// Adds an entry, and lets go of what is too old or too much.
    pub fn push(
        &mut self,
        kind: Kind,
        symbol: Option<u16>,
        client: Option<ClientId>,
        body: &str,
        now_ms: u64,
    ) {
        self.top += 1;
        self.bytes += body.len();
        let entry = Entry {
            seq: self.top,
            kind,
            symbol,
            client,
            body: body.into(),
        };
        self.entries.push_back(Kept {
            entry: Arc::new(entry),
            at_ms: now_ms,
        });
        self.trim(now_ms);
    }

    /// The entries after `seq`, oldest first; `None` when some of them are no
    /// longer kept, or `seq` lies beyond the top.
    pub fn after(&self, seq: u64) -> Option<impl ExactSizeIterator<Item = &Arc<Entry>>> {
        let skip = usize::try_from(seq.checked_sub(self.bottom())?).ok()?;
        (skip <= self.entries.len()).then(|| self.entries.range(skip..).map(|kept| &kept.entry))
    }

    /// Puts older entries of the same log, up to its oldest, before it.
    pub fn prepend(&mut self, older: &Self) {
        let bottom = self.bottom();
        if older.epoch != self.epoch || older.top < bottom {
            return;
        }
        let known = |kept: &&Kept| kept.entry.seq > bottom;
        for kept in older.entries.iter().rev().skip_while(known) {
            let bytes = self.bytes + kept.entry.body.len();
            if self.entries.len() == ENTRIES_MAX || bytes > BYTES_MAX {
                return;
            }
            self.bytes = bytes;
            self.entries.push_front(kept.clone());
        }
    }

    fn trim(&mut self, now_ms: u64) {
        while let Some(oldest) = self.entries.front() {
            let old = oldest.at_ms.saturating_add(KEPT_MS) < now_ms;
            if !old && self.entries.len() <= ENTRIES_MAX && self.bytes <= BYTES_MAX {
                return;
            }
            self.bytes -= oldest.entry.body.len();
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        Log::new(Epoch::new(1), 0)
    }

    fn seqs(log: &Log, after: u64) -> Option<Vec<u64>> {
        log.after(after)
            .map(|entries| entries.map(|entry| entry.seq).collect())
    }

    #[test]
    fn what_follows_a_place_is_found_whole_or_not_at_all() {
        let mut log = log();
        for _ in 0..3 {
            log.push(Kind::Trade, None, None, "{}", 0);
        }
        assert_eq!(seqs(&log, 0), Some(vec![1, 2, 3]));
        assert_eq!(seqs(&log, 3), Some(vec![]));
        assert_eq!(seqs(&log, 4), None, "beyond the top");
        let resumed = Log::new(Epoch::new(1), 7);
        assert_eq!(seqs(&resumed, 6), None, "before the oldest");
        assert_eq!(seqs(&resumed, 7), Some(vec![]));
    }

    #[test]
    fn older_entries_are_put_before_it_without_a_gap() {
        let mut older = log().passing(1);
        for _ in 0..4 {
            if !older.pass() {
                older.push(Kind::Trade, None, None, "{}", 0);
            }
        }
        assert_eq!(seqs(&older, 1), Some(vec![2, 3, 4]));
        let mut log = Log::new(Epoch::new(1), 3);
        log.push(Kind::Trade, None, None, "{}", 0);
        log.prepend(&older);
        assert_eq!(seqs(&log, 1), Some(vec![2, 3, 4]));
        let mut beyond = Log::new(Epoch::new(1), 9);
        beyond.prepend(&older);
        assert_eq!(beyond.bottom(), 9, "what lies between is not known");
    }

    #[test]
    fn it_is_bounded_by_number_bytes_and_age() {
        let mut many = log();
        for _ in 0..ENTRIES_MAX + 10 {
            many.push(Kind::Trade, None, None, "{}", 0);
        }
        assert_eq!(many.bottom(), 10);
        let mut heavy = log();
        let body = "x".repeat(BYTES_MAX / 4);
        for _ in 0..6 {
            heavy.push(Kind::Book, None, None, &body, 0);
        }
        assert_eq!(heavy.bottom(), 2);
        let mut old = log();
        old.push(Kind::Trade, None, None, "{}", 0);
        old.push(Kind::Trade, None, None, "{}", KEPT_MS + 1);
        assert_eq!((old.bottom(), old.top()), (1, 2));
    }
}
