//! What outlives a process: for each session who owns it, a few snapshots and
//! its journal. Every write names the claim it is made under and is refused
//! under any other, so a paused or cut-off owner cannot commit.
//!
//! What a store promises is one list of tests, [`conformance`], run against
//! every implementation.

pub mod conformance;
mod outbox;
pub mod redis;
pub mod sqlite;

pub use outbox::{Kept, Outbox, Place, Post, Waiting};
pub use redis::RedisStore;
pub use sqlite::SqliteStore;

use async_trait::async_trait;
use holdfast_session::id::SessionId;
use holdfast_session::ownership::{Claim, Record};
use thiserror::Error;

/// A place where sessions outlive their process.
#[async_trait]
pub trait Store: Outbox {
    /// Writes a session that does not exist, with its first snapshot; or one
    /// the store has lost, from the memory of its owner.
    async fn create(&self, new: New) -> Result<(), StoreError>;

    /// What is known about a session, without its state. A session the store
    /// does not know is [`StoreError::Lost`] for 5 s after it may have lost some.
    async fn find(&self, id: SessionId) -> Result<Option<Found>, StoreError>;

    /// Makes `next` the owner if the claim is still `seen`, and reads what it
    /// needs to go on. [`StoreError::Fenced`] when somebody else was faster.
    async fn claim(&self, id: SessionId, seen: Claim, next: Record) -> Result<State, StoreError>;

    /// Adds records to the journal if it is `length` long. All of them or none.
    async fn append(&self, fence: Fence, records: Vec<Vec<u8>>) -> Result<(), StoreError>;

    /// Writes a snapshot of the state after `fence.length` records. Three are
    /// kept: this one, the youngest that lies before the horizon (the oldest
    /// there is while none does), and the one that followed on that; and the
    /// journal back to the oldest. So everything after the horizon can be made
    /// again, from at most twice as far back. A journal that is shorter than
    /// `fence.length` has lost its tail: the snapshot stands for it, the
    /// journal goes on from there, and since nothing leads from what was before
    /// to this snapshot, only this one is kept.
    async fn snapshot(
        &self,
        fence: Fence,
        snapshot: Snapshot,
        horizon: Horizon,
    ) -> Result<Kept, StoreError>;

    /// The youngest snapshot at or before log entry `seq`, with the journal
    /// from there; `None` when none is that old.
    async fn past(&self, fence: Fence, seq: u64) -> Result<Option<State>, StoreError>;

    /// Says whether the owner leaves, and whether it has stopped and written
    /// everything.
    async fn mark(&self, fence: Fence, leaving: bool, laid_down: bool) -> Result<(), StoreError>;

    /// Ends a session for good. Its name is remembered, so that later requests
    /// can be told; what waits for the ledger stays.
    async fn end(&self, fence: Fence, post: Option<Post>) -> Result<(), StoreError>;

    /// The newest sessions of a subject that have not ended.
    async fn list(&self, subject: Option<&str>, limit: usize) -> Result<Vec<Found>, StoreError>;

    /// Whether it answers; for health.
    async fn probe(&self) -> Result<(), StoreError>;
}

/// Under which claim, and at which place of the journal, a write is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// Of which session.
    pub session: SessionId,
    /// As its owner claimed it.
    pub claim: Claim,
    /// How many records its journal has had in all.
    pub length: u64,
}

/// A session to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// Its name.
    pub id: SessionId,
    /// Its first owner.
    pub record: Record,
    /// Whose it is; `None`: anonymous.
    pub subject: Option<String>,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// Before the first journal record.
    pub snapshot: Snapshot,
}

/// What is known about a session without its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub id: SessionId,
    /// Who owns it.
    pub record: Record,
    /// Whose it is.
    pub subject: Option<String>,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// It was ended; nothing else is left of it.
    pub ended: bool,
    /// How many records its journal has had in all.
    pub length: u64,
    /// [`Snapshot::about`] of the newest snapshot.
    pub about: String,
}

/// The state of a session at a place of its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// How many records it includes.
    pub length: u64,
    /// Number of the last log entry it includes.
    pub seq: u64,
    /// When it was taken, in milliseconds since 1970.
    pub at_ms: u64,
    /// The state; opaque here.
    pub state: Vec<u8>,
    /// The session as JSON, for lists.
    pub about: String,
    /// It was written after the last act of its owner: nothing has happened
    /// since, so it can be continued by another version of the engine.
    pub last_act: bool,
    /// What the ledger is to know that none before it has said; it is not read back.
    pub post: Option<Post>,
}

/// How far back anybody may want to go: nobody resumes from before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Horizon {
    /// Nobody asks for log entries before this one.
    pub seq: u64,
    /// Nobody asks for what is older than this, in milliseconds since 1970.
    pub at_ms: u64,
    /// Records before this one are more than a store is to keep.
    pub length: u64,
}

/// Everything a new owner needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The newest.
    pub snapshot: Snapshot,
    /// The journal from the snapshot on: number and bytes.
    pub journal: Vec<(u64, Vec<u8>)>,
    /// How many records the journal has had in all.
    pub length: u64,
    /// The store was started anew since the session's last snapshot, and may
    /// have lost what was written after it.
    pub rewound: bool,
}

/// Why a store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Another claim stands: whoever asked has lost the session.
    #[error("the session is owned under generation {generation}")]
    Fenced {
        /// The generation that stands.
        generation: u64,
    },
    /// The journal is not as long as its owner thinks.
    #[error("the journal has {actual} records")]
    Length {
        /// How many it has.
        actual: u64,
    },
    /// There is no such session, or it has ended.
    #[error("no such session")]
    Missing,
    /// A session of this name exists.
    #[error("the session exists")]
    Exists,
    /// The session is not there, but the store has lost what it held a moment
    /// ago, or may have: an owner that has it in memory may write it anew.
    #[error("the store may have lost the session")]
    Lost,
    /// The store is too busy to take more; nothing was done.
    #[error("the store is busy")]
    Busy,
    /// The store has no room left; nothing was done.
    #[error("the store is full")]
    Full,
    /// The store has not answered for a while and was not asked; nothing was
    /// done.
    #[error("the store is away")]
    Away,
    /// It cannot be said whether it was done.
    #[error("the store failed: {0}")]
    Failed(String),
}
