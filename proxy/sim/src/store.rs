//! The store of all endpoints, in memory: compare-and-set, fenced by claims. It can lose what was
//! written in the last second, or everything. It remembers besides all that was ever written, and
//! by whom, for the audit.

use std::collections::BTreeMap;
use std::fmt;

use holdfast_session::id::Epoch;
use holdfast_session::ownership::{Claim, Record};

/// Under which claim, and at which place of the journal, a write is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fence {
    pub(crate) session: usize,
    pub(crate) claim: Claim,
    pub(crate) length: u64,
}

/// The state of a session at a place of its journal.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) length: u64,
    pub(crate) seq: u64,
    pub(crate) at_ms: u64,
    pub(crate) state: Vec<u8>,
    pub(crate) last_act: bool,
    /// For the audit: of the log that it belongs to.
    pub(crate) epoch: Epoch,
}

/// How far back anybody may want to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Horizon {
    pub(crate) seq: u64,
    pub(crate) at_ms: u64,
}

/// Everything a new owner needs: a snapshot, and the journal from there.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) snapshot: Snapshot,
    pub(crate) journal: Vec<(u64, Vec<u8>)>,
    pub(crate) length: u64,
    /// The store was started anew since the snapshot, and may have lost what came after it.
    pub(crate) rewound: bool,
}

/// What is known of a session without its state.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) record: Record,
    /// How many records its journal has had in all.
    pub(crate) length: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the session is owned under generation {generation}")]
    Fenced { generation: u64 },
    #[error("the journal has {actual} records")]
    Length { actual: u64 },
    #[error("there is no such session")]
    Missing,
    #[error("the store may have lost the session a moment ago")]
    Lost,
    #[error("it cannot be said whether it was done")]
    Failed,
}

/// How the store answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// Up to so many milliseconds late.
    Slow(u64),
    /// Nothing is done, and nothing is said before the caller gives up.
    Gone,
    /// Everything is done, and nothing is said of it.
    Mute,
    /// Everything is done, up to so many milliseconds after the caller gave up.
    Late(u64),
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("well"),
            Self::Slow(most) => write!(f, "slow {most}ms"),
            Self::Gone => f.write_str("gone"),
            Self::Mute => f.write_str("mute"),
            Self::Late(most) => write!(f, "late {most}ms"),
        }
    }
}

/// What a store can lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// What was written since it last wrote to its disk, every second.
    Tail,
    Everything,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tail => "its tail",
            Self::Everything => "everything",
        })
    }
}

/// One session.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// It was lost and not written anew.
    missing: bool,
    /// Under which start of the store the newest snapshot was written.
    run: u32,
    pub(crate) record: Record,
    /// Oldest first: the youngest before the horizon, the one that followed on it, the newest.
    snapshots: Vec<Snapshot>,
    journal: Vec<(u64, Vec<u8>)>,
    length: u64,
    /// For the audit: what it was founded with, and every record since with the claim it came
    /// under. A snapshot that stands for what was lost founds it anew.
    pub(crate) founding: Snapshot,
    pub(crate) foundings: u32,
    pub(crate) committed: Vec<(Claim, Vec<u8>)>,
    pub(crate) claims: Vec<Record>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) sessions: Vec<Stored>,
    pub(crate) mood: Mood,
    /// The mood as one endpoint finds it.
    pub(crate) moods: BTreeMap<usize, Mood>,
    /// Milliseconds since the start.
    pub(crate) now: u64,
    /// It writes to its disk every second: what it wrote then, and when.
    pub(crate) disk: Option<(u64, Vec<Stored>)>,
    /// Which start of it this is.
    pub(crate) run: u32,
    /// When it last lost something.
    pub(crate) lost_at: Option<u64>,
    /// The fault: writes are taken under any claim.
    pub(crate) unfenced: bool,
}

impl Store {
    /// A new session.
    pub(crate) fn create(&mut self, record: Record, snapshot: Snapshot) -> usize {
        self.sessions.push(Stored {
            missing: false,
            run: self.run,
            claims: vec![record.clone()],
            record,
            founding: snapshot.clone(),
            foundings: 1,
            length: snapshot.length,
            snapshots: vec![snapshot],
            journal: Vec::new(),
            committed: Vec::new(),
        });
        self.sessions.len() - 1
    }

    /// A session that was lost, from the memory of its owner.
    pub(crate) fn create_anew(
        &mut self,
        session: usize,
        record: Record,
        snapshot: Snapshot,
    ) -> Result<(), StoreError> {
        self.sync();
        let run = self.run;
        let stored = &mut self.sessions[session];
        if !stored.missing {
            return Err(StoreError::Failed);
        }
        stored.missing = false;
        stored.run = run;
        stored.claims.push(record.clone());
        stored.record = record;
        stored.found_anew(snapshot);
        Ok(())
    }

    pub(crate) fn find(&self, session: usize) -> Result<Option<Found>, StoreError> {
        let stored = &self.sessions[session];
        let suspect = |at: u64| self.now < at + SUSPECT_MS;
        match stored.missing {
            false => Ok(Some(Found {
                record: stored.record.clone(),
                length: stored.length,
            })),
            true if self.lost_at.is_some_and(suspect) => Err(StoreError::Lost),
            true => Ok(None),
        }
    }

    pub(crate) fn claim(
        &mut self,
        session: usize,
        seen: Claim,
        next: Record,
    ) -> Result<State, StoreError> {
        self.sync();
        let stored = &mut self.sessions[session];
        if stored.missing {
            return Err(StoreError::Missing);
        }
        if stored.record.claim != seen {
            let generation = stored.record.claim.generation;
            return Err(StoreError::Fenced { generation });
        }
        stored.claims.push(next.clone());
        stored.record = next;
        Ok(stored.newest(self.run))
    }

    pub(crate) fn append(&mut self, fence: Fence, records: Vec<Vec<u8>>) -> Result<(), StoreError> {
        let stored = self.fenced(fence)?;
        if stored.length != fence.length {
            let actual = stored.length;
            return Err(StoreError::Length { actual });
        }
        for bytes in records {
            stored.committed.push((fence.claim, bytes.clone()));
            stored.journal.push((stored.length, bytes));
            stored.length += 1;
        }
        Ok(())
    }

    pub(crate) fn snapshot(
        &mut self,
        fence: Fence,
        snapshot: Snapshot,
        horizon: Horizon,
    ) -> Result<(), StoreError> {
        let run = self.run;
        let stored = self.fenced(fence)?;
        if stored.length > fence.length {
            let actual = stored.length;
            return Err(StoreError::Length { actual });
        }
        stored.run = run;
        if stored.length < fence.length {
            stored.found_anew(snapshot);
            return Ok(());
        }
        if stored.founding.epoch != snapshot.epoch {
            stored.account_from(&snapshot);
        }
        let is_past = |kept: &Snapshot| kept.seq < horizon.seq || kept.at_ms < horizon.at_ms;
        while stored.snapshots.get(1).is_some_and(is_past) {
            stored.snapshots.remove(0);
        }
        stored.snapshots.truncate(2);
        stored.snapshots.push(snapshot);
        let oldest = stored.snapshots[0].length;
        stored.journal.retain(|(number, _)| *number >= oldest);
        Ok(())
    }

    pub(crate) fn mark(
        &mut self,
        fence: Fence,
        leaving: bool,
        laid_down: bool,
    ) -> Result<(), StoreError> {
        let stored = self.fenced(fence)?;
        stored.record.leaving = leaving;
        stored.record.laid_down = laid_down;
        Ok(())
    }

    pub(crate) fn past(&mut self, fence: Fence, seq: u64) -> Result<Option<State>, StoreError> {
        let run = self.run;
        Ok(self.fenced(fence)?.state(seq, run))
    }

    /// It loses something.
    pub(crate) fn lose(&mut self, loss: Loss) {
        match (loss, &self.disk) {
            (Loss::Tail, Some((_, disk))) => {
                for (at, stored) in self.sessions.iter_mut().enumerate() {
                    match disk.get(at) {
                        Some(written) => stored.clone_from(written),
                        None => stored.vanish(),
                    }
                }
            }
            // What it wrote down goes with the rest.
            (Loss::Everything, _) => self.sessions.iter_mut().for_each(Stored::vanish),
            // It writes each change to its disk at once.
            (Loss::Tail, None) => return,
        }
        self.lost_at = Some(self.now);
        self.run += 1;
        self.disk = self.disk.take().map(|_| (self.now, self.sessions.clone()));
    }

    /// Once a second, what it holds goes to its disk.
    fn sync(&mut self) {
        if let Some((at, disk)) = &mut self.disk
            && self.now >= *at + SYNC_MS
        {
            *at = self.now;
            disk.clone_from(&self.sessions);
        }
    }

    fn fenced(&mut self, fence: Fence) -> Result<&mut Stored, StoreError> {
        self.sync();
        let unfenced = self.unfenced;
        let stored = &mut self.sessions[fence.session];
        if stored.missing {
            return Err(StoreError::Missing);
        }
        if stored.record.claim == fence.claim || unfenced {
            Ok(stored)
        } else {
            let generation = stored.record.claim.generation;
            Err(StoreError::Fenced { generation })
        }
    }
}

impl Stored {
    /// What came before this snapshot is not there any more, and nothing leads to it.
    fn found_anew(&mut self, snapshot: Snapshot) {
        self.length = snapshot.length;
        self.journal.clear();
        self.account_from(&snapshot);
        self.snapshots = vec![snapshot];
    }

    /// The audit accounts for what comes after this snapshot.
    fn account_from(&mut self, snapshot: &Snapshot) {
        self.committed.clear();
        self.founding = snapshot.clone();
        self.foundings += 1;
    }

    fn vanish(&mut self) {
        self.missing = true;
    }

    fn newest(&self, run: u32) -> State {
        self.state(u64::MAX, run)
            .expect("there always is a snapshot")
    }

    /// From the youngest snapshot at or before entry `seq`.
    fn state(&self, seq: u64, run: u32) -> Option<State> {
        let snapshot = self.snapshots.iter().rfind(|kept| kept.seq <= seq)?;
        let from = snapshot.length;
        let journal = self.journal.iter().filter(|(number, _)| *number >= from);
        Some(State {
            snapshot: snapshot.clone(),
            journal: journal.cloned().collect(),
            length: self.length,
            rewound: self.run != run,
        })
    }
}

/// Between two writes of a store to its disk.
const SYNC_MS: u64 = 1_000;
/// How long after a loss a session that is not there may be written anew.
const SUSPECT_MS: u64 = 5_000;
