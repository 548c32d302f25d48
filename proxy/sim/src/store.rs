//! The store of all endpoints, in memory: compare-and-set, fenced by claims. It remembers
//! besides all that was ever written, and by whom, for the audit at the end.

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
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the session is owned under another claim")]
    Fenced,
    #[error("the journal has {actual} records")]
    Length { actual: u64 },
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
}

/// One session.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) record: Record,
    /// Oldest first: the youngest before the horizon, the one that followed on it, the newest.
    snapshots: Vec<Snapshot>,
    journal: Vec<(u64, Vec<u8>)>,
    length: u64,
    /// For the audit: what it was founded with, and every record with the claim it came under.
    pub(crate) founding: Vec<u8>,
    pub(crate) committed: Vec<(Claim, Vec<u8>)>,
    pub(crate) claims: Vec<Record>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) sessions: Vec<Stored>,
    pub(crate) mood: Mood,
    /// The fault: writes are taken under any claim.
    pub(crate) unfenced: bool,
}

impl Store {
    pub(crate) fn create(&mut self, record: Record, snapshot: Snapshot) -> usize {
        self.sessions.push(Stored {
            claims: vec![record.clone()],
            record,
            founding: snapshot.state.clone(),
            length: 0,
            snapshots: vec![snapshot],
            journal: Vec::new(),
            committed: Vec::new(),
        });
        self.sessions.len() - 1
    }

    pub(crate) fn find(&self, session: usize) -> Record {
        self.sessions[session].record.clone()
    }

    pub(crate) fn claim(
        &mut self,
        session: usize,
        seen: Claim,
        next: Record,
    ) -> Result<State, StoreError> {
        let stored = &mut self.sessions[session];
        if stored.record.claim != seen {
            return Err(StoreError::Fenced);
        }
        stored.claims.push(next.clone());
        stored.record = next;
        Ok(stored.newest())
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
        let stored = self.fenced(fence)?;
        if stored.length > fence.length {
            let actual = stored.length;
            return Err(StoreError::Length { actual });
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

    pub(crate) fn read_back(&mut self, fence: Fence) -> Result<State, StoreError> {
        Ok(self.fenced(fence)?.newest())
    }

    pub(crate) fn past(&mut self, fence: Fence, seq: u64) -> Result<Option<State>, StoreError> {
        Ok(self.fenced(fence)?.state(seq))
    }

    fn fenced(&mut self, fence: Fence) -> Result<&mut Stored, StoreError> {
        let unfenced = self.unfenced;
        let stored = &mut self.sessions[fence.session];
        if stored.record.claim == fence.claim || unfenced {
            Ok(stored)
        } else {
            Err(StoreError::Fenced)
        }
    }
}

impl Stored {
    fn newest(&self) -> State {
        self.state(u64::MAX).expect("there always is a snapshot")
    }

    /// From the youngest snapshot at or before entry `seq`.
    fn state(&self, seq: u64) -> Option<State> {
        let snapshot = self.snapshots.iter().rfind(|kept| kept.seq <= seq)?;
        let from = snapshot.length;
        let journal = self.journal.iter().filter(|(number, _)| *number >= from);
        Some(State {
            snapshot: snapshot.clone(),
            journal: journal.cloned().collect(),
            length: self.length,
        })
    }
}
