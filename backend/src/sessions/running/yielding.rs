//! The session lets go: to another endpoint, or into the store.

use std::time::Duration;

use holdfast_session::id::Epoch;
use holdfast_session::log::Log;
use holdfast_session::ownership::OnRelease;
use holdfast_session::trail::Why;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Goes, Mail, Over, Running};
use crate::clock;
use crate::handoff::Released;
use crate::sessions::settle::bits64;
use crate::sessions::tally::Loss;
use crate::sessions::{Ending, Refusal};
use crate::store::StoreError;

/// How long the writes of a release may take; the asker waits for 1 s in all.
const WRITE_LIMIT: Duration = Duration::from_millis(800);

/// How often an owner that let a session go looks whether it was taken: until then it keeps it.
pub(super) const RELEASED_CHECK: Duration = Duration::from_millis(250);

impl Running {
    /// Another endpoint asks for the session.
    pub(super) async fn release(&mut self, reply: oneshot::Sender<Released>) -> Goes {
        let generation = self.engine.generation();
        let hold_ms = u64::try_from(self.settings.hold.as_millis()).unwrap_or(u64::MAX);
        let answer = match self.holder.on_release(self.now_ms(), self.leaving, hold_ms) {
            OnRelease::Hold { retry_after_ms } => Released::Held {
                generation,
                retry_after: Duration::from_millis(retry_after_ms),
            },
            OnRelease::Stopped => Released::Released { generation },
            OnRelease::Stop => match timeout(WRITE_LIMIT, self.stop()).await {
                Ok(Ok(())) => Released::Released { generation },
                Ok(Err(error)) if Self::is_lost(&error) => {
                    let goes = self.refused(error).await;
                    let _ = reply.send(match goes {
                        Goes::Break(_) => Released::NotOwner { generation },
                        // the store had lost it; it is written again, and may be asked for again
                        Goes::Continue(()) => Released::Held {
                            generation: self.engine.generation(),
                            retry_after: WRITE_LIMIT,
                        },
                    });
                    return goes;
                }
                // what was accepted is in the journal, and the asker goes on from there: an owner
                // that its store does not hear is the last that should keep the session
                written => {
                    let why = written.map(|done| done.err());
                    tracing::warn!(session = %self.shared.id, ?why, "let go unwritten");
                    self.append = None;
                    self.snapshot = None;
                    self.let_go();
                    Released::Released { generation }
                }
            },
        };
        // the asker may have given up; then it is claimed back in time
        let _ = reply.send(answer);
        Goes::Continue(())
    }

    /// Stops at a command boundary, writes everything and ends the legs. What
    /// waits was not accepted: proxies say it again where the session goes.
    async fn stop(&mut self) -> Result<(), StoreError> {
        if let Some(snapshot) = self.snapshot.as_mut() {
            let written = snapshot.await;
            self.snapshot = None;
            match written {
                Ok(kept) => {
                    let posting = self.posting.take();
                    self.posted(posting, kept);
                }
                // the last one, below, is what counts
                Err(StoreError::Missing | StoreError::Fenced { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(append) = self.append.as_mut() {
            let appended = append.await;
            self.append = None;
            if let Goes::Break(_) = self.appended(appended).await {
                return Err(StoreError::Missing);
            }
        }
        let Some(snapshot) = self.state(true) else {
            return Err(StoreError::Busy);
        };
        let posting = snapshot.post.as_ref().map(|post| post.parcel.last);
        let horizon = self.horizon();
        match self.store.snapshot(self.fence(), snapshot, horizon).await {
            Err(StoreError::Missing) => self.write_anew(true).await?,
            written => {
                let kept = written?;
                self.posted(posting, kept);
            }
        }
        self.let_go();
        Ok(())
    }

    /// Nothing more is done here, until it is claimed again: the legs end.
    fn let_go(&mut self) {
        self.holder.stopped(self.now_ms());
        self.times.check = clock::now() + RELEASED_CHECK;
        self.held = None;
        self.refuse_waiting("the session is on its way to another endpoint");
        for (_, leg) in self.legs.drain() {
            leg.end(Ending::Moved);
        }
    }

    /// The same for what has not even been looked at.
    pub(super) fn refuse_all(&mut self, why: &str) {
        self.refuse_waiting(why);
        self.mail.close();
        while let Ok(mail) = self.mail.try_recv() {
            if let Mail::Command { reply, .. } = mail {
                drop(reply.send(Err(Refusal::unavailable(why))));
            }
        }
    }

    /// Commands that wait were certainly not done, and will not be. Of one in
    /// an append whose outcome is unknown nobody can say that.
    pub(super) fn refuse_waiting(&mut self, why: &str) {
        for ticket in self.engine.refuse_waiting() {
            if let Some(reply) = self.tickets.remove(&ticket) {
                // the asker may have gone meanwhile
                drop(reply.send(Err(Refusal::unavailable(why))));
            }
        }
    }

    /// Nobody came for the released session: it is claimed again and served.
    pub(super) async fn claim_back(&mut self) -> Goes {
        let (seen, next) = (self.holder.claim(), self.next_claim());
        match self
            .store
            .claim(self.shared.id, seen, self.record(next))
            .await
        {
            Ok(state) => {
                if self.engine.is_open() && state.length > self.engine.length() {
                    self.stands();
                }
                self.engine.retry();
                self.renew(next);
                if state.rewound {
                    // whoever came for it may be what the store has lost
                    self.tally.lost(Loss::Moments);
                    let mut log = self.shared.log.lock();
                    *log = Log::new(Epoch::new(bits64()), log.top());
                    self.revived_at = None;
                    if self.feed.is_some() {
                        let trail = log.epoch().clone();
                        self.engine.begin_trail(&log, trail, Why::Epoch);
                    }
                }
                // the last one in the store says that nothing has happened since
                self.open_snapshot();
                Goes::Continue(())
            }
            Err(StoreError::Missing) => {
                let turn = self.holder.may_write_anew(self.now_ms());
                // written anew, it is claimed at the next turn
                if turn && self.write_anew(true).await.is_err() {
                    self.holder.stopped(self.now_ms());
                }
                Goes::Continue(())
            }
            Err(error) if Self::is_lost(&error) => self.refused(error).await,
            Err(_) => {
                self.holder.stopped(self.now_ms());
                Goes::Continue(())
            }
        }
    }

    /// The endpoint leaves, or no longer: the record says so. A session that nobody is
    /// connected to is laid down at once, for nobody may come for it before the endpoint
    /// has to go.
    pub(super) async fn set_leaving(&mut self, leaving: bool) -> Goes {
        self.leaving = leaving;
        if leaving && self.is_alone() {
            return self.lay_down().await;
        }
        match self.store.mark(self.fence(), leaving, false).await {
            // written anew, the record says it
            Err(StoreError::Missing) if self.holder.serves() => self.missing().await,
            Err(error) if Self::is_lost(&error) => self.refused(error).await,
            Ok(()) | Err(_) => Goes::Continue(()),
        }
    }

    /// Writes everything and is over here; anybody may go on from the store.
    pub(super) async fn lay_down(&mut self) -> Goes {
        if self.holder.serves() {
            match timeout(WRITE_LIMIT, self.stop()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if Self::is_lost(&error) => {
                    // once more, if the store had only lost it
                    if let Goes::Break(over) = self.refused(error).await {
                        return Goes::Break(over);
                    }
                    if timeout(WRITE_LIMIT, self.stop()).await.is_err() {
                        tracing::warn!(session = %self.shared.id, "not laid down in time");
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(session = %self.shared.id, %error, "not laid down");
                }
                Err(_) => tracing::warn!(session = %self.shared.id, "not laid down in time"),
            }
        }
        let marked = timeout(
            WRITE_LIMIT,
            self.store.mark(self.fence(), self.leaving, true),
        );
        // whoever claims it then has to ask an owner that does not answer
        drop(marked.await);
        Goes::Break(Over::LaidDown)
    }
}
