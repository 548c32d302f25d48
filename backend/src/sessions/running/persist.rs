//! The session and its store.

use std::sync::Arc;
use std::time::Duration;

use holdfast_session::engine::{Batch, Outcome};
use holdfast_session::id::ClaimId;
use holdfast_session::message::Problem;
use holdfast_session::ownership::{Claim, Served};
use tokio::time::timeout;

use super::{Goes, Over, Running};
use crate::clock::{self, Instant, wall_ms};
use crate::random;
use crate::sessions::tally::Loss;
use crate::store::{Fence, Found, Kept, Snapshot, StoreError};

/// Nobody takes a session from an owner that is silent for less: a release is waited
/// for at least so long.
const ABSENCE: Duration = Duration::from_millis(750);

/// Between tries while the store does not answer.
const RETRY: Duration = Duration::from_millis(500);

/// Whether this still is the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owns {
    Yes,
    /// The store names another claim.
    No {
        /// Its number.
        generation: u64,
    },
    /// The store does not answer.
    Unknown,
}

impl Running {
    /// Appends what waits. One append at a time: what comes meanwhile shares the next.
    pub(super) fn open_append(&mut self) {
        let Some(Batch { length, records }) = self.engine.begin() else {
            return;
        };
        let (store, fence) = (
            self.store.clone(),
            Fence {
                length,
                ..self.fence()
            },
        );
        self.append = Some(Box::pin(async move { store.append(fence, records).await }));
    }

    /// An append has ended.
    pub(super) async fn appended(&mut self, done: Result<(), StoreError>) -> Goes {
        match done {
            Ok(()) => {
                self.stands();
                Goes::Continue(())
            }
            Err(error @ (StoreError::Missing | StoreError::Fenced { .. })) => {
                self.engine.retry();
                self.refused(error).await
            }
            Err(error @ (StoreError::Busy | StoreError::Full | StoreError::Away)) => {
                self.engine.retry();
                self.failed(&error)
            }
            Err(StoreError::Length { actual }) if actual < self.engine.length() => {
                self.engine.retry();
                self.tally.lost(Loss::Tail);
                self.stand_for_the_lost("journal is shorter than it was")
            }
            Err(error) => self.failed(&error),
        }
    }

    /// The append is in the journal: apply, emit, tell.
    pub(super) fn stands(&mut self) {
        self.out_of_trouble();
        self.times.check = clock::now() + self.settings.check_interval;
        let told = {
            // whoever reads an answer in the log also finds its message accepted
            let shared = Arc::clone(&self.shared);
            let mut log = shared.log.lock();
            let told = self.engine.finish(&mut log);
            self.tell_accepted();
            told
        };
        self.publish_terms();
        for (ticket, answer) in told {
            if let Some(reply) = self.tickets.remove(&ticket) {
                // the asker may have gone; the answer is kept under its number
                drop(reply.send(Ok(answer)));
            }
        }
        self.wake_legs();
    }

    /// What the user has just laid down is found in lists at once.
    pub(super) fn publish_terms(&mut self) {
        let mut published = self.shared.terms.lock();
        if *published != *self.engine.terms() {
            published.clone_from(self.engine.terms());
            drop(published);
            self.times.snapshot = clock::now();
        }
    }

    /// The store did not do what was asked, or did not say so.
    pub(super) fn failed(&mut self, error: &StoreError) -> Goes {
        self.heard(error);
        self.trouble(&error.to_string())
    }

    /// A store that says why not is there.
    fn heard(&mut self, error: &StoreError) {
        match error {
            StoreError::Failed(_) | StoreError::Away | StoreError::Busy => {
                self.times.silent.get_or_insert_with(clock::now);
            }
            _ => self.times.silent = None,
        }
    }

    /// Commands cannot be journaled: those with an answer to wait for are
    /// refused, the others wait, and their clients are told so.
    pub(super) fn trouble(&mut self, why: &str) -> Goes {
        let again = clock::now() + RETRY;
        if self.times.trouble.replace(again).is_none() {
            tracing::warn!(session = %self.shared.id, why, "commands cannot be journaled");
            self.legs.values().for_each(|leg| leg.notice(waits()));
        }
        self.refuse_waiting("the store does not answer");
        Goes::Continue(())
    }

    pub(super) fn out_of_trouble(&mut self) {
        self.times.silent = None;
        self.times.trouble = None;
        self.held_is_ready = true;
    }

    /// After a failed append: was it done? Only the store can say.
    pub(super) async fn try_store_again(&mut self, now: Instant) -> Goes {
        self.times.trouble = Some(now + RETRY);
        if !self.engine.is_open() {
            // what waits is the next try
            self.open_append();
            return match self.append {
                Some(_) => Goes::Continue(()),
                None => self.open_check(now).await,
            };
        }
        self.settle_append().await
    }

    /// Reads what became of the open append. It may still be on its way to the
    /// store, and come to pass after it was not found there: so the session is
    /// claimed anew with the same question, and what comes later is refused.
    async fn settle_append(&mut self) -> Goes {
        let own = self.holder.claim();
        let next = *self.renaming.get_or_insert_with(|| Claim {
            id: ClaimId::new(random::bits128()),
            ..own
        });
        let (id, record) = (self.shared.id, self.record(next));
        let state = match self.store.claim(id, own, record).await {
            Ok(state) => state,
            Err(error @ StoreError::Fenced { .. }) => return self.renamed(next, error).await,
            Err(error @ StoreError::Missing) => {
                self.engine.retry();
                return self.refused(error).await;
            }
            Err(error) => {
                self.heard(&error);
                return Goes::Continue(());
            }
        };
        self.rename(next);
        match self.engine.outcome(&state.journal, state.length) {
            Outcome::Done => self.stands(),
            Outcome::Undone => {
                self.engine.retry();
                self.out_of_trouble();
            }
            Outcome::Other => {
                tracing::error!(session = %id, "somebody else wrote into the journal");
                return Goes::Break(Over::Lost);
            }
        }
        Goes::Continue(())
    }

    /// Another claim than this owner's stands. It may be the one it asked for before, if only the
    /// answer to that was lost; while nobody can say, the append stays open.
    async fn renamed(&mut self, next: Claim, error: StoreError) -> Goes {
        match self.store.find(self.shared.id).await {
            Ok(Some(found)) if found.record.claim == next => {
                // once more, from there
                self.rename(next);
                self.times.trouble = Some(clock::now());
                Goes::Continue(())
            }
            Ok(_) | Err(StoreError::Lost) => {
                self.engine.retry();
                self.refused(error).await
            }
            Err(error) => {
                self.heard(&error);
                Goes::Continue(())
            }
        }
    }

    /// Goes on under a claim that it made without a change of hands.
    pub(super) fn rename(&mut self, next: Claim) {
        self.holder.rename(next);
        self.renaming = None;
    }

    /// Writes a snapshot beside everything else, unless one is being written.
    pub(super) fn open_snapshot(&mut self) {
        if self.snapshot.is_some() || !self.holder.serves() {
            return;
        }
        let live: Vec<_> = self.legs.keys().copied().collect();
        self.engine.forget_silent(&live);
        let Some(snapshot) = self.state(false) else {
            // an append is open: right after it
            self.times.snapshot = clock::now() + self.settings.pulse;
            return;
        };
        self.posting = snapshot.post.as_ref().map(|post| post.parcel.last);
        let (store, fence, horizon) = (self.store.clone(), self.fence(), self.horizon());
        self.snapshot = Some(Box::pin(async move {
            store.snapshot(fence, snapshot, horizon).await
        }));
    }

    pub(super) async fn snapshot_written(&mut self, done: Result<Kept, StoreError>) -> Goes {
        let posting = self.posting.take();
        match done {
            Ok(kept) => {
                self.posted(posting, kept);
                self.times.check = clock::now() + self.settings.check_interval;
                self.times.silent = None;
                if self.times.trouble.is_some() && !self.engine.is_open() {
                    // it stands for whatever was lost
                    self.out_of_trouble();
                }
                Goes::Continue(())
            }
            // an open append meets the same; it is told first
            Err(StoreError::Missing | StoreError::Fenced { .. }) if self.append.is_some() => {
                Goes::Continue(())
            }
            Err(error @ (StoreError::Missing | StoreError::Fenced { .. })) => {
                self.refused(error).await
            }
            Err(error) => {
                tracing::warn!(session = %self.shared.id, %error, "snapshot failed");
                self.heard(&error);
                Goes::Continue(())
            }
        }
    }

    /// The state at this command boundary.
    pub(super) fn state(&self, last_act: bool) -> Option<Snapshot> {
        let (state, top) = {
            let log = self.shared.log.lock();
            (self.engine.state(&log)?, log.id(log.top()))
        };
        let about = serde_json::to_string(&self.about(&top)).ok()?;
        Some(Snapshot {
            length: self.engine.length(),
            seq: top.seq,
            at_ms: wall_ms(),
            state,
            about,
            last_act,
            post: self.post(),
        })
    }

    /// Regularly: whether this still is the owner, and whether anybody cares.
    pub(super) async fn open_check(&mut self, now: Instant) -> Goes {
        let asked_ago = now.duration_since(self.times.asked);
        let is_idle = asked_ago >= self.settings.idle && !self.owes_cancel();
        if self.holder.serves() && self.is_alone() && (is_idle || self.leaving) {
            return self.lay_down().await;
        }
        // whatever else is asked tells as much
        if self.append.is_none() && self.snapshot.is_none() && self.check.is_none() {
            let (store, id) = (self.store.clone(), self.shared.id);
            self.check = Some(Box::pin(async move { store.find(id).await }));
        }
        Goes::Continue(())
    }

    /// Whether nobody is connected.
    pub(super) fn is_alone(&mut self) -> bool {
        self.legs.retain(|_, leg| !leg.is_over());
        self.legs.is_empty()
    }

    /// Whether this process stood still for so long that another may have taken
    /// the session meanwhile, as after SIGSTOP and SIGCONT.
    pub(super) fn was_absent(&self) -> bool {
        self.holder.serves() && clock::now() >= self.times.pulse + ABSENCE
    }

    /// After an absence nothing is answered or emitted before the store has said
    /// whose the session is. A store that does not answer changes nothing: then
    /// nobody else can have taken it either.
    pub(super) async fn look_about(&mut self) -> Goes {
        let found = timeout(ABSENCE, self.store.find(self.shared.id)).await;
        self.times.pulse = clock::now();
        match found {
            Ok(Ok(Some(found))) if found.ended => Goes::Break(Over::Ended),
            Ok(Ok(Some(found))) if found.record.claim != self.holder.claim() => {
                let generation = found.record.claim.generation;
                self.refused(StoreError::Fenced { generation }).await
            }
            _ => Goes::Continue(()),
        }
    }

    pub(super) async fn checked(&mut self, found: Result<Option<Found>, StoreError>) -> Goes {
        match &found {
            Ok(_) => self.times.silent = None,
            Err(error) => self.heard(error),
        }
        if self.append.is_some() || self.snapshot.is_some() || self.engine.is_open() {
            // it was asked before they were, and they know better
            return Goes::Continue(());
        }
        match found {
            Ok(Some(found)) if !found.ended && found.record.claim == self.holder.claim() => {
                if self.times.trouble.is_some() {
                    self.out_of_trouble();
                }
                Goes::Continue(())
            }
            Ok(Some(found)) if found.ended => Goes::Break(Over::Ended),
            Ok(Some(found)) => {
                let generation = found.record.claim.generation;
                self.refused(StoreError::Fenced { generation }).await
            }
            Ok(None) | Err(StoreError::Lost) if self.holder.serves() => self.missing().await,
            _ => Goes::Continue(()),
        }
    }

    /// Whether a connection that was served under generation `seen` may be taken
    /// here. One from a later generation than ours is reason to ask the store.
    pub(super) async fn still_owns(&mut self, seen: Option<Served>) -> Owns {
        if !self.holder.is_outdated(seen) {
            return Owns::Yes;
        }
        match self.store.find(self.shared.id).await {
            Ok(Some(found)) if found.record.claim == self.holder.claim() => Owns::Yes,
            Ok(Some(found)) => Owns::No {
                generation: found.record.claim.generation,
            },
            // the store has lost the later claim too: what is here is what is left
            Ok(None) | Err(StoreError::Lost) => Owns::Yes,
            Err(_) => Owns::Unknown,
        }
    }
}

/// What clients are told while their commands wait.
pub(super) fn waits() -> String {
    let message = "the store does not answer; commands wait until it does";
    let problem = Problem::retryable("store_unavailable", message);
    serde_json::json!({ "type": "notice", "data": problem }).to_string()
}
