//! Entries from before the snapshot that the session was revived from, for a
//! leg that was away meanwhile.

use holdfast_session::engine::{Engine, Stored};
use holdfast_session::log::{ENTRIES_MAX, KEPT_MS};
use tokio::time::timeout;

use super::Running;
use crate::clock::wall_ms;
use crate::store::{Horizon, State, StoreError};

/// More records than this are not kept for the sake of who might come back.
const RECORDS_MAX: u64 = 8_192;

/// How long the store may take; the leg waits, and so does the session.
const READ_LIMIT: std::time::Duration = std::time::Duration::from_secs(1);

impl Running {
    /// How far back a leg may want to go.
    pub(super) fn horizon(&self) -> Horizon {
        let top = self.shared.log.lock().top();
        Horizon {
            seq: top.saturating_sub(ENTRIES_MAX as u64),
            at_ms: wall_ms().saturating_sub(KEPT_MS),
            length: self.engine.length().saturating_sub(RECORDS_MAX),
        }
    }

    /// Puts the entries after `seq` back into the log, if they can still be made
    /// again. Fails when the store cannot say.
    pub(super) async fn recall(&mut self, seq: u64) -> Result<(), StoreError> {
        let Some(mark) = self.revived_at else {
            return Ok(());
        };
        let (bottom, top) = {
            let log = self.shared.log.lock();
            (log.bottom(), log.top())
        };
        if seq >= bottom || top - seq > ENTRIES_MAX as u64 {
            return Ok(());
        }
        let read = timeout(READ_LIMIT, self.store.past(self.fence(), seq)).await;
        let Some(past) = read.unwrap_or(Err(StoreError::Away))? else {
            return Ok(());
        };
        let State {
            snapshot, journal, ..
        } = past;
        let stored = Stored {
            snapshot: &snapshot.state,
            last_act: snapshot.last_act,
            rewound: false,
            journal: &journal,
        };
        match Engine::regenerate(stored, &mark, seq) {
            Ok(older) => self.shared.log.lock().prepend(&older),
            Err(error) => {
                let id = self.shared.id;
                tracing::warn!(session = %id, %error, "older entries are not to be had");
            }
        }
        if self.shared.log.lock().bottom() > seq {
            // nor will they be for anybody else who has been away for as long
            self.revived_at = None;
        }
        Ok(())
    }
}
