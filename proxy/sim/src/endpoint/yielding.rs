//! The session lets go: to another endpoint, or into the store.

use holdfast_session::id::Epoch;
use holdfast_session::log::Log;
use holdfast_session::ownership::OnRelease;

use super::leg::Ending;
use super::running::{Goes, Released, Running};
use crate::Mutation;
use crate::act::Step;
use crate::hub::Reply;
use crate::store::{Store, StoreError};

impl Running {
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
        self.check_at = self.now() + RELEASED_CHECK_MS;
        self.held = None;
        self.end_legs(Ending::Moved);
        self.step(Step::Stopped);
    }

    /// Writes everything and is over here; anybody may go on from the store.
    pub(super) async fn lay_down(&mut self) -> Goes {
        let (hub, who) = (self.node.hub.clone(), self.node.index);
        if self.holder.serves() {
            let stopped = hub.timeout(who, WRITE_LIMIT_MS, self.stop()).await;
            if let Some(Err(error @ (StoreError::Fenced { .. } | StoreError::Missing))) = stopped {
                // Once more, if the store had only lost it.
                if self.refused(error).await.is_break() {
                    return Goes::Break(());
                }
                let _ = hub.timeout(who, WRITE_LIMIT_MS, self.stop()).await;
            }
        }
        let (fence, leaving) = (self.fence(), self.leaving);
        let marked = self
            .node
            .store(move |store| store.mark(fence, leaving, true));
        // Whoever claims it then has to ask an owner that does not answer.
        let _ = hub.timeout(who, WRITE_LIMIT_MS, marked).await;
        Goes::Break(())
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

    /// The endpoint leaves, or no longer: the record says so. A session that nobody is connected to
    /// is laid down at once.
    pub(super) async fn set_leaving(&mut self, leaving: bool) -> Goes {
        self.leaving = leaving;
        if leaving && self.is_alone() {
            return self.lay_down().await;
        }
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

/// How often an owner that let a session go looks whether it was taken.
pub(super) const RELEASED_CHECK_MS: u64 = 250;
/// How long the writes of a release may take; the asker waits for 1 s in all.
const WRITE_LIMIT_MS: u64 = 800;
