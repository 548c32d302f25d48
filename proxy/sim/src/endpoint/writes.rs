//! A running session and its store: appends, snapshots, release, claiming back.

use holdfast_session::engine::{Batch, Stored};
use holdfast_session::log::{ENTRIES_MAX, KEPT_MS};
use holdfast_session::ownership::{Holder, OnRelease};

use super::leg::Ending;
use super::running::{CHECK_MS, Goes, Released, Running};
use crate::hub::Reply;
use crate::store::{Fence, Horizon, Snapshot, StoreError};
use crate::{Mutation, Sight};

/// Whether this still is the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owns {
    Yes,
    No,
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
        if self.mutates(Mutation::AcknowledgeFirst) {
            self.stands();
        }
        self.append = Some(Box::pin(async move {
            node.store(move |store| store.append(fence, records)).await
        }));
    }

    pub(super) fn appended(&mut self, done: Result<(), StoreError>) -> Goes {
        match done {
            Ok(()) => {
                self.stands();
                Goes::Continue(())
            }
            Err(StoreError::Fenced) => Goes::Break(()),
            Err(StoreError::Length { actual }) if actual < self.engine.length() => {
                self.engine.retry();
                self.open_snapshot();
                self.in_trouble()
            }
            Err(_) => self.in_trouble(),
        }
    }

    /// The append is in the journal: apply, emit, tell.
    fn stands(&mut self) {
        self.trouble = None;
        self.held_is_ready = true;
        self.check_at = self.now() + CHECK_MS;
        self.engine.finish(&mut self.handle.log.borrow_mut());
        self.tell_accepted();
    }

    fn in_trouble(&mut self) -> Goes {
        let now = self.now();
        let since = self.trouble.map_or(now, |(since, _)| since);
        self.trouble = Some((since, now + RETRY_MS));
        Goes::Continue(())
    }

    /// After a failed append: was it done? Only the store can say.
    pub(super) async fn try_store_again(&mut self, since: u64) -> Goes {
        let now = self.now();
        if now - since >= GRACE_MS {
            return Goes::Break(());
        }
        self.trouble = Some((since, now + RETRY_MS));
        if !self.engine.is_open() {
            self.trouble = None;
            self.held_is_ready = true;
            return Goes::Continue(());
        }
        let fence = self.fence();
        match self.node.store(move |store| store.read_back(fence)).await {
            Ok(state) if state.length > self.engine.length() => {
                self.stands();
                Goes::Continue(())
            }
            Ok(_) => {
                self.engine.retry();
                self.trouble = None;
                self.held_is_ready = true;
                Goes::Continue(())
            }
            Err(StoreError::Fenced) => Goes::Break(()),
            Err(_) => Goes::Continue(()),
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
        let (node, fence, horizon) = (self.node.clone(), self.fence(), self.horizon());
        self.snapshot = Some(Box::pin(async move {
            node.store(move |store| store.snapshot(fence, snapshot, horizon))
                .await
        }));
    }

    pub(super) fn snapshot_written(&mut self, done: &Result<(), StoreError>) -> Goes {
        match done {
            Err(StoreError::Fenced) => Goes::Break(()),
            Ok(()) => {
                self.check_at = self.now() + CHECK_MS;
                Goes::Continue(())
            }
            Err(_) => Goes::Continue(()),
        }
    }

    fn state(&self, last_act: bool) -> Option<Snapshot> {
        let log = self.handle.log.borrow();
        Some(Snapshot {
            length: self.engine.length(),
            seq: log.top(),
            at_ms: self.node.hub.wall_ms(),
            state: self.engine.state(&log)?,
            last_act,
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
    pub(super) async fn check(&mut self) -> Goes {
        self.handle
            .legs
            .borrow_mut()
            .retain(|_, leg| !leg.is_over());
        if self.append.is_some() || self.snapshot.is_some() || self.trouble.is_some() {
            return Goes::Continue(());
        }
        let session = self.handle.session;
        match self.node.store(move |store| Ok(store.find(session))).await {
            Ok(found) if found.claim != self.holder.claim() => Goes::Break(()),
            _ => Goes::Continue(()),
        }
    }

    /// Whether a connection that was served under generation `seen` may be taken here.
    pub(super) async fn still_owns(&self, seen: Option<u64>) -> Owns {
        if !self.holder.is_outdated(seen) {
            return Owns::Yes;
        }
        let session = self.handle.session;
        match self.node.store(move |store| Ok(store.find(session))).await {
            Ok(found) if found.claim == self.holder.claim() => Owns::Yes,
            Ok(_) => Owns::No,
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
                    Some(Err(StoreError::Fenced)) => {
                        reply.give(Released::NotOwner);
                        return Goes::Break(());
                    }
                    // not everything is in the store: keep it
                    Some(Err(_)) | None => Released::Held,
                }
            }
        };
        reply.give(answer);
        Goes::Continue(())
    }

    /// Stops at a command boundary, writes everything and ends the legs. What waits was not
    /// accepted: proxies say it again where the session goes.
    async fn stop(&mut self) -> Result<(), StoreError> {
        if let Some(snapshot) = self.snapshot.as_mut() {
            let written = snapshot.await;
            self.snapshot = None;
            written?;
        }
        if let Some(append) = self.append.as_mut() {
            let appended = append.await;
            self.append = None;
            if self.appended(appended).is_break() {
                return Err(StoreError::Fenced);
            }
        }
        let Some(snapshot) = self.state(true) else {
            return Err(StoreError::Failed);
        };
        let (fence, horizon) = (self.fence(), self.horizon());
        self.node
            .store(move |store| store.snapshot(fence, snapshot, horizon))
            .await?;
        self.holder.stopped(self.now());
        self.held = None;
        self.end_legs(Ending::Moved);
        Ok(())
    }

    /// Nobody came for the released session: it is claimed again and served.
    pub(super) async fn claim_back(&mut self) -> Goes {
        let seen = self.holder.claim();
        let next = self.node.next_record(seen, self.leaving);
        let (claim, session) = (next.claim, self.handle.session);
        let asked = self
            .node
            .store(move |store| store.claim(session, seen, next));
        match asked.await {
            Ok(_) => {
                self.holder = Holder::new(claim, self.now());
                self.engine.renew(claim.generation);
                let at = self.node.owner.endpoint.to_string();
                self.node.hub.see(Sight::Claimed {
                    session,
                    at,
                    generation: claim.generation,
                });
                Goes::Continue(())
            }
            Err(StoreError::Fenced) => Goes::Break(()),
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
            Err(StoreError::Fenced) => Goes::Break(()),
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
/// How long market data goes on without a store.
const GRACE_MS: u64 = 30_000;
/// How long the writes of a release may take; the asker waits for 1 s in all.
const WRITE_LIMIT_MS: u64 = 800;
