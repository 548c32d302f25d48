//! What outlives a process: for each session its ownership, two snapshots and
//! its journal.

/// The store behind a trait; see `store/*` for the ones there are.
pub trait Store: Send + Sync {}
