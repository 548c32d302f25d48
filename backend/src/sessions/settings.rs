//! How sessions are run: every bound in one place.

use std::time::Duration;

use holdfast_session::ownership::HOLD_MS;

/// How sessions are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How often the market goes on; entries of the ticks between leave together.
    pub pulse: Duration,
    /// How far behind the clock a revived market catches up; beyond it, it rests.
    pub catch_up: Duration,
    /// Between snapshots: a crash replays at most this much market.
    pub snapshot_interval: Duration,
    /// An owner refuses to release a session it took less than this ago.
    pub hold: Duration,
    /// How often an owner with nothing to write looks whether it still is the owner.
    pub check_interval: Duration,
    /// How long market data goes on without a store.
    pub store_grace: Duration,
    /// A session without connections and requests is laid down after this.
    pub idle: Duration,
    /// How long a caller waits for a session before it is told to come again.
    pub patience: Duration,
    /// How many sessions this process runs at most.
    pub sessions_max: usize,
    /// How many sessions one user may have; anonymous users are not told apart and not counted.
    pub sessions_per_subject: usize,
    /// How many messages wait in a session's mailbox at most.
    pub mailbox: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pulse: Duration::from_millis(20),
            catch_up: Duration::from_secs(120),
            snapshot_interval: Duration::from_secs(5),
            hold: Duration::from_millis(HOLD_MS),
            check_interval: Duration::from_secs(2),
            store_grace: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            patience: Duration::from_secs(5),
            sessions_max: 10_000,
            sessions_per_subject: 1_000,
            mailbox: 64,
        }
    }
}
