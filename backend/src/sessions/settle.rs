//! Settling who owns a session before anything is asked of it.

use std::sync::Arc;

use holdfast_session::engine::{Engine, Mark, ReviveError, Revived, Stored};
use holdfast_session::id::{ClaimId, Epoch, SessionId};
use holdfast_session::message::Problem;
use holdfast_session::ownership::{
    Claim, Holder, Owner, Record, ReleaseAnswer, Step, after_release, judge,
};
use holdfast_session::trail::Why;
use tokio::sync::{mpsc, oneshot};

use super::listing::is_over;
use super::running::{Mail, Running, Shared, Times};
use super::tally::Loss;
use super::{Ask, Handle, Inner, Refusal};
use crate::handoff::{ReleaseAsk, Released};
use crate::store::{Fence, Found, State, StoreError};
use crate::{clock, random};

/// How often a session that changes hands under our eyes is looked at anew.
const ROUNDS: usize = 4;

impl Inner {
    /// A session that runs here, taken over if the record and the request allow it.
    pub(super) async fn settle(
        self: &Arc<Self>,
        id: SessionId,
        ask: &Ask,
    ) -> Result<Handle, Refusal> {
        for _ in 0..ROUNDS {
            if let Some(handle) = self.running(id) {
                return handle.for_subject(ask);
            }
            // one at a time per session; whoever waited finds it running
            let gate = self.gate(id);
            let _turn = gate.lock().await;
            if let Some(handle) = self.running(id) {
                return handle.for_subject(ask);
            }
            if let Some(handle) = self.settle_once(id, ask).await? {
                return Ok(handle);
            }
        }
        Err(Refusal::unavailable("the session is changing hands"))
    }

    /// `None`: it changed hands meanwhile, look again.
    async fn settle_once(
        self: &Arc<Self>,
        id: SessionId,
        ask: &Ask,
    ) -> Result<Option<Handle>, Refusal> {
        let found = self.store.find(id).await.map_err(trouble)?;
        let found = found.ok_or(Refusal::Missing("session"))?;
        if found.subject != ask.subject {
            return Err(Refusal::Forbidden);
        }
        if found.ended {
            return Err(Refusal::Ended);
        }
        let mut step = judge(
            &found.record,
            &self.owner(),
            &ask.moved_from,
            self.is_draining(),
        );
        if let Step::AskRelease(owner) = step {
            let answer = self.ask_release(id, &found.record, &owner).await;
            step = after_release(answer, owner);
        }
        match step {
            Step::Claim => self.claim(found).await,
            Step::Redirect(owner) | Step::AskRelease(owner) => Err(Refusal::Owner {
                endpoint: owner.endpoint,
                address: owner.address,
            }),
            Step::Decline => Err(Refusal::unavailable("this endpoint is leaving")),
        }
    }

    async fn ask_release(&self, id: SessionId, seen: &Record, owner: &Owner) -> ReleaseAnswer {
        let ask = ReleaseAsk {
            session: id,
            to: self.me.endpoint.clone(),
            to_incarnation: self.me.incarnation,
            generation: seen.claim.generation,
        };
        let asked = clock::now();
        let answer = match self.handoff.release(owner, &ask).await {
            Ok(Released::Released { .. }) => ReleaseAnswer::Released,
            Ok(Released::Held { .. }) => ReleaseAnswer::Held,
            Ok(Released::NotOwner { .. }) => ReleaseAnswer::NotOwner,
            Err(error) => {
                tracing::info!(session = %id, owner = %owner.endpoint, %error, "release failed");
                ReleaseAnswer::Unreachable
            }
        };
        let took_ms = clock::now().duration_since(asked).as_millis();
        let owner = &owner.endpoint;
        tracing::debug!(session = %id, %owner, ?answer, took_ms, "asked to release");
        answer
    }

    async fn claim(self: &Arc<Self>, found: Found) -> Result<Option<Handle>, Refusal> {
        self.room()?;
        let seen = found.record.claim;
        let claim = Claim {
            generation: seen.generation + 1,
            id: ClaimId::new(random::bits128()),
        };
        let next = Record {
            claim,
            owner: self.owner(),
            leaving: self.is_draining(),
            laid_down: false,
            ancestors: found.record.lineage(),
        };
        match self.store.claim(found.id, seen, next).await {
            Ok(state) if is_over(&found) => {
                tracing::info!(session = %found.id, "its time is up");
                let revived = self.revive(found, claim, state).await?;
                let (reply, ended) = oneshot::channel();
                // one that has stopped meanwhile is looked at again by whoever asks next
                if revived.mail.send(Mail::End { reply }).await.is_ok()
                    && let Ok(ended) = ended.await
                {
                    ended?;
                }
                Err(Refusal::Ended)
            }
            Ok(state) => self.revive(found, claim, state).await.map(Some),
            // another was faster, or it was ended or lost: the record says which
            Err(StoreError::Fenced { .. } | StoreError::Missing) => Ok(None),
            Err(error) => Err(trouble(error)),
        }
    }

    async fn revive(
        self: &Arc<Self>,
        found: Found,
        claim: Claim,
        state: State,
    ) -> Result<Handle, Refusal> {
        let id = found.id;
        let (fence, begun) = (
            Fence {
                session: id,
                claim,
                length: state.length,
            },
            clock::now(),
        );
        let revived = match self.bring_back(claim, &state) {
            Ok(revived) => revived,
            Err(error) => {
                tracing::error!(session = %id, %error, "cannot be revived here");
                // another build may be able to: let it be taken
                drop(self.store.mark(fence, true, true).await);
                let problem = Problem::retryable("unreadable_state", error.to_string());
                let retry_after = std::time::Duration::from_secs(1);
                return Err(Refusal::Unavailable {
                    problem,
                    retry_after,
                });
            }
        };
        let took_us = clock::now().duration_since(begun).as_micros();
        let (generation, seq) = (claim.generation, revived.log.top());
        tracing::info!(session = %id, generation, seq, took_us, "session revived");
        if state.rewound {
            self.tally.lost(Loss::Moments);
            tracing::warn!(session = %id, "the store may have lost its last moments: new epoch");
        }
        let Revived {
            mut engine,
            log,
            same_epoch,
            mark,
        } = revived;
        let shared = Shared::new(id, found.subject, found.created_ms, log);
        self.enrol(&shared, &mut engine, Why::NoTrail);
        let revived_at = Some(mark).filter(|_| same_epoch);
        let holder = Holder::new(claim, found.record.lineage(), 0);
        Ok(self.start(shared, engine, holder, revived_at))
    }

    fn bring_back(&self, claim: Claim, state: &State) -> Result<Revived, ReviveError> {
        let stored = Stored {
            snapshot: &state.snapshot.state,
            last_act: state.snapshot.last_act,
            rewound: state.rewound,
            journal: &state.journal,
        };
        let catch_up_ms = u64::try_from(self.settings.catch_up.as_millis()).unwrap_or(u64::MAX);
        Engine::revive(stored, claim.generation, catch_up_ms, Epoch::new(bits64()))
    }

    /// Starts the task of a session that is owned.
    pub(super) fn start(
        self: &Arc<Self>,
        shared: Shared,
        engine: Engine,
        holder: Holder,
        revived_at: Option<Mark>,
    ) -> Handle {
        let shared = Arc::new(shared);
        let (mail, received) = mpsc::channel(self.settings.mailbox);
        let (now, claimed_length) = (clock::now(), engine.length());
        let mut times = Times::new(now, &self.settings);
        if engine.generation() > 1 && revived_at.is_none() {
            // a new epoch that is not in the store is another new one after the next crash
            times.snapshot = now;
        }
        shared.terms.lock().clone_from(engine.terms());
        let task = Running {
            me: self.me.clone(),
            settings: self.settings.clone(),
            store: Arc::clone(&self.store),
            tally: Arc::clone(&self.tally),
            shared: Arc::clone(&shared),
            engine,
            holder,
            renaming: None,
            revived_at,
            claimed_length,
            leaving: self.is_draining(),
            mail: received,
            own_mail: mail.downgrade(),
            times,
            legs: std::collections::HashMap::new(),
            alone: Default::default(),
            tickets: std::collections::HashMap::new(),
            last_ticket: 0,
            append: None,
            snapshot: None,
            feed: self.feed.clone(),
            posting: None,
            check: None,
            held: None,
            held_is_ready: false,
        };
        let handle = Handle { mail, shared };
        self.admit(handle.clone(), task);
        handle
    }

    /// From now on the session is found here, until its task is over.
    fn admit(self: &Arc<Self>, handle: Handle, task: Running) {
        let (id, inner) = (handle.shared.id, Arc::clone(self));
        let shared = Arc::clone(&handle.shared);
        self.running.lock().insert(id, handle);
        self.tasks.spawn(async move {
            task.run().await;
            let mut running = inner.running.lock();
            if running
                .get(&id)
                .is_some_and(|handle| Arc::ptr_eq(&handle.shared, &shared))
            {
                running.remove(&id);
            }
            drop(running);
            inner.changed.notify_waiters();
        });
    }

    pub(super) fn owner(&self) -> Owner {
        Owner {
            endpoint: self.me.endpoint.clone(),
            incarnation: self.me.incarnation,
            address: self.me.address.clone(),
        }
    }

    /// Whether one more session may run here.
    pub(super) fn room(&self) -> Result<(), Refusal> {
        if self.count() < self.settings.sessions_max {
            return Ok(());
        }
        let message = format!("{} sessions run here already", self.settings.sessions_max);
        Err(Refusal::Full(Problem::retryable("unavailable", message)))
    }
}

/// A store that fails is a reason to come again.
pub(super) fn trouble(error: StoreError) -> Refusal {
    tracing::warn!(%error, "store failed");
    let message = match error {
        StoreError::Lost => "the store has lost sessions; its owner may write this one anew",
        StoreError::Full => "the store is full; nothing new is taken",
        _ => "the store does not answer",
    };
    Refusal::Unavailable {
        problem: Problem::retryable("store_unavailable", message),
        retry_after: std::time::Duration::from_secs(1),
    }
}

/// 53 random bits: numbers of JSON keep them exactly.
pub(super) fn bits64() -> u64 {
    let bits = random::bits128();
    u64::try_from(bits & ((1 << 53) - 1)).unwrap_or_default()
}
