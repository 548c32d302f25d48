//! A running session and its store: appends, snapshots, release, claiming back.

use holdfast_session::engine::{Batch, Outcome, Stored};
use holdfast_session::id::{ClaimId, Epoch};
use holdfast_session::log::{ENTRIES_MAX, KEPT_MS, Log};
use holdfast_session::ownership::{Claim, OnRelease, Record, Served};

use super::leg::Ending;
use super::running::{CHECK_MS, Goes, Released, Running};
use crate::Mutation;
use crate::act::Step;
use crate::hub::Reply;
use crate::store::{Fence, Found, Horizon, Snapshot, Store, StoreError};

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
    fn stands(&mut self) {
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
            if self.append.is_none() {
                self.open_check();
            }
            return Goes::Continue(());
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
            Err(StoreError::Fenced { .. }) if self.was_renamed(next).await => {
                // It was done, and only the answer was lost: once more, from there.
                self.rename(next);
                self.trouble = Some(self.now());
                return Goes::Continue(());
            }
            Err(error @ (StoreError::Missing | StoreError::Fenced { .. })) => {
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

    async fn was_renamed(&self, next: Claim) -> bool {
        let session = self.handle.session;
        let found = self.node.store(move |store| store.find(session)).await;
        matches!(found, Ok(Some(found)) if found.record.claim == next)
    }

    fn rename(&mut self, next: Claim) {
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
    fn horizon(&self) -> Horizon {
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
    pub(super) fn open_check(&mut self) {
        self.handle
            .legs
            .borrow_mut()
            .retain(|_, leg| !leg.is_over());
        // Whatever else is asked tells as much.
        if self.append.is_none() && self.snapshot.is_none() && self.check.is_none() {
            let (node, session) = (self.node.clone(), self.handle.session);
            self.check = Some(Box::pin(async move {
                node.store(move |store| store.find(session)).await
            }));
        }
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

    /// Another endpoint asks for the session.
    pub(super) async fn release(&mut self, reply: Reply<Released>) -> Goes {
        let hold_ms = if self.mutates(Mutation::ForgetHold) {
            0
        } else {
            self.node.hold_ms()
        };
        let now = self.now();
        let answer = match self.holder.on_release(now, self.leaving, hold_ms) {
            OnRelease::Hold { .. } => Released::Held,
            OnRelease::Stopped => Released::LetGo,
            OnRelease::Stop => {
                let (hub, who) = (self.node.hub.clone(), self.node.index);
                match hub.timeout(who, WRITE_LIMIT_MS, self.stop()).await {
                    Some(Ok(())) => Released::LetGo,
                    Some(Err(error @ (StoreError::Fenced { .. } | StoreError::Missing))) => {
                        let goes = self.refused(error).await;
                        reply.give(match goes {
                            Goes::Break(()) => Released::NotOwner,
                            Goes::Continue(()) => Released::Held,
                        });
                        return goes;
                    }
                    // What was accepted is in the journal, and the asker goes on from there.
                    Some(Err(_)) | None => {
                        self.append = None;
                        self.snapshot = None;
                        self.let_go();
                        Released::LetGo
                    }
                }
            }
        };
        reply.give(answer);
        Goes::Continue(())
    }

    /// Stops at a command boundary, writes everything and ends the legs. What waits was not
    /// accepted: proxies say it again where the session goes.
    async fn stop(&mut self) -> Result<(), StoreError> {
        self.step(Step::Stopping);
        if let Some(snapshot) = self.snapshot.as_mut() {
            let written = snapshot.await;
            self.snapshot = None;
            match written {
                // The last one, below, is what counts.
                Ok(()) | Err(StoreError::Missing | StoreError::Fenced { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(append) = self.append.as_mut() {
            let appended = append.await;
            self.append = None;
            if self.appended(appended).await.is_break() {
                return Err(StoreError::Missing);
            }
        }
        let Some(snapshot) = self.state(true) else {
            return Err(StoreError::Failed);
        };
        let (fence, horizon) = (self.fence(), self.horizon());
        let last = move |store: &mut Store| store.snapshot(fence, snapshot, horizon);
        match self.node.store(last).await {
            Err(StoreError::Missing) => self.write_anew(true).await?,
            written => written?,
        }
        self.let_go();
        Ok(())
    }

    /// Nothing more is done here: the legs end.
    fn let_go(&mut self) {
        self.holder.stopped(self.now());
        self.held = None;
        self.end_legs(Ending::Moved);
        self.step(Step::Stopped);
    }

    /// Nobody came for the released session: it is claimed again and served.
    pub(super) async fn claim_back(&mut self) -> Goes {
        self.step(Step::ClaimsBack);
        let seen = self.holder.claim();
        let next = self.next_record();
        let (claim, session) = (next.claim, self.handle.session);
        let asked = move |store: &mut Store| store.claim(session, seen, next);
        match self.node.store(asked).await {
            Ok(state) => {
                if self.engine.is_open() && state.length > self.engine.length() {
                    self.stands();
                }
                self.engine.retry();
                self.renew(claim);
                if state.rewound {
                    // Whoever came for it may be what the store has lost.
                    let fresh = Epoch::new(self.node.hub.chance(|chance| chance.draw() >> 11));
                    let mut log = self.handle.log.borrow_mut();
                    *log = Log::new(fresh, log.top());
                    self.revived_at = None;
                }
                // The last one in the store says that nothing has happened since.
                self.open_snapshot();
                Goes::Continue(())
            }
            Err(StoreError::Missing) => {
                // Written anew, it is claimed at the next turn.
                let turn = self.holder.may_write_anew(self.now());
                if turn && self.write_anew(true).await.is_err() {
                    self.holder.stopped(self.now());
                }
                Goes::Continue(())
            }
            Err(error @ StoreError::Fenced { .. }) => self.refused(error).await,
            Err(_) => {
                self.holder.stopped(self.now());
                Goes::Continue(())
            }
        }
    }

    /// The endpoint leaves, or no longer: the record says so.
    pub(super) async fn set_leaving(&mut self, leaving: bool) -> Goes {
        self.leaving = leaving;
        let fence = self.fence();
        let marked = self
            .node
            .store(move |store| store.mark(fence, leaving, false));
        match marked.await {
            // Written anew, the record says it.
            Err(StoreError::Missing) if self.holder.serves() => self.missing().await,
            Err(error @ (StoreError::Fenced { .. } | StoreError::Missing)) => {
                self.refused(error).await
            }
            Ok(()) | Err(_) => Goes::Continue(()),
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
/// How long the writes of a release may take; the asker waits for 1 s in all.
const WRITE_LIMIT_MS: u64 = 800;
