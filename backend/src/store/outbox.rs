//! What waits for the ledger. Facts are written in the same step as the snapshot
//! that includes them, under the same claim, so there is never one without the
//! other; they are read and cleared by whoever carries them to the ledger, which
//! needs no claim: they have happened, whoever owns the session now.

use async_trait::async_trait;
use holdfast_session::id::{Epoch, SessionId};
use holdfast_session::trail::Parcel;

use super::StoreError;

/// What a write adds to the session's outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The facts.
    pub parcel: Parcel,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: u64,
    /// How many bytes the session's outbox may hold. Beyond it only the numbers of the
    /// facts are kept, so that the ledger knows what it misses; neighbours become one.
    pub room: usize,
}

/// What became of a [`Post`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It waits for the ledger, or there was none.
    Whole,
    /// The outbox is full: its numbers wait for the ledger.
    Numbers,
}

/// A place in a session's outbox; only the store knows what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub(super) String);

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Where.
    pub place: Place,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: u64,
    /// Of which trail.
    pub trail: Epoch,
    /// The number of the first fact.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// The facts; none where the outbox was full.
    pub body: Option<Vec<u8>>,
}

/// The side of a store that the ledger is fed from.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Sessions for which something may wait since before `before_ms`, in milliseconds
    /// since 1970; those that have waited longest first.
    async fn outboxes(&self, before_ms: u64, limit: usize) -> Result<Vec<SessionId>, StoreError>;

    /// What waits of one session, oldest first.
    async fn outbox(&self, id: SessionId, limit: usize) -> Result<Vec<Waiting>, StoreError>;

    /// Everything up to this place is in the ledger.
    async fn clear(&self, id: SessionId, place: &Place) -> Result<(), StoreError>;
}
