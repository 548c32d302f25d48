//! A running session and its store: appends, snapshots, release, claiming back.

use holdfast_session::engine::{Batch, Outcome, Stored};
use holdfast_session::id::ClaimId;
use holdfast_session::log::{ENTRIES_MAX, KEPT_MS};
use holdfast_session::ownership::{Claim, Record, Served};

use super::running::{CHECK_MS, Goes, Running};
use crate::Mutation;
use crate::act::Step;
use crate::store::{Fence, Found, Horizon, Snapshot, StoreError};

/// Whether this still is the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owns {
    Yes,
    /// The store names another claim.
    No {
        generation: u64,
    },
    /// The store does not answer.
    Unknown,
}

impl Running {
    pub(super) fn open_append(&mut self) {
        let Some(Batch { length, records }) = self.engine.begin() else {
            return;
        };
        let fence = Fence {
            length,
            ..self.fence()
        };
        let node = self.node.clone();
        self.step(Step::Appends);
        match self.node.hub.mutation {
            Some(Mutation::AcknowledgeFirst) => self.stands(),
            // The append is open, and the market goes on as if it were not.
            Some(Mutation::EmitWhileOpen) => self.engine.retry(),
            _ => {}
        }
        self.append = Some(Box::pin(async move {
            node.store(move |store| store.append(fence, records)).await
        }));
    }

    pub(super) async fn appended(&mut self, done: Result<(), StoreError>) -> Goes {
        if self.mutates(Mutation::EmitWhileOpen) {
            self.engine.begin();
        }
        match done {
            Ok(()) => {
                self.stands();
                Goes::Continue(())
            }
            Err(error @ (StoreError::Missing | StoreError::Fenced { .. })) => {
                self.engine.retry();
                self.refused(error).await
            }
            Err(StoreError::Length { actual }) if actual < self.engine.length() => {
                self.engine.retry();
                self.stand_for_the_lost()
            }
            Err(error) => self.failed(&error),
        }
    }

    /// The append is in the journal: apply, emit, tell.
    pub(super) fn stands(&mut self) {
        self.out_of_trouble();
        self.check_at = self.now() + CHECK_MS;
        self.engine.finish(&mut self.handle.log.borrow_mut());
        self.tell_accepted();
        self.step(Step::Stands);
    }

    /// The store did not do what was asked, or did not say so.
    pub(super) fn failed(&mut self, error: &StoreError) -> Goes {
        self.heard(error);
        self.in_trouble()
    }

    /// A store that says why not is there.
    fn heard(&mut self, error: &StoreError) {
        let now = self.now();
        match error {
            StoreError::Failed => {
                self.silent.get_or_insert(now);
            }
            _ => self.silent = None,
        }
    }

    /// Commands cannot be journaled: they wait.
    pub(super) fn in_trouble(&mut self) -> Goes {
        self.trouble = Some(self.now() + RETRY_MS);
        Goes::Continue(())
    }

    pub(super) const fn out_of_trouble(&mut self) {
        self.silent = None;
        self.trouble = None;
        self.held_is_ready = true;
    }

    /// After a failed append: was it done? Only the store can say.
    pub(super) async fn try_store_again(&mut self) -> Goes {
        self.trouble = Some(self.now() + RETRY_MS);
        if !self.engine.is_open() {
            // What waits is the next try.
            self.open_append();
            return match self.append {
                Some(_) => Goes::Continue(()),
                None => self.open_check().await,
            };
        }
        self.settle_append().await
    }

    /// Reads what became of the open append, under another claim: what still is on its way under
    /// the one before is refused.
    async fn settle_append(&mut self) -> Goes {
        let (own, session) = (self.holder.claim(), self.handle.session);
        let drawn = || ClaimId::new(self.node.hub.chance(|chance| chance.bits128()));
        let id = *self.renaming.get_or_insert_with(drawn);
        let record = Record {
            claim: Claim { id, ..own },
            ..self.next_record()
        };
        let next = record.claim;
        let claimed = self
            .node
            .store(move |store| store.claim(session, own, record));
        let state = match claimed.await {
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
            Outcome::Other => return Goes::Break(()),
        }
        Goes::Continue(())
    }

    /// Another claim than this owner's stands. It may be the one it asked for before, if only the
    /// answer to that was lost; while nobody can say, the append stays open.
    async fn renamed(&mut self, next: Claim, error: StoreError) -> Goes {
        let session = self.handle.session;
        match self.node.store(move |store| store.find(session)).await {
            Ok(Some(found)) if found.record.claim == next => {
                // Once more, from there.
                self.rename(next);
                self.trouble = Some(self.now());
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

    pub(super) fn rename(&mut self, next: Claim) {
        self.holder.rename(next);
        self.renaming = None;
    }

    /// Whether it stood still for so long that another may have taken the session meanwhile.
    pub(super) fn was_absent(&self) -> bool {
        self.holder.serves() && self.now() >= self.pulse_at + ABSENCE_MS
    }

    /// After an absence nothing is answered or emitted before the store has said whose the session
    /// is. A store that does not answer changes nothing.
    pub(super) async fn look_about(&mut self) -> Goes {
        let (session, hub, who) = (self.handle.session, self.node.hub.clone(), self.node.index);
        let asked = self.node.store(move |store| store.find(session));
        let found = hub.timeout(who, ABSENCE_MS, asked).await;
        self.pulse_at = self.now();
        match found {
            Some(Ok(Some(found))) if found.record.claim != self.holder.claim() => {
                let generation = found.record.claim.generation;
                self.refused(StoreError::Fenced { generation }).await
            }
            _ => Goes::Continue(()),
        }
    }

    pub(super) fn open_snapshot(&mut self) {
        if self.snapshot.is_some() || !self.holder.serves() {
            return;
        }
        self.engine.forget_silent(&self.live());
        let Some(snapshot) = self.state(false) else {
            // an append is open: right after it
            self.snapshot_at = self.now() + 20;
            return;
        };
        self.step(Step::Snapshots);
        let (node, fence, horizon) = (self.node.clone(), self.fence(), self.horizon());
        self.snapshot = Some(Box::pin(async move {
            node.store(move |store| store.snapshot(fence, snapshot, horizon))
                .await
        }));
    }

    pub(super) async fn snapshot_written(&mut self, done: Result<(), StoreError>) -> Goes {
        match done {
            Ok(()) => {
                self.check_at = self.now() + CHECK_MS;
                self.silent = None;
                if self.trouble.is_some() && !self.engine.is_open() {
                    // It stands for whatever was lost.
                    self.out_of_trouble();
                }
                Goes::Continue(())
            }
            // An open append meets the same; it is told first.
            Err(StoreError::Missing | StoreError::Fenced { .. }) if self.append.is_some() => {
                Goes::Continue(())
            }
            Err(error @ (StoreError::Missing | StoreError::Fenced { .. })) => {
                self.refused(error).await
            }
            Err(error) => {
                self.heard(&error);
                Goes::Continue(())
            }
        }
    }

    pub(super) fn state(&self, last_act: bool) -> Option<Snapshot> {
        let log = self.handle.log.borrow();
        Some(Snapshot {
            length: self.engine.length(),
            seq: log.top(),
            at_ms: self.node.hub.wall_ms(),
            state: self.engine.state(&log)?,
            last_act,
            epoch: log.epoch().clone(),
        })
    }

    /// How far back a leg may want to go.
    pub(super) fn horizon(&self) -> Horizon {
        Horizon {
            seq: self
                .handle
                .log
                .borrow()
                .top()
                .saturating_sub(ENTRIES_MAX as u64),
            at_ms: self.node.hub.wall_ms().saturating_sub(KEPT_MS),
        }
    }

    /// Regularly: whether this still is the owner.
    pub(super) async fn open_check(&mut self) -> Goes {
        if self.holder.serves() && self.leaving && self.is_alone() {
            return self.lay_down().await;
        }
        // Whatever else is asked tells as much.
        if self.append.is_none() && self.snapshot.is_none() && self.check.is_none() {
            let (node, session) = (self.node.clone(), self.handle.session);
            self.check = Some(Box::pin(async move {
                node.store(move |store| store.find(session)).await
            }));
        }
        Goes::Continue(())
    }

    /// Whether nobody is connected.
    pub(super) fn is_alone(&self) -> bool {
        let mut legs = self.handle.legs.borrow_mut();
        legs.retain(|_, leg| !leg.is_over());
        legs.is_empty()
    }

    pub(super) async fn checked(&mut self, found: Result<Option<Found>, StoreError>) -> Goes {
        match &found {
            Ok(_) => self.silent = None,
            Err(error) => self.heard(error),
        }
        if self.append.is_some() || self.snapshot.is_some() || self.engine.is_open() {
            // It was asked before they were, and they know better.
            return Goes::Continue(());
        }
        match found {
            Ok(Some(found)) if found.record.claim == self.holder.claim() => {
                if self.trouble.is_some() {
                    self.out_of_trouble();
                }
                Goes::Continue(())
            }
            Ok(Some(found)) => {
                let generation = found.record.claim.generation;
                self.refused(StoreError::Fenced { generation }).await
            }
            Ok(None) | Err(StoreError::Lost) if self.holder.serves() => self.missing().await,
            _ => Goes::Continue(()),
        }
    }

    /// Whether a connection that was served under generation `seen` may be taken here.
    pub(super) async fn still_owns(&self, seen: Option<Served>) -> Owns {
        if !self.holder.is_outdated(seen) {
            return Owns::Yes;
        }
        let session = self.handle.session;
        match self.node.store(move |store| store.find(session)).await {
            Ok(Some(found)) if found.record.claim == self.holder.claim() => Owns::Yes,
            Ok(Some(found)) => Owns::No {
                generation: found.record.claim.generation,
            },
            // The store has lost the later claim too: what is here is what is left.
            Ok(None) | Err(StoreError::Lost) => Owns::Yes,
            Err(_) => Owns::Unknown,
        }
    }
}

/// Both halves of what a revival needs, from what a store gives.
pub(super) fn stored<'a>(snapshot: &'a Snapshot, journal: &'a [(u64, Vec<u8>)]) -> Stored<'a> {
    Stored {
        snapshot: &snapshot.state,
        last_act: snapshot.last_act,
        rewound: false,
        journal,
    }
}

/// Between tries while the store does not answer.
const RETRY_MS: u64 = 500;
/// Nobody takes a session from an owner that is silent for less.
const ABSENCE_MS: u64 = 750;
